"""Copies of sent mail for the folder for sent mail: ordered, filed or refused, and then ordered again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select, update

from postroom.messages import MailboxAppend, derive_id
from postroom.sent_copies import NewCopy
from postroom.store.engine import insert_new
from postroom.store.many import execute_many
from postroom.store.schema import sent_copies

AGAIN_AFTER_S = (600.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""After a refusal, by the orders so far; then it is given up, which people see."""
ANSWER_WITHIN_S = 6 * 3600.0
"""Without an answer for so long it is ordered again: the mailbox has a mail of one Message-ID once."""
MAX_DETAIL_CHARS = 500
STEP = 100
UNFILED = ("ordered", "refused")
_NOTE = (
    update(sent_copies)
    .where(sent_copies.c.send_id == bindparam("of"))
    .values(
        state=bindparam("to"),
        detail=bindparam("words"),
        due_at=bindparam("again"),
        updated_at=bindparam("at"),
    )
)


@dataclass(frozen=True)
class Order:
    """A command with its id, and the mail it is about."""

    id: str
    send_id: str
    command: MailboxAppend


@dataclass(frozen=True)
class Answer:
    """What became of an order: `found` says that the mail was there before, `refused` why it is not there."""

    command_id: str
    found: bool | None
    refused: str


def add(connection: Connection, copies: Sequence[NewCopy], now: datetime) -> list[Order]:
    """Record the copies; the commands that file them."""
    if not copies:
        return []
    rows = [
        {
            "send_id": each.send_id,
            "account": each.account,
            "message_id": each.message_id,
            "dataref": each.dataref,
            "command_id": _command_id(each.send_id, 1),
            "state": "ordered" if each.dataref else "refused",
            "detail": each.detail[:MAX_DETAIL_CHARS],
            "tries": 1,
            "due_at": now + timedelta(seconds=ANSWER_WITHIN_S) if each.dataref else None,
            "updated_at": now,
        }
        for each in copies
    ]
    new = insert_new(connection, sent_copies, rows, key="send_id")
    return [
        Order(
            _command_id(each.send_id, 1), each.send_id, _append(each.account, each.message_id, each.dataref)
        )
        for each in copies
        if each.send_id in new and each.dataref
    ]


def note(connection: Connection, answers: Sequence[Answer], now: datetime) -> None:
    """Record what became of orders; an answer may come twice, or be about something else."""
    table = sent_copies.c
    by_command = {each.command_id: each for each in answers}
    rows = connection.execute(
        select(table.send_id, table.command_id, table.tries)
        .where(table.command_id.in_(by_command))
        .order_by(table.send_id)
        .with_for_update()
    ).all()
    execute_many(
        connection, _NOTE, [_noted(row.send_id, row.tries, by_command[row.command_id], now) for row in rows]
    )


def _noted(send_id: str, tries: int, answer: Answer, now: datetime) -> dict[str, object]:
    state, due_at = "there" if answer.found else "filed", None
    if answer.refused:
        state = "refused"
        if tries <= len(AGAIN_AFTER_S):
            due_at = now + timedelta(seconds=AGAIN_AFTER_S[tries - 1])
    detail = answer.refused[:MAX_DETAIL_CHARS]
    return {"of": send_id, "to": state, "words": detail, "again": due_at, "at": now}


def order_again(connection: Connection, now: datetime) -> list[Order]:
    """Order some of the copies that are due again; the commands."""
    table = sent_copies.c
    due = connection.execute(
        select(sent_copies)
        .where(table.due_at <= now)
        .order_by(table.due_at)
        .limit(STEP)
        .with_for_update(skip_locked=True)
    ).all()
    orders = []
    for row in due:
        given_up = row.tries > len(AGAIN_AFTER_S)
        command_id = _command_id(row.send_id, row.tries + 1)
        values = {"state": "refused", "detail": row.detail or "no answer came", "due_at": None}
        if not given_up:
            due_at = now + timedelta(seconds=ANSWER_WITHIN_S)
            values = {"state": "ordered", "tries": row.tries + 1, "command_id": command_id, "due_at": due_at}
            orders.append(Order(command_id, row.send_id, _append(row.account, row.message_id, row.dataref)))
        connection.execute(
            update(sent_copies).where(table.send_id == row.send_id).values(**values, updated_at=now)
        )
    return orders


def by_state(connection: Connection) -> dict[str, int]:
    """How many copies are not filed, by their state."""
    table = sent_copies.c
    query = select(table.state, func.count()).where(table.state.in_(UNFILED)).group_by(table.state)
    return {row.state: int(row[1]) for row in connection.execute(query)}


def _append(account: str, message_id: str, dataref: str) -> MailboxAppend:
    return MailboxAppend(account=account, message_id=message_id, dataref=dataref)


def _command_id(send_id: str, number: int) -> str:
    return derive_id("sent copy", send_id, number)
