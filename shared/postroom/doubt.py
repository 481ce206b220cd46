"""A mail that may have been sent or not, as its sender leaves it behind (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NewDoubt:
    """A mail in doubt. `command` (JSON) and `content` are None where neither may be kept.

    `sha256`: of the content; one that was written anew after a crash is kept only if it is still the same.
    `is_parked`: nothing more is tried by itself.
    """

    send_id: str
    account: str
    command: bytes | None
    content: bytes | None
    sha256: str
    is_parked: bool
