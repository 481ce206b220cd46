"""What there is to see of mail that was sent, and of what was logged by hand; through the actor's view."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from postroom.inbox import cursor as cursors
from postroom.inbox.cursor import Position
from postroom.inbox.reading import MAX_PAGE, NotThere, Page, Wish, see_account
from postroom.inbox.subject import without_token
from postroom.store import records as kept
from postroom.store.schema import doubts, message_sources, records, send_recipients, sends, sent_copies
from postroom.store.view import View

STATES = ("sending", "in_data", "sent", "failed", "uncertain", "retrying", "bounced", "logged")
LOGGED, BOUNCED = "logged", "bounced"


@dataclass(frozen=True)
class Filter:
    """Which rows are wanted; None: any. `recipient` is an address; `since` the oldest time."""

    account: str | None = None
    state: str | None = None
    recipient: str | None = None
    event: str | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class KeptMail:
    """A whole mail: its bytes, or where they lie in the spool."""

    content: bytes | None
    dataref: str | None


def list_sends(view: View, wanted: Filter, wish: Wish) -> Page:
    """The records with the newest first, each with the state of its mail.

    Raises:
        NotThere: no such account that the actor sees.
        Misconfigured: the cursor is none of this query.
    """
    if wanted.account is not None:
        see_account(view, wanted.account)
    name = f"sends {wanted}"
    position, limit = wish.position(name), min(wish.limit, MAX_PAGE)
    table = records.c
    query = view.select(
        table.id,
        table.at,
        table.account,
        table.kind,
        table.event,
        table.send_id,
        table.recipient,
        table.subject,
        table.contact_id,
        table.conversation_id,
        table.log,
        _state().label("state"),
    ).where(*_conditions(wanted))
    if position is not None:
        query = query.where(
            or_(table.at < position.at, and_(table.at == position.at, table.id < position.id))
        )
    query = query.order_by(table.at.desc(), table.id.desc()).limit(limit + 1)
    rows = [dict(row) for row in view.connection.execute(query).mappings()]
    last = Position(rows[limit - 1]["at"], rows[limit - 1]["id"]) if len(rows) > limit else None
    return Page(rows[:limit], cursors.encode(last, name) if last else None)


def the_send(view: View, name: str) -> dict[str, Any]:
    """One record, by its id or that of its mail, with all that is known; without the mail itself.

    Raises:
        NotThere: there is none that the actor sees.
    """
    table = records.c
    by_name = or_(table.id == name, and_(table.send_id == name, table.kind == "send"))
    row = (
        view.connection.execute(view.select(records, _state().label("state")).where(by_name))
        .mappings()
        .first()
    )
    if row is None:
        raise NotThere("send", name)
    told = dict(row)
    told["headers"] = kept.unpacked(told["headers"])
    told["whole_mail"] = told["source_id"] is not None and _source(view, told["source_id"]) is not None
    if told["kind"] == "send":
        told |= _about_mail(view, told["send_id"])
    told["bounces"] = _bounces(view, told["send_id"]) if told["kind"] == "send" else []
    return told


def whole_mail(view: View, name: str) -> KeptMail:
    """The mail of a record as it was sent or given.

    Raises:
        NotThere: the actor sees no such record, or it has none (any more).
    """
    told = the_send(view, name)
    source = _source(view, told["source_id"]) if told["source_id"] else None
    if source is None:
        raise NotThere("whole mail of", name)
    return KeptMail(
        None if source["content"] is None else zlib.decompress(source["content"]), source["dataref"]
    )


def _state() -> ColumnElement[Any]:
    of_mail = select(sends.c.state).where(sends.c.send_id == records.c.send_id).scalar_subquery()
    return case((records.c.kind == "manual", LOGGED), (records.c.kind == "bounce", BOUNCED), else_=of_mail)


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    table = records.c
    found: list[ColumnElement[bool]] = []
    if wanted.account is not None:
        found.append(table.account == wanted.account)
    if wanted.state is not None:
        found.append(_state() == wanted.state)
    if wanted.recipient is not None:
        found.append(_goes_to(wanted.recipient))
    if wanted.event is not None:
        found.append(table.event == wanted.event)
    if wanted.since is not None:
        found.append(table.at >= wanted.since)
    return found


def _goes_to(address: str) -> ColumnElement[bool]:
    one_of_several = select(send_recipients.c.send_id).where(
        func.lower(send_recipients.c.recipient) == address.lower()
    )
    return or_(
        func.lower(records.c.recipient) == address.lower(),
        and_(records.c.kind == "send", records.c.send_id.in_(one_of_several)),
    )


def _about_mail(view: View, send_id: str) -> dict[str, Any]:
    """How the mail stands: attempts, recipients, doubt and copy. Its id is shown without a reply token."""
    table = sends.c
    columns = (table.message_id, table.attempts, table.code, table.updated_at, table.settled_by)
    found = _first(view, view.select(*columns, table.detail.label("answer")).where(table.send_id == send_id))
    doubt = view.select(
        doubts.c.since,
        doubts.c.looks,
        doubts.c.answer,
        doubts.c.parked_at,
        doubts.c.command.is_not(None).label("can_resend"),
    ).where(doubts.c.send_id == send_id)
    copy = view.select(sent_copies.c.state, sent_copies.c.detail, sent_copies.c.tries, sent_copies.c.due_at)
    whom = (
        select(
            send_recipients.c.recipient,
            send_recipients.c.state,
            send_recipients.c.code,
            send_recipients.c.detail,
        )
        .where(send_recipients.c.send_id == send_id)
        .order_by(send_recipients.c.position)
    )
    return {
        **found,
        "message_id": without_token(found.get("message_id", "")),
        "doubt": _first(view, doubt) or None,
        "copy": _first(view, copy.where(sent_copies.c.send_id == send_id)) or None,
        "recipients": [dict(row) for row in view.connection.execute(whom).mappings()],
    }


def _bounces(view: View, send_id: str) -> list[dict[str, Any]]:
    table = records.c
    query = view.select(table.at, table.recipient, table.detail).where(
        table.send_id == send_id, table.kind == "bounce"
    )
    return [dict(row) for row in view.connection.execute(query.order_by(table.at)).mappings()]


def _source(view: View, source_id: str) -> Mapping[str, Any] | None:
    table = message_sources.c
    query = view.select(table.content, table.dataref).where(table.message_id == source_id)
    return _first(view, query) or None


def _first(view: View, query: Any) -> dict[str, Any]:
    row = view.connection.execute(query).mappings().first()
    return dict(row) if row is not None else {}
