"""The transactions around the sending, and the telling of what they recorded."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from postroom import metrics
from postroom.broker.publisher import Outgoing, outgoing
from postroom.clock import Clock
from postroom.envelope import envelop
from postroom.errors import Transient
from postroom.messages import derive_id
from postroom.store import Store, outbox
from postroom_sender import ledger, standing
from postroom_sender.finding import Finding
from postroom_sender.job import Job, Task
from postroom_sender.joining import join
from postroom_sender.ledger import Claim, NewSend
from postroom_sender.standing import Standing

logger = logging.getLogger(__name__)

SERVICE = "sender"
SOURCE = "/postroom/sender"
RECORD_AGAIN_S = (0.1, 0.5, 1.0, 2.0, 5.0)
"""What a server answered must not be forgotten because the database is away for a moment."""
T = TypeVar("T")


class Recorder:
    """Records one batch of one thread, and publishes what is to be told about it."""

    def __init__(self, store: Store, relay: outbox.OutboxRelay, shards: int, clock: Clock) -> None:
        self._store = store
        self._relay = relay
        self._shards = shards
        self._clock = clock
        self._untold: list[Outgoing] = []

    def claim(
        self,
        jobs: Sequence[Job],
        end: Callable[[dict[str, Claim]], Sequence[Finding]],
        tasks: Sequence[Task],
    ) -> tuple[dict[str, Claim], datetime]:
        """Claim the jobs, settle at once what `end` finds; how each was found, and the claim's mark.

        Those of the `tasks` that are new join their conversations before anybody can answer them.

        Raises:
            Transient: the database is away; nothing has begun.
        """
        now = self._clock()
        mails = [_new_send(job) for job in jobs]
        with self._store.write() as connection:
            claims = ledger.claim(connection, mails, now)
            join(connection, [task for task in tasks if claims[task.job.send_id].before is None], now)
            told = self._settle(connection, end(claims), now)
        self._untold += told
        return claims, now

    def turn(
        self,
        findings: Sequence[Finding],
        news: Standing | None,
        following: Sequence[Task],
        claimed_at: datetime,
    ) -> set[str]:
        """Record what was found and that the following mails begin; the ids of those that are still ours.

        Raises:
            Transient: the database was away for too long.
        """

        def record() -> tuple[set[str], list[Outgoing]]:
            now = self._clock()
            with self._store.write() as connection:
                told = self._settle(connection, findings, now)
                if news:
                    told += self._note(connection, news, now)
                begun = ledger.begin(connection, [task.job.send_id for task in following], claimed_at)
            return begun, told

        if not findings and not news and not following:
            return set()
        begun, told = _insisting(record)
        self._untold += told
        return begun

    def tell(self) -> None:
        """Publish the events recorded so far; what the broker does not take stays for the sweeper."""
        untold, self._untold = self._untold, []
        try:
            metrics.unheard.inc(self._relay.publish(untold).unheard)
        except Transient as error:
            logger.warning("events wait for the broker", extra={"count": len(untold), "error": str(error)})

    def _settle(self, connection: Connection, findings: Sequence[Finding], now: datetime) -> list[Outgoing]:
        ledger.settle(connection, [each.settled for each in findings], now)
        told = [
            outgoing(
                envelop(
                    each.event,
                    source=SOURCE,
                    now=now,
                    message_id=derive_id(each.event.TYPE, each.job.send_id),
                    cause=each.job.delivery.envelope,
                ),
                self._shards,
            )
            for each in findings
            if each.event is not None
        ]
        outbox.add(connection, SERVICE, told, now)
        return told

    def _note(self, connection: Connection, news: Standing, now: datetime) -> list[Outgoing]:
        event = standing.record(connection, news)
        if event is None:
            return []
        told = [outgoing(envelop(event, source=SOURCE, now=now), self._shards)]
        outbox.add(connection, SERVICE, told, now)
        return told


def _new_send(job: Job) -> NewSend:
    command = job.command
    return NewSend(
        send_id=command.id,
        account=command.account,
        recipient=command.recipient,
        kind=command.content.kind,
        message_id=job.message_id,
        correlation_id=job.delivery.envelope.correlation_id,
        content_sha256=job.content_sha256,
    )


def _insisting(action: Callable[[], T]) -> T:
    for pause_s in RECORD_AGAIN_S:
        try:
            return action()
        except Transient as error:
            logger.warning("the store is away, recording again", extra={"error": str(error)})
            time.sleep(pause_s)
    return action()
