"""What a reference to a secret looks like: `env:NAME`, `file:/path` or `stored` (pure)."""

import re
from typing import Annotated

from pydantic import AfterValidator

STORED = "stored"
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00-\x1f\x7f]+|stored(:[a-z0-9_./-]{1,150})?")


def _reference(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        # The value itself may be a password somebody wrote here: it is not repeated.
        raise ValueError("a secret is given by reference: env:NAME, file:/path or stored")
    return text


SecretReference = Annotated[str, AfterValidator(_reference)]


def stored(owner: str, field: str) -> str:
    """The full reference to the stored secret of an account's field, such as `stored:ops/smtp.password`."""
    return f"{STORED}:{owner}/{field}"


def stored_name(reference: str) -> str | None:
    """The name under which the secret is stored, or None if the reference is of another kind."""
    kind, _, name = reference.partition(":")
    return name if kind == STORED else None
