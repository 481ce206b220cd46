"""Bulk sends in the store: lists of recipients, how far they came, and whose turn is next."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal, cast

from sqlalchemy import Connection, Row, and_, bindparam, delete, func, select, update

from postroom.bulk import Row as ListRow
from postroom.bulk import send_id_of
from postroom.errors import Misconfigured
from postroom.store.engine import Store, insert_new
from postroom.store.schema import bulk_recipients, bulks, sends

State = Literal["preparing", "sending", "paused", "cancelling", "cancelled", "done"]
"""`cancelling`: what is on the way has not ended yet."""
Outcome = Literal["queued", "sent", "failed", "uncertain", "suppressed", "bounced", "cancelled"]
OUTCOMES: tuple[Outcome, ...] = (
    *("queued", "sent", "failed", "uncertain", "suppressed", "bounced", "cancelled"),
)
STEP = 1000
"""Recipients that one transaction writes."""
WINDOW = 1000
"""Mails of one bulk that are on the way at a time: what waits in the broker is bounded."""
BATCH = 250
AT_ONCE = 20
_ENDED = ("sent", "failed", "uncertain", "bounced")
_GOING: tuple[State, ...] = ("sending", "cancelling")
IS_CANCELLED: tuple[State, ...] = ("cancelling", "cancelled")
_MOVES: Mapping[str, tuple[State, tuple[State, ...]]] = {
    "pause": ("paused", ("sending",)),
    "resume": ("sending", ("paused",)),
    "cancel": ("cancelling", ("preparing", "sending", "paused")),
}
"""What may be done to a bulk: the state after it, and those before it."""


class OtherList(Misconfigured):
    """The id is another list's."""

    def __init__(self, bulk_id: str) -> None:
        super().__init__("bulk", f"the id {bulk_id!r} is that of another list: choose a new one")


@dataclass(frozen=True)
class Order:
    """What is ordered, besides the recipients. `about`: what all mails have: files, who signs, event."""

    id: str
    account: str
    template: str
    digest: str
    total: int
    skipped: int
    about: Mapping[str, Any]
    created_by: str
    correlation_id: str


@dataclass(frozen=True)
class Turn:
    """What is next of a bulk. `ended`: whether nothing is left of it."""

    bulk: Row[Any]
    recipients: Sequence[Row[Any]]
    ended: bool = False


def begin(connection: Connection, order: Order, now: datetime) -> State:
    """Record an order whose list is not whole yet; the state of one that is there already.

    Raises:
        OtherList: its id is taken by another order.
    """
    row = {**vars(order), "about": dict(order.about), "state": "preparing"}
    new = insert_new(connection, bulks, [{**row, "created_at": now, "updated_at": now}], key="id")
    if new:
        return "preparing"
    found = connection.execute(select(bulks).where(bulks.c.id == order.id)).one()
    if (found.digest, found.account) != (order.digest, order.account):
        raise OtherList(order.id)
    return cast(State, found.state)


def place(store: Store, order: Order, rows: Iterable[ListRow], now: datetime) -> State:
    """Write the recipients of an order that has begun, and let it go; harmless to repeat after a crash."""
    remaining, position = iter(rows), 0
    while part := list(islice(remaining, STEP)):
        with store.write() as connection:
            insert_new(connection, bulk_recipients, _rows(order.id, part, position))
        position += len(part)
    with store.write() as connection:
        connection.execute(
            update(bulks)
            .where(bulks.c.id == order.id, bulks.c.state == "preparing")
            .values(state="sending", updated_at=now)
        )
        return cast(State, connection.execute(select(bulks.c.state).where(bulks.c.id == order.id)).scalar())


def _rows(bulk_id: str, part: Sequence[ListRow], position: int) -> list[dict[str, Any]]:
    return [
        {
            "bulk_id": bulk_id,
            "position": position + number,
            "recipient": row.recipient,
            "send_id": send_id_of(bulk_id, row.recipient),
            "values": dict(row.values),
            "state": "waiting",
        }
        for number, row in enumerate(part)
    ]


def move(connection: Connection, bulk_id: str, verb: str, now: datetime) -> bool:
    """Pause, resume or cancel a bulk; False if its state does not allow it."""
    after, before = _MOVES[verb]
    moved = connection.execute(
        update(bulks)
        .where(bulks.c.id == bulk_id, bulks.c.state.in_(before))
        .values(state=after, updated_at=now)
    )
    return moved.rowcount == 1


