"""The table `sends`: each mail, and how far it came.

    (none) ──claim──▶ sending ──begin──▶ in_data ──settle──▶ sent | failed | uncertain | retrying
                         ▲                                                                   │
                         └───────────────────────────claim──────────────────────────────────┘

`sending` and `in_data` are durable before the server hears of the mail. A row that is `in_data` is held by
the sender that hands it over, for as long as that one is heard of (`senders`). After that, when its command
comes again, it belongs to a life that ended: nobody knows whether its mail was taken. One still `sending` was
not.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, select, update

from postroom.mail_tag import ref_of
from postroom.store.engine import insert_new, upsert
from postroom.store.many import execute_many
from postroom.store.schema import send_recipients, senders, sends

State = Literal["sending", "in_data", "sent", "failed", "uncertain", "retrying", "bounced"]
FINAL = ("sent", "failed", "uncertain", "bounced")
MAX_DETAIL_CHARS = 500
MAX_REASON_CODE_CHARS = 50
FORGET_SENDER = timedelta(days=1)


def _not_ended(table: Table) -> list[ColumnElement[bool]]:
    # Not `not_in`: that cannot be carried out for many rows at once.
    return [table.c.state != each for each in ("sent", "failed", "bounced")]


# Built once: building them anew would cost more than the database takes to carry them out.
_BEGIN = (
    update(sends)
    .where(
        sends.c.send_id.in_(bindparam("ids", expanding=True)),
        sends.c.state == "sending",
        sends.c.updated_at == bindparam("mark"),
    )
    .values(state="in_data", attempts=sends.c.attempts + 1, holder=bindparam("by"))
    .returning(sends.c.send_id)
)
_SETTLE = (
    update(sends)
    .where(sends.c.send_id == bindparam("of"), *_not_ended(sends))
    .values(
        state=bindparam("to"),
        holder=None,
        code=bindparam("answer"),
        reason_code=bindparam("why"),
        detail=bindparam("words"),
        updated_at=bindparam("at"),
    )
)
_SETTLE_RECIPIENT = (
    update(send_recipients)
    .where(
        send_recipients.c.send_id == bindparam("of"),
        send_recipients.c.recipient == bindparam("whom"),
        *_not_ended(send_recipients),
    )
    .values(
        state=bindparam("to"),
        code=bindparam("answer"),
        detail=bindparam("words"),
        updated_at=bindparam("at"),
    )
)


@dataclass(frozen=True)
class NewSend:
    """What is known of a mail before it is sent. `content_sha256` is None where there is no mail."""

    send_id: str
    account: str
    recipient: str
    kind: str
    message_id: str
    correlation_id: str
    content_sha256: str | None = None
    cc: tuple[str, ...] = ()

    def row(self) -> dict[str, object]:
        """The mail's row, without its state."""
        known = {name: value for name, value in vars(self).items() if name != "cc"}
        return {**known, "ref": ref_of(self.send_id)}


@dataclass(frozen=True)
class Others:
    """The other senders: those that were heard of after `alive_since`, and are not this one."""

    me: str
    alive_since: datetime


@dataclass(frozen=True)
class Claim:
    """A mail as it was found.

    Attributes:
        before: Its state; None: it is new.
        attempts: How often it was tried.
        held: Whether another sender, that lives, hands it over; then it is not ours.
        settled: What became of recipients in earlier attempts, where there are several.
    """

    before: State | None
    attempts: int
    held: bool = False
    settled: Mapping[str, State] = field(default_factory=dict)


@dataclass(frozen=True)
class SettledRecipient:
    """What an attempt came to for one of several recipients."""

    recipient: str
    state: State
    code: int | None
    detail: str


@dataclass(frozen=True)
class Settled:
    """What an attempt came to. `recipients`: for each of them it was about, where there are several."""

    send_id: str
    state: State
    code: int | None
    detail: str
    recipients: tuple[SettledRecipient, ...] = ()
    reason_code: str = ""


