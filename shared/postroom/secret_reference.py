"""What a reference to a secret looks like: `env:NAME` or `file:/path` (pure)."""

import re
from typing import Annotated

from pydantic import AfterValidator

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00-\x1f\x7f]+")


def _reference(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        # The value itself may be a password somebody wrote here: it is not repeated.
        raise ValueError("a secret is given by reference: env:NAME or file:/path")
    return text


SecretReference = Annotated[str, AfterValidator(_reference)]
