"""The table `sends`: each mail, and how far it came.

    (none) ──claim──▶ sending ──begin──▶ in_data ──settle──▶ sent | failed | uncertain | retrying
                         ▲                                                                   │
                         └───────────────────────────claim──────────────────────────────────┘

`sending` and `in_data` are durable before the server hears of the mail. A row still `in_data` when its
command comes again belongs to a life that ended: nobody knows whether its mail was taken. One still `sending`
was not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, bindparam, select, update

from postroom.store.engine import insert_new
from postroom.store.schema import sends

State = Literal["sending", "in_data", "sent", "failed", "uncertain", "retrying"]
FINAL = ("sent", "failed", "uncertain")
MAX_DETAIL_CHARS = 500

# Built once: building them anew would cost more than the database takes to carry them out.
_BEGIN = (
    update(sends)
    .where(
        sends.c.send_id.in_(bindparam("ids", expanding=True)),
        sends.c.state == "sending",
        sends.c.updated_at == bindparam("mark"),
    )
    .values(state="in_data", attempts=sends.c.attempts + 1)
    .returning(sends.c.send_id)
)
_SETTLE = (
    update(sends)
    .where(sends.c.send_id == bindparam("of"), sends.c.state != "sent", sends.c.state != "failed")
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


@dataclass(frozen=True)
class Claim:
    """A mail as it was found: its state before (None: new) and how often it was tried."""

    before: State | None
    attempts: int


@dataclass(frozen=True)
class Settled:
    """What an attempt came to."""

    send_id: str
    state: State
    code: int | None
    detail: str


def claim(connection: Connection, mails: Sequence[NewSend], now: datetime) -> dict[str, Claim]:
    """Take the mails for this worker, except those that are settled for good; how each was found.

    `now` is the mark of the claim: `begin` finds out by it whether somebody else has claimed since.
    """
    rows = [
        {
            **vars(mail),
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
    claims = {send_id: Claim(None, 0) for send_id in new}
    known = [row["send_id"] for row in rows if row["send_id"] not in new]
    if known:
        found = connection.execute(
            select(sends.c.send_id, sends.c.state, sends.c.attempts)
            .where(sends.c.send_id.in_(known))
            .order_by(sends.c.send_id)
            .with_for_update()
        )
        claims |= {row.send_id: Claim(row.state, row.attempts) for row in found}
        connection.execute(
            update(sends)
            .where(sends.c.send_id.in_(known), sends.c.state.not_in(FINAL))
            .values(state="sending", updated_at=now)
        )
    return claims


def begin(connection: Connection, send_ids: Sequence[str], claimed_at: datetime) -> set[str]:
    """Record that the mails go to the server now; those that are still this worker's."""
    if not send_ids:
        return set()
    return set(connection.execute(_BEGIN, {"ids": send_ids, "mark": claimed_at}).scalars())


def settle(connection: Connection, results: Sequence[Settled], now: datetime) -> None:
    """Record what the attempts came to. What is sent or failed stays so."""
    if not results:
        return
    connection.execute(
        _SETTLE,
        [
            {
                "of": each.send_id,
                "to": each.state,
                "answer": each.code,
                "words": each.detail[:MAX_DETAIL_CHARS],
                "at": now,
            }
            for each in results
        ],
    )
