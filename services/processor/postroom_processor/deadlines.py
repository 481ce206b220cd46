"""Requests whose deadline is over: expired once, whatever number of processors looks."""

from sqlalchemy import select, update

from postroom import metrics
from postroom.broker.publisher import outgoing
from postroom.clock import Clock
from postroom.envelope import envelop
from postroom.messages import ApprovalExpired, derive_id
from postroom.store import Store, outbox
from postroom.store.schema import approvals
from postroom_processor.follow_up import SOURCE
from postroom_processor.receiving import SERVICE
from postroom_processor.recording import Recorder

LIMIT = 200


class Deadlines:
    """Looks for overdue requests, `LIMIT` at a time."""

    def __init__(
        self, store: Store, relay: outbox.OutboxRelay, recorder: Recorder, shards: int, clock: Clock
    ) -> None:
        self._store = store
        self._relay = relay
        self._recorder = recorder
        self._shards = shards
        self._clock = clock

    def expire(self) -> bool:
        """Expire what is overdue; returns whether there may be more."""
        now = self._clock()
        overdue = (
            select(approvals.c.id)
            .where(approvals.c.state == "pending", approvals.c.deadline < now)
            .order_by(approvals.c.id)
            .limit(LIMIT)
            .with_for_update(skip_locked=True)
        )
        with self._store.read() as connection:
            if not connection.execute(overdue.with_only_columns(approvals.c.id).limit(1)).first():
                return False
        with self._store.write() as connection:
            ids = connection.execute(overdue).scalars().all()
            rows = connection.execute(
                update(approvals)
                .where(approvals.c.id.in_(ids), approvals.c.state == "pending")
                .values(state="expired", decided_at=now)
                .returning(approvals)
            ).all()
            messages = [
                outgoing(
                    envelop(
                        ApprovalExpired(account=row.account, approval_id=row.id, deadline=row.deadline),
                        source=SOURCE,
                        now=now,
                        message_id=derive_id(row.id, ApprovalExpired.TYPE),
                        correlation_id=row.correlation_id,
                        traceparent=row.traceparent,
                    ),
                    self._shards,
                )
                for row in rows
            ]
            self._recorder.record(connection, messages, now)
            outbox.add(connection, SERVICE, messages, now)
        metrics.unheard.inc(self._relay.publish(messages).unheard)
        metrics.approvals.labels(result="expired").inc(len(rows))
        return len(rows) == LIMIT