def states(connection: Connection, ids: Iterable[str]) -> dict[str, State]:
    """The states of these bulks."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    return {
        row.id: row.state
        for row in connection.execute(select(bulks.c.id, bulks.c.state).where(bulks.c.id.in_(wanted)))
    }


def counts(connection: Connection, bulk_ids: Sequence[str]) -> dict[str, dict[Outcome, int]]:
    """How many mails of each bulk became what, as it is now."""
    each, send = bulk_recipients.c, sends.c
    found: dict[str, Counter[Outcome]] = {bulk_id: Counter() for bulk_id in bulk_ids}
    query = (
        select(
            each.bulk_id, bulks.c.state, each.state, each.outcome, send.state, send.reason_code, func.count()
        )
        .select_from(bulk_recipients.join(bulks, bulks.c.id == each.bulk_id))
        .outerjoin(sends, and_(send.send_id == each.send_id, each.state != "waiting"))
        .where(each.bulk_id.in_(list(bulk_ids)))
        .group_by(each.bulk_id, bulks.c.state, each.state, each.outcome, send.state, send.reason_code)
    )
    for bulk_id, bulk, state, outcome, sent, why, count in connection.execute(query):
        found[bulk_id][_outcome(bulk, state, outcome, sent, why)] += count
    return {bulk_id: {each: count[each] for each in OUTCOMES} for bulk_id, count in found.items()}


def _outcome(bulk: str, state: str, outcome: str, sent: str | None, why: str | None) -> Outcome:
    if state == "waiting":
        return "cancelled" if bulk in IS_CANCELLED else "queued"
    if sent in _ENDED:
        return ended_as(sent, why)
    # What became of mails is forgotten after a while (`retention.logs`), and what the list says stays.
    return cast(Outcome, outcome) if outcome and sent is None else "queued"


def ended_as(state: str, reason_code: str | None) -> Outcome:
    """What a mail counts as whose way has ended."""
    if state == "failed" and reason_code in ("suppressed", "cancelled"):
        return cast(Outcome, reason_code)
    return cast(Outcome, state)


def turns(connection: Connection, now: datetime) -> list[Turn]:
    """What is to be sent next of the bulks that are being sent; each recipient has one turn in all.

    The bulks stay locked until the transaction ends: of several senders one feeds each.
    """
    rows = connection.execute(
        select(bulks)
        .where(bulks.c.state.in_(_GOING))
        .order_by(bulks.c.updated_at, bulks.c.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    return [_turn(connection, row, now) for row in rows]


def any_sending(connection: Connection) -> bool:
    """Whether there is a bulk to feed, or one whose end is to be noted."""
    return (
        connection.execute(select(bulks.c.id).where(bulks.c.state.in_(_GOING)).limit(1)).first() is not None
    )


def _turn(connection: Connection, bulk: Row[Any], now: datetime) -> Turn:
    on_the_way = _note_ended(connection, bulk.id)
    each = bulk_recipients.c
    room = min(WINDOW - on_the_way, BATCH)
    query = select(bulk_recipients).where(each.bulk_id == bulk.id, each.state == "waiting")
    is_cancelled = bulk.state in IS_CANCELLED
    waiting = (
        [] if is_cancelled else connection.execute(query.order_by(each.position).limit(max(room, 1))).all()
    )
    chosen = waiting[: max(room, 0)]
    if chosen:
        _set(connection, [{"of": row.bulk_id, "at": row.position, "to": "fed"} for row in chosen])
    ended = not waiting and on_the_way == 0
    changes = {"state": "cancelled" if is_cancelled else "done"} if ended else {}
    # The one that was fed last is the last in line.
    connection.execute(update(bulks).where(bulks.c.id == bulk.id).values(updated_at=now, **changes))
    return Turn(bulk, chosen, ended)


def _note_ended(connection: Connection, bulk_id: str) -> int:
    """Note which mails have ended, and forget their values; how many have not."""
    each, send = bulk_recipients.c, sends.c
    rows = connection.execute(
        select(each.position, send.state, send.reason_code)
        .select_from(bulk_recipients.outerjoin(sends, send.send_id == each.send_id))
        .where(each.bulk_id == bulk_id, each.state == "fed")
    ).all()
    ended = [row for row in rows if row.state in _ENDED]
    if ended:
        connection.execute(
            update(bulk_recipients)
            .where(each.bulk_id == bindparam("of"), each.position == bindparam("at"))
            .values(state="ended", outcome=bindparam("became"), values={}),
            [
                {"of": bulk_id, "at": row.position, "became": ended_as(row.state, row.reason_code)}
                for row in ended
            ],
        )
    return len(rows) - len(ended)


def _set(connection: Connection, rows: list[dict[str, Any]]) -> None:
    each = bulk_recipients.c
    connection.execute(
        update(bulk_recipients)
        .where(each.bulk_id == bindparam("of"), each.position == bindparam("at"))
        .values(state=bindparam("to")),
        rows,
    )


def forget(connection: Connection, account: str, before: datetime, limit: int) -> int:
    """Forget an account's bulks that ended before a time, so many rows at a time; how many went."""
    ended = (
        select(bulks.c.id)
        .where(bulks.c.account == account, bulks.c.state.in_(("done", "cancelled")))
        .where(bulks.c.updated_at < before)
    )
    each = bulk_recipients.c
    rows = connection.execute(
        select(each.bulk_id, each.position).where(each.bulk_id.in_(ended)).limit(limit)
    ).all()
    if rows:
        gone = (each.bulk_id == bindparam("of")) & (each.position == bindparam("at"))
        keys = [{"of": row.bulk_id, "at": row.position} for row in rows]
        connection.execute(delete(bulk_recipients).where(gone), keys)
        return len(rows)
    return connection.execute(delete(bulks).where(bulks.c.id.in_(ended))).rowcount


def files(connection: Connection) -> set[str]:
    """References into the spool that mails of bulks still need."""
    going = select(bulks.c.about).where(bulks.c.state.not_in(("done", "cancelled")))
    found = connection.execute(going).scalars()
    return {each["dataref"] for about in found for each in about.get("attachments", ())}
