"""Reads secrets by reference, at each use; the value is never kept or shown."""

import os
import re
from pathlib import Path

from postroom.errors import Misconfigured

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def read_secret(reference: str) -> str:
    """The secret behind a reference; a final line end in a file is not part of it.

    Raises:
        Misconfigured: it is not there, cannot be read, is empty or has several lines; the text names the
            reference, never a value.
    """
    kind, _, name = reference.partition(":")
    value = _from_environment(name) if kind == "env" else _from_file(name)
    if not value:
        raise Misconfigured("secret_missing", f"the secret {reference} is empty")
    if _CONTROL.search(value):
        # Sent on, a line end would be a command of its own to an IMAP or SMTP server.
        raise Misconfigured("secret_malformed", f"the secret {reference} must be one line of text")
    return value


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise Misconfigured("secret_missing", f"the environment variable {name} is not set")
    return value


def _from_file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Misconfigured("secret_missing", f"the secret file {name} cannot be read: {reason}") from error
