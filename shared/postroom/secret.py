"""Reads secrets by reference, at each use; the value is never kept or shown."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from postroom.errors import Misconfigured
from postroom.secret_box import SecretBox
from postroom.secret_reference import stored_name
from postroom.store.engine import Store
from postroom.store.secrets import read_sealed

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MAX_SECRET_BYTES = 64 * 1024


class Secrets:
    """Secrets in the environment, in files, or encrypted in the store. Threads may share it."""

    def __init__(self, store: Store, box: SecretBox) -> None:
        self._store = store
        self._box = box

    def read(self, reference: str) -> str:
        """The secret behind a reference; a final line end in a file is not part of it.

        Raises:
            Misconfigured: it is not there, cannot be read, is empty or has several lines; the text names the
                reference, never a value.
            Transient: the store does not answer.
        """
        return _usable(reference, self._value(reference))

    def stamp(self, references: Iterable[str]) -> str:
        """Tells one state of these secrets from the next.

        Raises:
            Transient: the store does not answer.
        """
        return ",".join(self._stamp_of(reference) for reference in references)

    def _value(self, reference: str) -> str:
        return self._from_store(reference) if stored_name(reference) else from_outside(reference)

    def _from_store(self, reference: str) -> str:
        name = stored_name(reference) or ""
        with self._store.read() as connection:
            sealed = read_sealed(connection, name)
        if sealed is None:
            account, _, field = name.partition("/")
            raise Misconfigured(
                "secret_missing",
                f"the secret {reference} is not stored yet: "
                f"run `postroom accounts set-secret {account} {field}`",
            )
        return self._box.open(name, sealed)

    def _stamp_of(self, reference: str) -> str:
        try:
            return self._box.stamp(self._value(reference))
        except Misconfigured as error:
            return error.reason_code


def read_secret(reference: str) -> str:
    """The secret behind an `env:` or `file:` reference. Raises Misconfigured as `Secrets.read`."""
    return _usable(reference, from_outside(reference))


def from_outside(reference: str) -> str:
    """What the environment or a file has. Raises Misconfigured."""
    kind, _, name = reference.partition(":")
    return _from_environment(name) if kind == "env" else _from_file(name)


def _usable(reference: str, value: str) -> str:
    if not value:
        raise Misconfigured("secret_missing", f"the secret {reference} is empty")
    return checked(reference, value)


def checked(what: str, value: str) -> str:
    """The secret, if it is one line of text. Raises Misconfigured.

    Sent on, a line end would be a command of its own to an IMAP or SMTP server.
    """
    if _CONTROL.search(value) or len(value) > MAX_SECRET_BYTES:
        raise Misconfigured("secret_malformed", f"the secret {what} must be one line of text")
    return value


def file_of(reference: str) -> str | None:
    """The file that a reference names; None if it is of another kind."""
    kind, _, name = reference.partition(":")
    return name if kind == "file" else None


def look(name: str) -> object:
    """What tells a changed file from an unchanged one; None if there is none."""
    try:
        stat = Path(name).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise Misconfigured("secret_missing", f"the environment variable {name} is not set")
    return value


def _from_file(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_SECRET_BYTES + 1).decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Misconfigured("secret_missing", f"the secret file {name} cannot be read: {reason}") from error
