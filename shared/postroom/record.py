"""What people want to know later of a mail that went out or came back (pure)."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from postroom.messages import LogDepth, derive_id

Kind = Literal["send", "bounce", "manual"]
MAX_HEADER_BYTES = 256 * 1024
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_DEPTHS: tuple[LogDepth, ...] = ("nothing", "headers", "full")


@dataclass(frozen=True)
class Record:
    """One row.

    Attributes:
        id: The same for the same mail, however often it is recorded.
        account: Whose mail it is.
        kind: What it is about.
        event: What it was sent for, in the words of who sent it.
        send_id: Of the mail of ours that it is about.
        recipient: Whom it went to; of a bounce, who did not get it.
        subject: Empty where nothing is kept.
        log: How much is kept.
        headers: The header block, where that is kept and no whole mail.
        source_id: The whole mail in `message_sources`.
        sha256: Of the whole mail.
        size_bytes: Of the whole mail.
        at: When it was written or came.
        contact_id, conversation_id: Where people look for it.
        detail: More about it.
    """

    id: str
    account: str
    kind: Kind
    event: str
    recipient: str
    log: LogDepth
    at: datetime
    send_id: str | None = None
    subject: str = ""
    headers: bytes | None = None
    source_id: str | None = None
    sha256: str | None = None
    size_bytes: int = 0
    contact_id: str | None = None
    conversation_id: str | None = None
    detail: str = ""


def send_record_id(send_id: str) -> str:
    """The id of the record of a mail of ours."""
    return derive_id("record", "send", send_id)


def depth(wanted: LogDepth | None, setting: LogDepth | None, *, confidential: bool) -> LogDepth:
    """How much of a mail is kept: as it says itself, else its account; of confidential no body."""
    most: LogDepth = "headers" if confidential else "full"
    return min(wanted or setting or most, most, key=_DEPTHS.index)


def header_block(content: bytes) -> bytes:
    """The headers of a mail, `MAX_HEADER_BYTES` at most."""
    found = _HEADER_END.search(content)
    return content[: found.start() if found else len(content)][:MAX_HEADER_BYTES]


def sha256(content: bytes) -> str:
    """The hash of a whole mail."""
    return hashlib.sha256(content).hexdigest()
