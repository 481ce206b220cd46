"""What reports about mails of ours settle, in one transaction: doubts, copies, bounces."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, update

from postroom.envelope import Envelope
from postroom.messages import MailBounced, MailboxDone, MailSent, Message, derive_id
from postroom.record import Record
from postroom.store import copies, doubts, records
from postroom.store.schema import send_recipients, sends

SOURCE = "/postroom/processor"
FOUND = "found in the folder for sent mail"
NOT_FOUND = "not in the folder for sent mail"
CAME_BACK = "a bounce came, so it had been sent"

Effect = Callable[[Connection, Envelope[Any], datetime], list[Envelope[MailSent]]]
_ABOUT_SENDS = ("append", "find")


def matters(message: Message) -> bool:
    """Whether something follows from the report."""
    if isinstance(message, MailboxDone):
        return message.action in _ABOUT_SENDS
    return isinstance(message, MailBounced)


def follow(
    connection: Connection, reports: Sequence[Envelope[Message]], now: datetime
) -> list[Envelope[MailSent]]:
    """Record what follows from reports, once however often they come; what is to be told."""
    done = [each.message for each in reports if isinstance(each.message, MailboxDone)]
    filed = [
        copies.Answer(each.command_id, each.found, each.refused) for each in done if each.action == "append"
    ]
    if filed:
        copies.note(connection, filed, now)
    effects = [
        (effect, report)
        for report in reports
        for kind, effect in _EFFECTS.items()
        if isinstance(report.message, kind)
    ]
    return [told for effect, report in effects for told in effect(connection, report, now)]


def _looked_for(
    connection: Connection, report: Envelope[MailboxDone], now: datetime
) -> list[Envelope[MailSent]]:
    done = report.message
    if done.action != "find":
        return []
    send_id = doubts.looked_for(connection, done.command_id)
    if send_id is None:
        return []
    if not done.found:
        doubts.note_answer(connection, done.command_id, done.refused or NOT_FOUND)
        return []
    ended = doubts.end(connection, send_id, "sent", "found", FOUND, now)
    return ended.sent_events(SOURCE, now) if ended else []


def _bounced(
    connection: Connection, report: Envelope[MailBounced], now: datetime
) -> list[Envelope[MailSent]]:
    """The mail was sent, and did not arrive; of several recipients for the one whom the bounce is about."""
    bounced = report.message
    records.add(connection, [_bounce_record(connection, report)])
    if bounced.kind == "complaint":
        return []
    doubts.end(connection, bounced.send_id, "sent", "bounce", CAME_BACK, now)
    values = {"state": "bounced", "detail": bounced.reason[: doubts.MAX_DETAIL_CHARS], "updated_at": now}
    connection.execute(
        update(sends)
        .where(
            sends.c.send_id == bounced.send_id,
            sends.c.recipient == bounced.recipient,
            sends.c.state == "sent",
        )
        .values(**values)
    )
    connection.execute(
        update(send_recipients)
        .where(
            send_recipients.c.send_id == bounced.send_id,
            send_recipients.c.recipient == bounced.recipient,
            send_recipients.c.state == "sent",
        )
        .values(**values)
    )
    return []


def _bounce_record(connection: Connection, report: Envelope[MailBounced]) -> Record:
    bounced = report.message
    return Record(
        id=derive_id("record", "bounce", report.id),
        account=bounced.account,
        kind="bounce",
        recipient=bounced.recipient,
        send_id=bounced.send_id,
        log="nothing",
        detail=bounced.reason,
        at=report.time,
        **{"event": "", **records.about_send(connection, bounced.send_id)},
    )


_EFFECTS: Mapping[type[Message], Effect] = {MailboxDone: _looked_for, MailBounced: _bounced}