def claim(
    connection: Connection, mails: Sequence[NewSend], now: datetime, others: Others | None = None
) -> dict[str, Claim]:
    """Take the mails for this worker, except those that are settled for good; how each was found.

    Args:
        connection: A transaction.
        mails: Which.
        now: The mark of the claim: `begin` finds out by it whether somebody else has claimed since.
        others: Who else may hold mails; None: nobody does.
    """
    rows = [
        {
            **mail.row(),
            "state": "sending",
            "attempts": 0,
            "code": None,
            "detail": "",
            "created_at": now,
            "updated_at": now,
        }
        for mail in sorted(mails, key=lambda mail: mail.send_id)
    ]
    new: set[str] = insert_new(connection, sends, rows, key="send_id")
    several = {mail.send_id: mail for mail in mails if mail.cc}
    insert_new(
        connection,
        send_recipients,
        [row for each, mail in several.items() if each in new for row in _recipient_rows(mail, now)],
    )
    claims = {send_id: Claim(None, 0) for send_id in new}
    known = [mail.send_id for mail in mails if mail.send_id not in new]
    if known:
        claims |= _known(connection, known, several, others)
        ours = [each for each in known if not claims[each].held]
        connection.execute(
            update(sends)
            .where(sends.c.send_id.in_(ours), sends.c.state.not_in(FINAL))
            .values(state="sending", updated_at=now)
        )
    return claims


def begin(
    connection: Connection, send_ids: Sequence[str], claimed_at: datetime, holder: str | None = None
) -> set[str]:
    """Record that the mails go to the server now; those that are still this worker's."""
    if not send_ids:
        return set()
    return set(connection.execute(_BEGIN, {"ids": send_ids, "mark": claimed_at, "by": holder}).scalars())


def settle(connection: Connection, results: Sequence[Settled], now: datetime) -> None:
    """Record what the attempts came to. What is sent or failed stays so."""
    if not results:
        return
    execute_many(
        connection,
        _SETTLE,
        [
            {
                "of": each.send_id,
                "to": each.state,
                "answer": each.code,
                "why": each.reason_code[:MAX_REASON_CODE_CHARS] or None,
                "words": each.detail[:MAX_DETAIL_CHARS],
                "at": now,
            }
            for each in results
        ],
    )
    several = [
        {
            "of": each.send_id,
            "whom": one.recipient,
            "to": one.state,
            "answer": one.code,
            "words": one.detail[:MAX_DETAIL_CHARS],
            "at": now,
        }
        for each in results
        for one in each.recipients
    ]
    execute_many(connection, _SETTLE_RECIPIENT, several)


def beat(connection: Connection, holder: str, now: datetime) -> None:
    """This sender lives; who was not heard of for long is forgotten."""
    upsert(connection, senders, [{"holder": holder, "beat_at": now}], update=["beat_at"])
    connection.execute(delete(senders).where(senders.c.beat_at < now - FORGET_SENDER))


def leave(connection: Connection, holder: str) -> None:
    """This sender ends: what it still holds is in doubt at once."""
    connection.execute(delete(senders).where(senders.c.holder == holder))


def _known(
    connection: Connection,
    send_ids: Sequence[str],
    several: Iterable[str],
    others: Others | None,
) -> dict[str, Claim]:
    rows = connection.execute(
        select(sends.c.send_id, sends.c.state, sends.c.attempts, sends.c.holder)
        .where(sends.c.send_id.in_(send_ids))
        .order_by(sends.c.send_id)
        .with_for_update()
    ).all()
    held_by = {row.holder for row in rows if row.state == "in_data" and row.holder}
    alive = _alive(connection, held_by, others) if others else set()
    settled = _settled(connection, [row.send_id for row in rows if row.send_id in set(several)])
    return {
        row.send_id: Claim(
            row.state, row.attempts, row.state == "in_data" and row.holder in alive, settled[row.send_id]
        )
        for row in rows
    }


def _alive(connection: Connection, holders: set[str], others: Others) -> set[str]:
    # What this process itself held and has not in hand any more, it has failed at.
    wanted = sorted(holders - {others.me})
    if not wanted:
        return set()
    query = select(senders.c.holder).where(
        senders.c.holder.in_(wanted), senders.c.beat_at > others.alive_since
    )
    return set(connection.execute(query).scalars())


def _settled(connection: Connection, send_ids: Sequence[str]) -> defaultdict[str, dict[str, State]]:
    found: defaultdict[str, dict[str, State]] = defaultdict(dict)
    if send_ids:
        table = send_recipients.c
        query = select(table.send_id, table.recipient, table.state).where(
            table.send_id.in_(send_ids), table.state.in_(FINAL)
        )
        for row in connection.execute(query):
            found[row.send_id][row.recipient] = row.state
    return found


def _recipient_rows(mail: NewSend, now: datetime) -> list[dict[str, object]]:
    return [
        {
            "send_id": mail.send_id,
            "recipient": recipient,
            "position": position,
            "state": "sending",
            "code": None,
            "detail": "",
            "updated_at": now,
        }
        for position, recipient in enumerate((mail.recipient, *mail.cc))
    ]
