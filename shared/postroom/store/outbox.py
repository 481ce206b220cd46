"""The transactional outbox: what a transaction decided to publish is published, also after a crash.

A service writes the messages in the transaction of their effect (`add`), publishes them right after the
commit (`OutboxRelay.publish`) and has a sweeper for those that a crash or a broker's absence left behind
(`OutboxRelay.sweep`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, Row, delete, func, select, update

from postroom import metrics
from postroom.broker.publisher import Outgoing, PublishFailed, PublishResult
from postroom.clock import Clock, utc_now
from postroom.envelope import Wire
from postroom.store.engine import Store, insert_new
from postroom.store.schema import outbox

FIRST_SWEEP_AFTER_S = 15
SWEEP_AGAIN_AFTER_S = 60
"""Longer than a publisher tries, so that two sweepers do not publish the same at the same time."""
SWEEP_LIMIT = 500


class Publishes(Protocol):
    """What the relay needs of a publisher."""

    def publish(self, messages: Sequence[Outgoing]) -> PublishResult:
        """Return when all are confirmed, or raise: PublishFailed names those that were not."""


def add(connection: Connection, service: str, messages: Sequence[Outgoing], now: datetime) -> None:
    """Record the messages in this transaction. One that is there already (same id) is the same message."""
    insert_new(
        connection,
        outbox,
        [
            {
                "service": service,
                "message_id": message.wire.message_id,
                "exchange": message.exchange,
                "routing_key": message.routing_key,
                "must_route": message.must_route,
                "headers": dict(message.wire.headers),
                "content_type": message.wire.content_type,
                "correlation_id": message.wire.correlation_id,
                "body": message.wire.body,
                "created_at": now,
                "due_at": now + timedelta(seconds=FIRST_SWEEP_AFTER_S),
            }
            for message in messages
        ],
    )


class OutboxRelay:
    """Publishes what is in the outbox of one service and forgets it once it is confirmed."""

    def __init__(self, store: Store, publisher: Publishes, service: str, clock: Clock = utc_now) -> None:
        self._store = store
        self._publisher = publisher
        self._service = service
        self._clock = clock

    def publish(self, messages: Sequence[Outgoing]) -> PublishResult:
        """Publish messages that this process has just recorded, and forget them.

        Raises:
            Transient: some were not confirmed; they stay recorded and the sweeper tries them again.
        """
        if not messages:
            return PublishResult(unheard=0)
        try:
            result = self._publisher.publish(messages)
        except PublishFailed as failure:
            refused = {each.wire.message_id for each, _ in failure.failed}
            # The others are confirmed: one bad message must not send its neighbours again and again.
            self._forget([each.wire.message_id for each in messages if each.wire.message_id not in refused])
            raise
        self._forget([each.wire.message_id for each in messages])
        return result

    def sweep(self) -> bool:
        """Publish some of what was left behind; returns whether there may be more. Raises as `publish`."""
        messages = self._claim()
        self.publish(messages)
        return len(messages) == SWEEP_LIMIT

    def tend(self) -> bool:
        """Say in the metrics how old the oldest message is, then sweep; returns and raises as `sweep`."""
        age_s = self.oldest_age_s()
        metrics.outbox_age.set(age_s)
        # Mostly there is nothing, and even a claim in vain takes the lock for writing.
        return age_s > 0 and self.sweep()

    def oldest_age_s(self) -> float:
        """The age in seconds of this service's oldest unconfirmed message; 0 if there is none."""
        with self._store.read() as connection:
            oldest = connection.execute(
                select(func.min(outbox.c.created_at)).where(outbox.c.service == self._service)
            ).scalar()
        return max(0.0, (self._clock() - oldest).total_seconds()) if oldest else 0.0

    def _forget(self, message_ids: Sequence[str]) -> None:
        with self._store.write() as connection:
            for start in range(0, len(message_ids), SWEEP_LIMIT):
                part = message_ids[start : start + SWEEP_LIMIT]
                connection.execute(delete(outbox).where(outbox.c.message_id.in_(part)))

    def _claim(self) -> list[Outgoing]:
        """The messages that are due, postponed in the same step so that no other replica takes them too."""
        now = self._clock()
        due = (
            select(outbox.c.seq)
            .where(outbox.c.service == self._service, outbox.c.due_at <= now)
            .order_by(outbox.c.seq)
            .limit(SWEEP_LIMIT)
            .with_for_update(skip_locked=True)
        )
        with self._store.write() as connection:
            sequence = connection.execute(due).scalars().all()
            if not sequence:
                return []
            rows = connection.execute(
                update(outbox)
                .where(outbox.c.seq.in_(sequence))
                .values(due_at=now + timedelta(seconds=SWEEP_AGAIN_AFTER_S))
                .returning(outbox)
            ).all()
        return [_outgoing(row) for row in sorted(rows, key=lambda row: row.seq)]


def _outgoing(row: Row[tuple[object, ...]]) -> Outgoing:
    wire = Wire(row.message_id, row.headers, bytes(row.body), row.content_type, row.correlation_id)
    return Outgoing(wire, row.exchange, row.routing_key, row.must_route)
