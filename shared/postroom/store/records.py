"""Records of what went out and came back: for people, with links and as much of the mail as is to be kept."""

import hashlib
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, select, tuple_

from postroom.addresses import fold_case
from postroom.messages import LogDepth, derive_id
from postroom.store.engine import insert_new
from postroom.store.schema import contact_addresses, records

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


def add(connection: Connection, new: Sequence[Record]) -> set[str]:
    """Record them, those without a contact under the one that has their recipient's address; the new ids."""
    contacts = _contacts(connection, [each for each in new if each.contact_id is None])
    rows = [_row(each, contacts) for each in new]
    return insert_new(connection, records, rows, key="id")


def sha256_of(connection: Connection, send_ids: Iterable[str]) -> dict[str, str]:
    """The hashes of mails of ours as they were composed first."""
    ids = {send_record_id(each): each for each in send_ids}
    query = select(records.c.id, records.c.sha256).where(
        records.c.id.in_(list(ids)), records.c.sha256.is_not(None)
    )
    return {ids[row.id]: row.sha256 for row in connection.execute(query)}


def about_send(connection: Connection, send_id: str) -> dict[str, Any]:
    """Event and links of a mail of ours, for what is recorded about it later; empty if it has no record."""
    table = records.c
    query = select(table.event, table.contact_id, table.conversation_id).where(
        table.id == send_record_id(send_id)
    )
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row else {}


def depth(wanted: LogDepth | None, setting: LogDepth | None, *, confidential: bool) -> LogDepth:
    """How much of a mail is kept: as it says itself, else its account; of confidential no body (pure)."""
    most: LogDepth = "headers" if confidential else "full"
    return min(wanted or setting or most, most, key=_DEPTHS.index)


def header_block(content: bytes) -> bytes:
    """The headers of a mail, `MAX_HEADER_BYTES` at most (pure)."""
    found = _HEADER_END.search(content)
    return content[: found.start() if found else len(content)][:MAX_HEADER_BYTES]


def sha256(content: bytes) -> str:
    """The hash of a whole mail (pure)."""
    return hashlib.sha256(content).hexdigest()


def unpacked(headers: bytes | None) -> str:
    """Kept headers as text."""
    return "" if headers is None else zlib.decompress(headers).decode("utf-8", "replace")


def _row(record: Record, contacts: dict[tuple[str, str], str]) -> dict[str, Any]:
    found = contacts.get((record.account, fold_case(record.recipient)))
    return {
        **vars(record),
        "contact_id": record.contact_id or found,
        "headers": None if record.headers is None else zlib.compress(record.headers),
    }


def _contacts(connection: Connection, new: Sequence[Record]) -> dict[tuple[str, str], str]:
    wanted = sorted({(each.account, fold_case(each.recipient)) for each in new if each.recipient})
    table = contact_addresses.c
    found: dict[tuple[str, str], str] = {}
    for start in range(0, len(wanted), 500):
        query = select(table.account, table.address, table.contact_id).where(
            tuple_(table.account, table.address).in_(wanted[start : start + 500])
        )
        found |= {(row.account, row.address): row.contact_id for row in connection.execute(query)}
    return found
