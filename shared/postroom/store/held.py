"""Mails that wait for a person: those whose outcome was `held` or `quarantined`; all through a view."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, delete, func, or_, select, update

from postroom.account import Account
from postroom.errors import Misconfigured
from postroom.messages import (
    MailboxCommand,
    MailboxDelete,
    MailboxMarkRead,
    MailboxMove,
    MailReceived,
)
from postroom.store import audit
from postroom.store.schema import conversation_messages, fetch_ledger, mails, message_sources
from postroom.store.view import View

WAITING = ("held", "quarantined")
DROPPED = "dropped"
REPLAYED = "replayed"
_MAX_ID_CHARS = 36

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """Which mails: of an account, waiting since a time or later, until another, after a place in the list."""

    account: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: tuple[datetime, str] | None = None


class NotReplayable(Misconfigured):
    """There is nothing left to replay of a mail."""

    def __init__(self, row: Row) -> None:
        super().__init__(
            "mail",
            f"{row['mail_id']} cannot be replayed: its raw mail is kept no longer (retention of "
            f"{row['account']}); the mail itself is in its folder {row['folder']!r}, if nobody took it away",
        )


def listed(view: View, wanted: Wanted, limit: int) -> list[Row]:
    """The mails that wait, the longest waiting first."""
    query = _waiting(view, wanted).order_by(mails.c.handled_at, mails.c.mail_id).limit(limit)
    return [dict(row) for row in view.connection.execute(query).mappings()]


def counted(view: View, wanted: Wanted) -> int:
    """How many wait."""
    query = _waiting(view, wanted).subquery()
    return int(view.connection.execute(select(func.count()).select_from(query)).scalar_one())


def found(view: View, mail_id: str) -> Row | None:
    """The mail that waits, with what is shown of it; None if there is none that the actor sees."""
    if len(mail_id) > _MAX_ID_CHARS or not mail_id.isascii():
        return None
    query = _waiting(view, Wanted()).where(mails.c.mail_id == mail_id)
    row = view.connection.execute(query).mappings().first()
    return dict(row) if row else None


def text_of(view: View, mail_id: str) -> str | None:
    """The text that is kept of the mail; None: none is."""
    table = conversation_messages.c
    query = view.select(table.text).where(table.mail_id == mail_id)
    text: str | None = view.connection.execute(query).scalar()
    return text


def source_of(view: View, mail_id: str) -> Row | None:
    """The raw mail: `content` (its bytes) or `dataref` (where it lies in the spool), and `truncated`."""
    table = message_sources
    query = view.select(table).where(table.c.message_id == mail_id)
    row = view.connection.execute(query).mappings().first()
    if row is None:
        return None
    content = None if row["content"] is None else zlib.decompress(row["content"])
    return {**row, "content": content}


def replay(view: View, row: Row, now: datetime) -> MailReceived:
    """Forget what became of the mail, so that it is handled anew; returns the message for the outbox.

    Its id is the mail's: however often it is published, it is handled once.

    Raises:
        NotReplayable: its raw mail is kept no longer.
        Misconfigured: somebody else has just replayed or dropped it.
    """
    source = source_of(view, row["mail_id"])
    if source is None:
        raise NotReplayable(row)
    mine = _still_waiting(view, row)
    gone = view.connection.execute(delete(mails).where(mine))
    _check_one(gone.rowcount, row)
    _note_outcome(view, row, REPLAYED)
    audit.record(
        view.connection,
        view.actor,
        "dead.replay",
        row["account"],
        row["mail_id"],
        {"outcome": row["outcome"], "reason": row["reason"], "handled_at": row["handled_at"].isoformat()},
        now=now,
    )
    return MailReceived(
        **{name: row[name] for name in ("account", "folder", "uidvalidity", "uid", "size_bytes", "sha256")},
        arrived_at=row["arrived_at"],
        lane="replies" if row["approval_id"] else "inbox",
        truncated=source["truncated"],
        content=source["content"],
        dataref=source["dataref"],
    )


def drop(view: View, row: Row, reason: str, now: datetime, *, tidy: bool) -> MailboxCommand | None:
    """Nobody waits for a decision about the mail any more; returns what is to be done to it on the server.

    Raises:
        Misconfigured: somebody else has just replayed or dropped it; or it cannot be tidied: says why.
    """
    command = _tidy_command(view, row) if tidy else None
    by = f"{row['outcome']}: {row['reason']}; dropped by {view.actor.name}: {reason}"
    mine = _still_waiting(view, row)
    changed = view.connection.execute(update(mails).where(mine).values(outcome=DROPPED, reason=by))
    _check_one(changed.rowcount, row)
    _note_outcome(view, row, DROPPED)
    detail = {"outcome": row["outcome"], "why": reason, "tidy": command.TYPE if command else ""}
    audit.record(view.connection, view.actor, "dead.drop", row["account"], row["mail_id"], detail, now=now)
    return command


def _waiting(view: View, wanted: Wanted) -> Select[Any]:
    table, shown = mails.c, conversation_messages
    subject = select(shown.c.subject).where(shown.c.id == table.mail_id, shown.c.account == table.account)
    query = view.select(mails, subject.scalar_subquery().label("subject"))
    query = query.where(table.outcome.in_(WAITING))
    if wanted.account is not None:
        query = query.where(table.account == wanted.account)
    if wanted.since is not None:
        query = query.where(table.handled_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(table.handled_at <= wanted.until)
    if wanted.after is not None:
        at, mail_id = wanted.after
        query = query.where(or_(table.handled_at > at, and_(table.handled_at == at, table.mail_id > mail_id)))
    return query


def _still_waiting(view: View, row: Row) -> Any:
    table = mails.c
    is_same = (table.mail_id == row["mail_id"]) & (table.handled_at == row["handled_at"])
    return is_same & table.outcome.in_(WAITING) & view.visible(mails)


def _check_one(count: int, row: Row) -> None:
    if count != 1:
        raise Misconfigured("mail", f"somebody else has just replayed or dropped {row['mail_id']}")


def _note_outcome(view: View, row: Row, outcome: str) -> None:
    table = conversation_messages
    mine = (table.c.id == row["mail_id"]) & view.visible(table)
    view.connection.execute(update(table).where(mine).values(outcome=outcome))


def _tidy_command(view: View, row: Row) -> MailboxCommand:
    account = view.configuration.accounts.get(row["account"])
    if account is None or not account.enabled or not account.receive:
        raise _untidy(row, f"{row['account']} is not read")
    query = view.select(fetch_ledger).where(fetch_ledger.c.mail_id == row["mail_id"])
    ledger = view.connection.execute(query).mappings().first()
    if ledger is None:
        raise _untidy(row, "the fetcher does not know it")
    if ledger["truncated"]:
        raise _untidy(row, "it is too large to be read whole, and nobody knows what is in it")
    if ledger["action"] in ("delete", "move"):
        raise _untidy(row, "it was deleted or moved before")
    return _after_processing(account, dict(ledger))


def _after_processing(account: Account, ledger: Row) -> MailboxCommand:
    where: dict[str, Any] = {
        "account": account.name,
        "folder": ledger["folder"],
        "uidvalidity": ledger["uidvalidity"],
        "uids": (ledger["uid"],),
    }
    if account.after_processing == "mark_read":
        return MailboxMarkRead(**where)
    if account.after_processing == "delete":
        return MailboxDelete(**where)
    if account.after_processing == "move" and account.move_to:
        return MailboxMove(**where, target=account.move_to)
    raise Misconfigured("--tidy", f"{account.name} has no after_processing: leave --tidy out")


def _untidy(row: Row, why: str) -> Misconfigured:
    return Misconfigured("--tidy", f"{row['mail_id']} cannot be tidied: {why}; leave --tidy out")
