"""Feeds bulks to the broker, a window of mails at a time: a step of a loop.

Each recipient's mail is ordered in the transaction that notes it, through the outbox: a crash at any point
orders nobody's mail twice, and none is left out.
"""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from postroom import metrics
from postroom.broker.publisher import Outgoing, outgoing
from postroom.clock import Clock
from postroom.envelope import Envelope, envelop
from postroom.messages import BulkEnded, MailSend, TemplateMail, derive_id
from postroom.store import Store, bulks, outbox
from postroom.store.bulks import Turn
from postroom.store.outbox import OutboxRelay
from postroom_sender.recorder import SERVICE, SOURCE

logger = logging.getLogger(__name__)


class Feeding:
    """Orders the mails of bulks whose turn it is."""

    def __init__(self, store: Store, relay: OutboxRelay, shards: int, clock: Clock) -> None:
        self._store = store
        self._relay = relay
        self._shards = shards
        self._clock = clock

    def tend(self) -> bool:
        """Order what there is room for; returns whether there may be more at once. Raises Transient."""
        with self._store.read() as connection:
            if not bulks.any_sending(connection):
                return False
        now = self._clock()
        with self._store.write() as connection:
            turns = bulks.turns(connection, now)
            messages = [
                outgoing(each, self._shards) for turn in turns for each in _orders(connection, turn, now)
            ]
            outbox.add(connection, SERVICE, messages, now)
        metrics.unheard.inc(self._publish(messages))
        for turn in turns:
            if turn.ended:
                logger.info("bulk ended", extra={"bulk": turn.bulk.id, "account": turn.bulk.account})
        return any(len(turn.recipients) == bulks.BATCH for turn in turns)

    def _publish(self, messages: list[Outgoing]) -> int:
        return self._relay.publish(messages).unheard


def _orders(connection: Connection, turn: Turn, now: datetime) -> Iterator[Envelope[Any]]:
    for recipient in turn.recipients:
        order = order_of(turn.bulk, recipient, now)
        yield envelop(
            order,
            source=SOURCE,
            now=now,
            message_id=derive_id("mail.send", order.id),
            correlation_id=turn.bulk.correlation_id,
        )
    if turn.ended:
        counts = bulks.counts(connection, [turn.bulk.id])[turn.bulk.id]
        yield envelop(
            BulkEnded(
                account=turn.bulk.account,
                bulk_id=turn.bulk.id,
                skipped=turn.bulk.skipped,
                sent=counts["sent"],
                failed=counts["failed"] + counts["cancelled"],
                uncertain=counts["uncertain"],
                suppressed=counts["suppressed"],
                bounced=counts["bounced"],
            ),
            source=SOURCE,
            now=now,
            message_id=derive_id(BulkEnded.TYPE, turn.bulk.id),
            correlation_id=turn.bulk.correlation_id,
        )


def order_of(bulk: Row[Any], recipient: Row[Any], now: datetime) -> MailSend:
    """The order to send a recipient's mail."""
    about: Mapping[str, Any] = bulk.about
    return MailSend(
        id=recipient.send_id,
        account=bulk.account,
        recipient=recipient.recipient,
        content=TemplateMail(template=bulk.template or None, values=recipient._mapping["values"]),
        lane="bulk",
        written_at=now.replace(microsecond=0),
        bulk_id=bulk.id,
        **about,
    )
