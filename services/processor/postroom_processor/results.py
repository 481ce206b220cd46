"""Handles what the other services report: mails sent or not, mailboxes tidied or not."""

import logging
from collections.abc import Sequence
from typing import TypeGuard

from sqlalchemy import Update, update

from postroom import metrics
from postroom.broker.publisher import outgoing
from postroom.broker.verdict import Ack, DeadLetter, Delivery, Verdict
from postroom.clock import Clock
from postroom.envelope import Envelope
from postroom.messages import MailBounced, MailboxDone, MailFailed, MailSent, MailUncertain, Message
from postroom.store import Store, outbox
from postroom.store.outbox import OutboxRelay
from postroom.store.schema import approvers
from postroom_processor.aftermath import follow, matters
from postroom_processor.receiving import SERVICE

logger = logging.getLogger(__name__)

_KNOWN = (MailSent, MailFailed, MailUncertain, MailBounced, MailboxDone)


class Results:
    """The handler of the queue `results`."""

    def __init__(self, store: Store, relay: OutboxRelay, shards: int, clock: Clock) -> None:
        self._store = store
        self._relay = relay
        self._shards = shards
        self._clock = clock

    def __call__(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        """One verdict for each delivery. An Ack means: what matters of the report is durable."""
        envelopes = [each.envelope for each in deliveries]
        reports = [
            each for each in envelopes if isinstance(each.message, MailFailed) or matters(each.message)
        ]
        if reports:
            self._record(reports)
        for delivery in deliveries:
            self._log(delivery)
        return [
            Ack()
            if isinstance(each.envelope.message, _KNOWN)
            else DeadLetter(f"{each.envelope.type} does not belong in {each.queue}")
            for each in deliveries
        ]

    def _record(self, reports: Sequence[Envelope[Message]]) -> None:
        now = self._clock()
        with self._store.write() as connection:
            for report in reports:
                if _did_not_arrive(report.message):
                    connection.execute(_undelivered(report.message))
            told = [outgoing(each, self._shards) for each in follow(connection, reports, now)]
            outbox.add(connection, SERVICE, told, now)
        metrics.unheard.inc(self._relay.publish(told).unheard)

    def _log(self, delivery: Delivery) -> None:
        message = delivery.envelope.message
        extra = {"correlation_id": delivery.envelope.correlation_id}
        if isinstance(message, MailFailed | MailBounced):
            logger.warning(
                "mail not delivered", extra={**extra, "send_id": message.send_id, "reason": message.reason}
            )
        elif isinstance(message, MailboxDone) and (message.refused or message.changed):
            reason = message.refused or f"not the mails that were handed on: UIDs {message.changed[:20]}"
            logger.warning(
                "mailbox command refused",
                extra={**extra, "account": message.account, "action": message.action, "reason": reason},
            )


def _did_not_arrive(message: Message) -> TypeGuard[MailFailed | MailBounced]:
    """What was complained about did."""
    return isinstance(message, MailFailed) or (
        isinstance(message, MailBounced) and message.kind != "complaint"
    )


def _undelivered(failed: MailFailed | MailBounced) -> Update:
    """Mark the approver whose mail did not arrive: the id of that mail is `<approval>:ask:<position>`."""
    approval_id, _, position = failed.send_id.rpartition(":ask:")  # an id of a request may contain it as well
    return (
        update(approvers)
        .where(
            approvers.c.approval_id == approval_id,
            approvers.c.position == (int(position) if position.isdecimal() else -1),
        )
        .values(undelivered=failed.reason)
    )
