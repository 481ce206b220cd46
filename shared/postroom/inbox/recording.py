"""Writes messages into their conversations, in the transaction of what became of them; in bulk."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, or_, select, update

from postroom.errors import Transient
from postroom.inbox.entry import Entry, Source, short_id
from postroom.inbox.placing import Lead, Placing, keys_of, place
from postroom.store.engine import insert_all, insert_new
from postroom.store.many import execute_many
from postroom.store.packing import packed
from postroom.store.schema import (
    contact_addresses,
    contacts,
    conversation_keys,
    conversation_messages,
    conversations,
    message_sources,
)

_TRIES = 5
MAX_PARAMETERS = 5000
_COLUMNS = (
    *("id", "account", "direction", "author", "author_name", "recipients", "subject", "preview", "text"),
    *("searched", "outcome", "at", "mail_id", "send_id", "approval_id"),
)


def record(
    connection: Connection, entries: Sequence[Entry], within: Mapping[str, timedelta], now: datetime
) -> dict[str, str]:
    """Let the mails join their conversations; those that are there already only get a new outcome.

    Args:
        connection: The transaction; another's that begins the same conversation is waited for.
        entries: The mails, each once.
        within: By account, for how long subject and people lead to a conversation.
        now: When contacts are made.

    Returns:
        The conversation of each mail that is new, or was replayed, by the message's id.

    Raises:
        Transient: others begin the same conversations all the time.
    """
    new = _new(connection, entries)
    replayed = _replayed(connection, {each.id: each for each in entries}, new)
    if not new:
        return replayed
    placing = _placed(connection, new, within)
    _write_conversations(connection, placing)
    rows = [_message_row(each, placing.conversations[each.id]) for each in new]
    insert_all(connection, conversation_messages, rows)
    sources = [_source_row(each, each.source) for each in new if each.source]
    insert_all(connection, message_sources, sources)
    _make_contacts(connection, [each for each in new if each.direction == "out"], now)
    return {**replayed, **placing.conversations}


def _replayed(connection: Connection, entries: Mapping[str, Entry], new: Sequence[Entry]) -> dict[str, str]:
    """The conversations of mails that are there and are handled once more: a person replayed them."""
    fresh = {each.id for each in new}
    again = [each for each in entries.values() if each.id not in fresh and each.direction == "in"]
    if not again:
        return {}
    table = conversation_messages.c
    connection.execute(
        update(conversation_messages)
        .where(table.id == bindparam("of"))
        .values(outcome=bindparam("became"), approval_id=bindparam("request")),
        [{"of": each.id, "became": each.outcome, "request": each.approval_id} for each in again],
    )
    rows = connection.execute(
        select(table.id, table.conversation_id).where(table.id.in_([each.id for each in again]))
    )
    return {row.id: row.conversation_id for row in rows}


def _new(connection: Connection, entries: Sequence[Entry]) -> list[Entry]:
    """Those that are not there yet. Of a copy of a mail that is there, where it lies is noted."""
    if not entries:
        return []
    column = conversation_messages.c.id
    wanted = select(column).where(column.in_([each.id for each in entries]))
    there = set(connection.execute(wanted).scalars())
    copies = [each for each in entries if each.is_copy and each.id in there]
    if copies:
        connection.execute(
            update(conversation_messages).where(column == bindparam("of")).values(mail_id=bindparam("mail")),
            [{"of": each.id, "mail": each.mail_id} for each in copies],
        )
    fresh = {each.id: each for each in entries if each.id not in there}
    return list(fresh.values())


def _placed(connection: Connection, entries: Sequence[Entry], within: Mapping[str, timedelta]) -> Placing:
    keys = keys_of(entries)
    for _ in range(_TRIES):
        placing = place(entries, _leads(connection, keys), within)
        if _take(connection, placing):
            return placing
    raise Transient("others have just begun some of these conversations")


def _leads(connection: Connection, keys: Sequence[str]) -> dict[str, Lead]:
    found: dict[str, Lead] = {}
    table = conversation_keys.c
    for start in range(0, len(keys), MAX_PARAMETERS):
        rows = connection.execute(
            select(table.key, table.conversation_id, table.at).where(
                table.key.in_(keys[start : start + MAX_PARAMETERS])
            )
        )
        found |= {row.key: Lead(row.conversation_id, row.at) for row in rows}
    return found


def _take(connection: Connection, placing: Placing) -> bool:
    """Write the keys; False, and none is written, if another transaction wrote one of them meanwhile."""
    # In order, so that two transactions cannot wait for each other.
    rows = [
        {"key": key, "account": account, "conversation_id": lead.conversation_id, "at": lead.at}
        for key, (account, lead) in sorted(placing.new_leads.items())
    ]
    if rows and connection.dialect.name == "sqlite":  # where nobody else writes meanwhile
        insert_all(connection, conversation_keys, rows)
    elif len(insert_new(connection, conversation_keys, rows, key="key")) != len(rows):
        table = conversation_keys.c
        mine = [
            and_(table.key == row["key"], table.conversation_id == row["conversation_id"]) for row in rows
        ]
        connection.execute(delete(conversation_keys).where(or_(*mine)))
        return False
    moved = [
        {"of": key, "to": lead.conversation_id, "moment": lead.at}
        for key, lead in sorted(placing.moved_leads.items())
    ]
    execute_many(connection, _MOVE_KEY, moved)
    return True


_MOVE_KEY = (
    update(conversation_keys)
    .where(conversation_keys.c.key == bindparam("of"))
    .values(conversation_id=bindparam("to"), at=bindparam("moment"))
)
_TOUCH = (
    update(conversations)
    .where(conversations.c.id == bindparam("of"), conversations.c.last_at < bindparam("moment"))
    .values(last_at=bindparam("moment"))
)


def _write_conversations(connection: Connection, placing: Placing) -> None:
    begun = [_conversation_row(placing, each, first) for each, first in placing.begun.items()]
    insert_all(connection, conversations, begun)
    joined = [_conversation_row(placing, each, first) for each, first in sorted(placing.joined.items())]
    if joined:
        execute_many(connection, _TOUCH, [{"of": row["id"], "moment": row["last_at"]} for row in joined])
        # One that was erased after its keys were read begins anew.
        insert_new(connection, conversations, joined)


def _conversation_row(placing: Placing, conversation_id: str, first: Entry) -> dict[str, Any]:
    return {
        "id": conversation_id,
        "account": first.account,
        "contact_id": None,
        "correspondent": next(iter(first.correspondents), None),
        "subject": first.subject,
        "started_at": first.at,
        "last_at": placing.last_at[conversation_id],
    }


def _message_row(entry: Entry, conversation_id: str) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in _COLUMNS} | {"conversation_id": conversation_id}


def _source_row(entry: Entry, source: Source) -> dict[str, Any]:
    return {
        "message_id": entry.id,
        "account": entry.account,
        "content": None if source.content is None else packed(source.content),
        "dataref": source.dataref,
        "size_bytes": source.size_bytes,
        "truncated": source.truncated,
        "at": entry.at,
    }


def _make_contacts(connection: Connection, sent: Sequence[Entry], now: datetime) -> None:
    """Whom the account writes to is its contact: somebody has decided to write there."""
    wanted = {(each.account, address) for each in sent for address in each.correspondents}
    if not wanted:
        return
    missing = sorted(wanted - _known(connection, wanted))
    rows = [
        {
            "id": short_id("contact", account, address),
            "account": account,
            "name": "",
            "origin": "written",
            "created_at": now,
        }
        for account, address in missing
    ]
    insert_new(connection, contacts, rows)
    addresses = [
        {"account": row["account"], "address": address, "contact_id": row["id"], "added_at": now}
        for row, (_, address) in zip(rows, missing, strict=True)
    ]
    insert_new(connection, contact_addresses, addresses)


def _known(connection: Connection, wanted: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    table = contact_addresses.c
    addresses = sorted({address for _, address in wanted})
    found: set[tuple[str, str]] = set()
    for start in range(0, len(addresses), MAX_PARAMETERS):
        part = addresses[start : start + MAX_PARAMETERS]
        rows = connection.execute(select(table.account, table.address).where(table.address.in_(part)))
        found |= {(row.account, row.address) for row in rows}
    return found
