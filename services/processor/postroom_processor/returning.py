"""What follows from mails that came back: in the same transaction as their outcomes.

A mail that comes back counts only if it shows a tag that we made for the mail it is about
(`postroom.mail_tag`). The rest is recorded and changes nothing: else whoever can write to us could suppress
anybody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from postroom import metrics
from postroom.addresses import same_address
from postroom.envelope import Envelope, envelop
from postroom.mail_tag import is_of
from postroom.messages import MailBounced, MailSent, derive_id
from postroom.reply_token import TokenKeys
from postroom.store import doubts, suppressions
from postroom.store.schema import send_recipients, sends
from postroom.suppression import RULES, Reason
from postroom_processor.decide import Outcome
from postroom_processor.follow_up import SOURCE, Handled
from postroom_processor.returned import Returned, read_returned

_NOT_PROVEN = "nothing proves that it is about a mail of ours"
_BOUNCED = ("hard_bounce", "soft_bounce")
_CONCERNED: Mapping[str, Reason] = {"complaint": "complaint", "unsubscribe": "unsubscribe"}


@dataclass(frozen=True)
class Case:
    """A mail that came back, and the mail of ours that it is proven to be about."""

    handled: Handled
    returned: Returned
    send: Row[Any]
    recipient: str


def settle(
    connection: Connection, handled: Sequence[Handled], keys: TokenKeys, now: datetime
) -> tuple[list[Handled], list[Envelope[Any]]]:
    """Mark mails of ours that came back and suppress their addresses.

    Returns:
        The mails with the reasons of those that were about ours, and the events to tell.
    """
    found = {
        each.envelope.id: returned
        for each in handled
        if each.outcome.kind != "deferred" and (returned := read_returned(each.examined))
    }
    if not found:
        return list(handled), []
    rows = _sends(connection, found.values())
    several = _recipients(connection, [row.send_id for row in rows])
    told: list[Envelope[Any]] = []
    after = []
    for each in handled:
        returned = found.get(each.envelope.id)
        if returned is None:
            after.append(each)
            continue
        send = _proven(returned, rows, keys)
        if send is None:
            metrics.returned.labels(kind="unproven").inc()
            after.append(_with_reason(each, _NOT_PROVEN))
            continue
        noted = each
        for recipient, said in _concerning(returned, send, several.get(send.send_id, ())).items():
            noted, events = _note(connection, Case(noted, said, send, recipient), now)
            told += events
        after.append(noted)
    return after, told


def _sends(connection: Connection, found: Any) -> Sequence[Row[Any]]:
    refs = sorted({tag.ref for returned in found for tag in returned.tags})
    if not refs:
        return []
    query = select(sends).where(sends.c.ref.in_(refs)).order_by(sends.c.send_id).with_for_update()
    return connection.execute(query).all()


def _recipients(connection: Connection, send_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    table = send_recipients.c
    query = select(table.send_id, table.recipient).where(table.send_id.in_(send_ids)).order_by(table.position)
    found: dict[str, tuple[str, ...]] = {}
    for row in connection.execute(query):
        found[row.send_id] = (*found.get(row.send_id, ()), row.recipient)
    return found


def _proven(returned: Returned, rows: Sequence[Row[Any]], keys: TokenKeys) -> Row[Any] | None:
    return next((row for tag in returned.tags for row in rows if is_of(tag, row.send_id, keys)), None)


def _concerning(returned: Returned, send: Row[Any], several: Sequence[str]) -> dict[str, Returned]:
    """What is said of each recipient of ours, and under an empty name what is said of others."""
    found: dict[str, Returned] = {}
    for said in (returned, *returned.others):
        found.setdefault(_about(said, send, several), said)
    return found


def _about(returned: Returned, send: Row[Any], several: Sequence[str]) -> str:
    """Which recipient it is about; empty if that cannot be told. An only one may have forwarded it."""
    if len(several) < 2:
        return str(send.recipient)
    return next((each for each in several for name in returned.failed if same_address(each, name)), "")


def _note(connection: Connection, case: Case, now: datetime) -> tuple[Handled, list[Envelope[Any]]]:
    meaning = case.returned.meaning
    metrics.returned.labels(kind=meaning).inc()
    if meaning == "nothing" or not case.recipient:
        return _with_reason(case.handled, f"about {case.send.send_id}: changes nothing"), []
    if meaning == "arrived":
        return _arrived(connection, case, now)
    if meaning in _CONCERNED:
        return _concerned(connection, case, _CONCERNED[meaning], now)
    return _bounced(connection, case, "hard" if meaning == "hard" else "soft", now)


def _arrived(connection: Connection, case: Case, now: datetime) -> tuple[Handled, list[Envelope[Any]]]:
    """Another server has it: if it was not known whether it was sent, it was."""
    ended = doubts.end(connection, case.send.send_id, "sent", "bounce", _words(case), now)
    events: list[Envelope[MailSent]] = ended.sent_events(SOURCE, now) if ended else []
    return _with_reason(case.handled, f"{case.send.send_id} is with another server: {_words(case)}"), [
        *events
    ]


def _concerned(
    connection: Connection, case: Case, reason: Reason, now: datetime
) -> tuple[Handled, list[Envelope[Any]]]:
    """Whoever got the mail wants no more of them."""
    _suppress(connection, case, reason, now)
    handled = case.handled
    if reason == "unsubscribe":
        said = f"unsubscribes {case.recipient}"
        if handled.outcome.kind != "accepted":
            return _with_reason(handled, said), []
        return replace(handled, outcome=Outcome("ignored", said, asked=handled.outcome.asked)), []
    event = _event(case, "complaint", is_suppressed=True)
    return _with_reason(handled, f"complaint about {case.send.send_id}"), [_told(case, event, now)]


def _bounced(
    connection: Connection, case: Case, reason: Reason, now: datetime
) -> tuple[Handled, list[Envelope[Any]]]:
    is_new, others = _mark(connection, case, reason, now)
    count = 0
    if reason == "soft":
        account, send_id = case.send.account, case.send.send_id
        count = suppressions.note_soft(connection, send_id, case.recipient, account, now)
    is_suppressed = reason == "hard" or suppressions.is_too_often(count)
    if is_suppressed:
        _suppress(connection, case, reason, now)
    told = f"{case.send.send_id} came back ({reason}): {_words(case)}"
    noted = _with_reason(case.handled, f"{told}; {case.recipient} is suppressed" if is_suppressed else told)
    if not is_new:
        return noted, others
    return noted, [*others, _told(case, _event(case, reason, is_suppressed=is_suppressed), now)]


def _mark(
    connection: Connection, case: Case, reason: Reason, now: datetime
) -> tuple[bool, list[Envelope[Any]]]:
    """Mark the mail as come back; False if it was before. If it was in doubt, the others have got it."""
    send_id, words = case.send.send_id, _words(case)
    ended = doubts.end(connection, send_id, "sent", "bounce", words, now)
    sent = ended.sent_events(SOURCE, now) if ended else []
    others: list[Envelope[Any]] = [each for each in sent if each.message.recipient != case.recipient]
    values = {"state": "bounced", "code": case.returned.code, "detail": words, "updated_at": now}
    table = send_recipients.c
    of_several = (table.send_id == send_id) & (table.recipient == case.recipient)
    one = connection.execute(
        update(send_recipients).where(of_several, table.state != "bounced").values(**values)
    )
    if not same_address(case.recipient, case.send.recipient):
        return one.rowcount == 1, others
    whole = connection.execute(
        update(sends)
        .where(sends.c.send_id == send_id, func.coalesce(sends.c.reason_code, "").not_in(_BOUNCED))
        .values(**values, reason_code=f"{reason}_bounce", holder=None)
    )
    return whole.rowcount == 1, others


def _suppress(connection: Connection, case: Case, reason: Reason, now: datetime) -> None:
    suppressions.suppress(
        connection,
        case.recipient,
        reason,
        account=case.send.account,
        source=case.send.send_id,
        detail=_words(case) if reason != "unsubscribe" else "",
        until=RULES[reason].until(now),
        now=now,
    )


def _event(case: Case, reason: Reason, *, is_suppressed: bool) -> MailBounced:
    return MailBounced(
        account=case.send.account,
        send_id=case.send.send_id,
        recipient=case.recipient,
        message_id=case.send.message_id,
        reason_code="complaint" if reason == "complaint" else f"{reason}_bounce",
        reason=_words(case),
        kind="complaint" if reason == "complaint" else "hard" if reason == "hard" else "soft",
        status=case.returned.status,
        suppressed=is_suppressed,
    )


def _told(case: Case, event: MailBounced, now: datetime) -> Envelope[Any]:
    return envelop(
        event,
        source=SOURCE,
        now=now,
        message_id=derive_id(event.TYPE, case.send.send_id, case.recipient, event.kind),
        cause=case.handled.envelope,
        correlation_id=case.send.correlation_id,
    )


def _words(case: Case) -> str:
    """Status and words of the other server; of a confidential account nothing that may quote mail (D9)."""
    returned = case.returned
    said = "" if case.handled.account.confidential else returned.detail
    return " ".join(part for part in (returned.status, said) if part) or returned.meaning


def _with_reason(handled: Handled, more: str) -> Handled:
    outcome = handled.outcome
    return replace(handled, outcome=replace(outcome, reason=f"{outcome.reason}; {more}"))
