"""Records of what went out and came back: for people, with links and as much of the mail as is to be kept."""

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select, tuple_

from postroom.addresses import fold_case
from postroom.record import Record, send_record_id
from postroom.store.engine import insert_new
from postroom.store.packing import packed
from postroom.store.schema import contact_addresses, records


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


def unpacked(headers: bytes | None) -> str:
    """Kept headers as text."""
    return "" if headers is None else zlib.decompress(headers).decode("utf-8", "replace")


def _row(record: Record, contacts: dict[tuple[str, str], str]) -> dict[str, Any]:
    found = contacts.get((record.account, fold_case(record.recipient)))
    return {
        **vars(record),
        "contact_id": record.contact_id or found,
        "headers": None if record.headers is None else packed(record.headers),
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
