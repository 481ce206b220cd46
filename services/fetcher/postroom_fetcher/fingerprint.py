"""By what a mail is known to be the one that was handed on, before it is removed (pure)."""

import hashlib
import re
from dataclasses import dataclass

HEADER_BYTES = 16 * 1024
"""Of a header block that count: with the size they tell mails apart, and many may be fetched at once."""
_EMPTY_LINE = re.compile(rb"(?:\A|\n)\r?\n")


@dataclass(frozen=True)
class Fingerprint:
    """What the ledger keeps of a mail: its length in bytes, and hashes of its header block and of it all.

    `header_sha256` is None where the header was not noted. `truncated`: the hash of it all is that of the
    part that was read.
    """

    size_bytes: int
    header_sha256: str | None
    sha256: str
    truncated: bool


def header_sha256(content: bytes) -> str:
    """The hash of a header block, its first 16 KiB at most.

    `content` begins with the header block: a mail, its beginning, or what `BODY[HEADER]` gives. Its last
    line end and the empty line do not count: not all servers give them for a mail without a body.
    """
    beginning = content[:HEADER_BYTES]
    end = _EMPTY_LINE.search(beginning)
    block = beginning[: end.start()] if end else beginning
    return hashlib.sha256(block.rstrip(b"\r\n")).hexdigest()
