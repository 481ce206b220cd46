"""Forgets what an account keeps no longer, a little at a time; never what a pending request needs."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, select, update

from postroom.account_retention import Retention
from postroom.inbox.entry import own_message_id
from postroom.inbox.person import erase_empty, erase_messages
from postroom.store import bulks, evidence
from postroom.store.engine import Store
from postroom.store.schema import (
    approvals,
    conversation_messages,
    conversations,
    mails,
    message_sources,
    records,
    send_recipients,
    sends,
    sent_copies,
)

STEP = 500
"""Rows of one kind and account that one transaction erases at most."""
DEFAULT = Retention.model_validate({})
_ENDED = ("sent", "failed", "bounced")


def tidy(store: Store, by_account: Mapping[str, Retention], evidence_s: float | None, now: datetime) -> bool:
    """Take one step for each account; returns whether there is more to erase.

    Args:
        store: Where.
        by_account: How long each account keeps what; mail of accounts that are no more is kept as by default.
        evidence_s: For how long evidence is kept where the account says nothing; None: for ever.
        now: The time.
    """
    with store.read() as connection:
        names = _accounts(connection) | set(by_account)
    more = False
    for name in sorted(names):
        retention = by_account.get(name, DEFAULT)
        with store.write() as connection:
            more |= _step(connection, name, retention, now)
            keep_s = evidence_s if retention.evidence_s is None else retention.evidence_s
            if keep_s is not None:
                before = now - timedelta(seconds=keep_s)
                more |= evidence.forget_before(connection, before, account=name, limit=STEP) >= STEP
    return more


def referenced(store: Store, references: Collection[str]) -> set[str]:
    """Those of the references into the spool that a message, a copy to be filed or a bulk has."""
    wanted = sorted(references)
    raw, copy = message_sources.c.dataref, sent_copies.c
    with store.read() as connection:
        found = bulks.files(connection) & set(wanted)
        for start in range(0, len(wanted), STEP):
            part = wanted[start : start + STEP]
            found.update(connection.execute(select(raw).where(raw.in_(part)).distinct()).scalars())
            waiting = select(copy.dataref).where(copy.dataref.in_(part), copy.due_at.is_not(None))
            found.update(connection.execute(waiting.distinct()).scalars())
    return found


def _step(connection: Connection, account: str, retention: Retention, now: datetime) -> bool:
    def before(keep_s: int) -> datetime:
        return now - timedelta(seconds=keep_s)

    done = (
        _erase_sources(connection, account, before(retention.raw_s)),
        _erase_conversations(connection, account, before(retention.conversations_s)),
        _erase_outcomes(connection, account, before(retention.logs_s)),
        _erase_sends(connection, account, before(retention.logs_s)),
        bulks.forget(connection, account, before(retention.logs_s), STEP),
        _erase_headers(connection, account, before(retention.raw_s)),
        _erase_records(connection, account, before(retention.logs_s)),
    )
    return any(count >= STEP for count in done)


def _erase_sources(connection: Connection, account: str, before: datetime) -> int:
    source, message = message_sources.c, conversation_messages.c
    needed = select(1).where(message.id == source.message_id, message.approval_id.in_(_pending(account)))
    old = (
        select(source.message_id)
        .where(source.account == account, source.at < before, ~needed.exists())
        .order_by(source.at)
    )
    return _erase(connection, message_sources, source.message_id, old)


def _erase_conversations(connection: Connection, account: str, before: datetime) -> int:
    """By their messages: a conversation may have more of them than one step erases."""
    message, conversation = conversation_messages.c, conversations.c
    other = conversation_messages.alias().c
    needed = select(1).where(
        other.conversation_id == conversation.id, other.approval_id.in_(_pending(account))
    )
    old = (
        select(message.id, message.conversation_id)
        .join(conversations, conversation.id == message.conversation_id)
        .where(conversation.account == account, conversation.last_at < before, ~needed.exists())
        .order_by(conversation.last_at, conversation.id)
    )
    rows = connection.execute(old.limit(STEP)).all()
    if rows:
        erase_messages(connection, [row.id for row in rows])
        erase_empty(connection, [row.conversation_id for row in rows])
    return len(rows)


def _erase_outcomes(connection: Connection, account: str, before: datetime) -> int:
    table = mails.c
    is_needed = table.approval_id.is_not(None) & table.approval_id.in_(_pending(account))
    old = select(table.mail_id).where(table.account == account, table.handled_at < before, ~is_needed)
    return _erase(connection, mails, table.mail_id, old)


def _erase_sends(connection: Connection, account: str, before: datetime) -> int:
    """Mails whose end is known; by those of a pending request its replies and bounces are recognised."""
    table, message = sends.c, conversation_messages.c
    old = (
        select(table.send_id, table.message_id, table.content_sha256)
        .where(table.account == account, table.state.in_(_ENDED), table.updated_at < before)
        .order_by(table.updated_at)
    )
    ids = {
        own_message_id(account, row.message_id, row.content_sha256 or ""): row.send_id
        for row in connection.execute(old.limit(STEP))
    }
    pending = select(message.id).where(message.id.in_(list(ids)), message.approval_id.in_(_pending(account)))
    for each in connection.execute(pending).scalars():
        del ids[each]
    if ids:
        for rows in (send_recipients, sent_copies, sends):
            connection.execute(delete(rows).where(rows.c.send_id.in_(list(ids.values()))))
    return len(ids)


def _erase_headers(connection: Connection, account: str, before: datetime) -> int:
    """Of records, what is raw mail; whole mails of theirs go with all raw mail."""
    table = records.c
    old = select(table.id).where(table.account == account, table.at < before, table.headers.is_not(None))
    ids = list(connection.execute(old.limit(STEP)).scalars())
    if ids:
        connection.execute(update(records).where(table.id.in_(ids)).values(headers=None))
    return len(ids)


def _erase_records(connection: Connection, account: str, before: datetime) -> int:
    """But not those of mails that are still there, such as one in doubt."""
    table = records.c
    is_open = select(sends.c.send_id).where(sends.c.send_id == table.send_id)
    old = select(table.id).where(table.account == account, table.at < before, ~is_open.exists())
    return _erase(connection, records, table.id, old)


def _erase(connection: Connection, table: Table, key: ColumnElement[str], old: Select[Any]) -> int:
    ids = list(connection.execute(old.limit(STEP)).scalars())
    if ids:
        connection.execute(delete(table).where(key.in_(ids)))
    return len(ids)


def _pending(account: str) -> Select[Any]:
    return select(approvals.c.id).where(approvals.c.account == account, approvals.c.state == "pending")


def _accounts(connection: Connection) -> set[str]:
    found: set[str] = set()
    for table in (conversations, message_sources, mails, sends, records):
        found.update(connection.execute(select(table.c.account).distinct()).scalars())
    return found
