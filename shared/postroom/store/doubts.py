"""Mails that may have been sent or not: what is kept to settle that, and how it is settled.

Several may settle the same one: the answer about the folder for sent mail, a bounce, the sender's policy, a
person. The row in `sends` is the judge: who finds it `uncertain` and changes it has settled it (`end`).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, delete, func, select, update

from postroom.doubt import NewDoubt
from postroom.envelope import Envelope, envelop
from postroom.messages import MailSent, SendEvent, derive_id
from postroom.store.engine import insert_new
from postroom.store.records import sha256_of
from postroom.store.schema import bulk_recipients, doubts, send_recipients, sends

EndedBy = Literal["found", "bounce", "policy", "said sent", "said resend"]
To = Literal["sent", "bounced", "retrying"]
MAX_DETAIL_CHARS = 500


@dataclass(frozen=True)
class Doubt:
    """A mail that is uncertain, as it stands. `is_kept`: whether its content is."""

    send_id: str
    attempts: int
    looks: int
    is_kept: bool
    is_parked: bool


@dataclass(frozen=True)
class Ended:
    """A mail whose doubt has just ended, and the recipients that it was about."""

    send_id: str
    account: str
    message_id: str
    attempts: int
    correlation_id: str
    recipients: tuple[str, ...]
    has_several: bool

    def sent_events(self, source: str, now: datetime) -> list[Envelope[MailSent]]:
        """`mail.sent` for each of the recipients: what was in doubt was sent."""
        events = [
            MailSent(
                account=self.account,
                send_id=self.send_id,
                recipient=recipient,
                message_id=self.message_id,
                attempts=max(self.attempts, 1),
            )
            for recipient in self.recipients
        ]
        return [
            envelop(
                event,
                source=source,
                now=now,
                message_id=event_id(event, several=self.has_several),
                correlation_id=self.correlation_id,
            )
            for event in events
        ]


def open_new(connection: Connection, found: Sequence[NewDoubt], now: datetime) -> None:
    """Record that these mails are in doubt; of one that was before, what was kept then stays."""
    if not found:
        return
    first = sha256_of(connection, [each.send_id for each in found])
    rows = [
        {
            "send_id": each.send_id,
            "account": each.account,
            "since": now,
            "looks": 0,
            "answer": "",
            "parked_at": now if each.is_parked else None,
            "command": None if each.command is None else zlib.compress(each.command),
            "content": _packed(each, first.get(each.send_id)),
        }
        for each in found
    ]
    new = insert_new(connection, doubts, rows, key="send_id")
    for each in found:
        if each.send_id not in new:
            # Sent again, and in doubt again: the folder for sent mail is looked into anew.
            values = {"looks": 0, "look_id": None, "parked_at": now if each.is_parked else None}
            connection.execute(update(doubts).where(doubts.c.send_id == each.send_id).values(**values))


def _packed(doubt: NewDoubt, first_sha256: str | None) -> bytes | None:
    if doubt.content is None or first_sha256 not in (None, doubt.sha256):
        return None
    return zlib.compress(doubt.content)


def standing(connection: Connection, send_ids: Sequence[str]) -> dict[str, Doubt]:
    """Those of the mails that are uncertain now, locked until the transaction ends."""
    query = (
        select(sends.c.send_id, sends.c.attempts)
        .where(sends.c.send_id.in_(send_ids), sends.c.state == "uncertain")
        .order_by(sends.c.send_id)
        .with_for_update()
    )
    attempts = {row.send_id: row.attempts for row in connection.execute(query)}
    looks = {
        row.send_id: row
        for row in connection.execute(
            select(
                doubts.c.send_id,
                doubts.c.looks,
                doubts.c.parked_at,
                doubts.c.content.is_not(None).label("kept"),
            ).where(doubts.c.send_id.in_(list(attempts)))
        )
    }
    return {
        send_id: Doubt(send_id, tries, row.looks, bool(row.kept), row.parked_at is not None)
        for send_id, tries in attempts.items()
        if (row := looks.get(send_id)) is not None
    }


def contents(connection: Connection, send_ids: Sequence[str]) -> dict[str, bytes]:
    """The mails as they were handed over first, where that is kept."""
    table = doubts.c
    query = select(table.send_id, table.content).where(
        table.send_id.in_(send_ids), table.content.is_not(None)
    )
    return {row.send_id: zlib.decompress(row.content) for row in connection.execute(query)}


def note_look(connection: Connection, send_id: str, look_id: str) -> None:
    """The folder for sent mail is looked into with this command."""
    connection.execute(
        update(doubts)
        .where(doubts.c.send_id == send_id)
        .values(looks=doubts.c.looks + 1, look_id=look_id, answer="")
    )


def note_answer(connection: Connection, look_id: str, answer: str) -> None:
    """What came of a look that did not settle it."""
    connection.execute(
        update(doubts).where(doubts.c.look_id == look_id).values(answer=answer[:MAX_DETAIL_CHARS])
    )


def looked_for(connection: Connection, look_id: str) -> str | None:
    """The mail that was looked for with this command; None if that is settled."""
    query = select(doubts.c.send_id).where(doubts.c.look_id == look_id)
    found: str | None = connection.execute(query).scalar()
    return found


def park(connection: Connection, send_id: str, now: datetime) -> None:
    """Nothing more is tried by itself."""
    connection.execute(update(doubts).where(doubts.c.send_id == send_id).values(parked_at=now))


def recipients_in_doubt(connection: Connection, send_id: str) -> tuple[str, ...]:
    """Of a mail with several recipients, those that it is uncertain for."""
    table = send_recipients.c
    query = (
        select(table.recipient)
        .where(table.send_id == send_id, table.state == "uncertain")
        .order_by(table.position)
    )
    return tuple(connection.execute(query).scalars())


def event_id(event: SendEvent, *, several: bool) -> str:
    """The id of an event about a mail: the same for the same end of it, for each of several recipients."""
    return derive_id(event.TYPE, event.send_id, *((event.recipient,) if several else ()))


def command_of(connection: Connection, send_id: str) -> bytes | None:
    """The order to send the mail, as JSON; None if it was not kept."""
    query = select(doubts.c.command).where(doubts.c.send_id == send_id)
    packed = connection.execute(query).scalar()
    return None if packed is None else zlib.decompress(packed)


def parked(connection: Connection, bulk_id: str) -> dict[str, int]:
    """The mails of a bulk that wait for a person, each with its attempts."""
    each, send = bulk_recipients.c, sends.c
    query = (
        select(send.send_id, send.attempts)
        .join_from(bulk_recipients, sends, and_(send.send_id == each.send_id, each.bulk_id == bulk_id))
        .join(doubts, doubts.c.send_id == send.send_id)
        .where(send.state == "uncertain", doubts.c.parked_at.is_not(None))
    )
    return {row.send_id: row.attempts for row in connection.execute(query)}


def end(
    connection: Connection,
    send_id: str,
    to: To,
    by: EndedBy,
    detail: str,
    now: datetime,
    attempts: int | None = None,
) -> Ended | None:
    """End a mail's doubt; None if it is in none (any more): somebody else was first.

    With `attempts`: only the doubt after so many; one of a later attempt is another.
    """
    the_doubt = and_(sends.c.send_id == send_id, sends.c.state == "uncertain")
    if attempts is not None:
        the_doubt = and_(the_doubt, sends.c.attempts == attempts)
    changed: Row[Any] | None = connection.execute(
        update(sends)
        .where(the_doubt)
        .values(state=to, settled_by=by, detail=detail[:MAX_DETAIL_CHARS], updated_at=now, holder=None)
        .returning(
            sends.c.account, sends.c.recipient, sends.c.message_id, sends.c.attempts, sends.c.correlation_id
        )
    ).one_or_none()
    if changed is None:
        return None
    several = list(
        connection.execute(
            update(send_recipients)
            .where(send_recipients.c.send_id == send_id, send_recipients.c.state == "uncertain")
            .values(state=to, detail=detail[:MAX_DETAIL_CHARS], updated_at=now)
            .returning(send_recipients.c.recipient)
        ).scalars()
    )
    recipients = tuple(several) or (changed.recipient,)
    if to == "retrying":
        # What is kept is sent again as it is; only then it is of no more use (`forget_settled`).
        connection.execute(update(doubts).where(doubts.c.send_id == send_id).values(parked_at=None))
    else:
        connection.execute(delete(doubts).where(doubts.c.send_id == send_id))
    return Ended(
        send_id,
        changed.account,
        changed.message_id,
        changed.attempts,
        changed.correlation_id,
        recipients,
        has_several=bool(several),
    )


def forget_settled(connection: Connection) -> None:
    """Forget what was kept of mails that were sent again, and are settled since."""
    open_ = select(sends.c.send_id).where(
        sends.c.send_id == doubts.c.send_id,
        sends.c.state.in_(("uncertain", "retrying", "sending", "in_data")),
    )
    connection.execute(delete(doubts).where(~open_.exists()))


def count_and_oldest(connection: Connection) -> tuple[int, datetime | None]:
    """How many mails are in doubt, and since when the oldest is."""
    query = (
        select(func.count(), func.min(doubts.c.since))
        .select_from(doubts.join(sends, sends.c.send_id == doubts.c.send_id))
        .where(sends.c.state == "uncertain")
    )
    count, oldest = connection.execute(query).one()
    return int(count), oldest
