"""The transactions around the sending, and the telling of what they recorded."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection

from postroom import metrics
from postroom.broker.publisher import Outgoing, outgoing
from postroom.broker.verdict import Verdict
from postroom.clock import Clock
from postroom.envelope import Envelope, envelop
from postroom.errors import Transient
from postroom.messages import SendEvent, derive_id
from postroom.send_rate import Rate, parse_rate
from postroom.store import Store, copies, doubts, outbox
from postroom_sender import ledger, standing
from postroom_sender.allowance import paused, take
from postroom_sender.doubting import go_on
from postroom_sender.finding import Finding
from postroom_sender.job import Job, Task
from postroom_sender.joining import keep
from postroom_sender.ledger import Claim, NewSend, Others
from postroom_sender.patience import Patience
from postroom_sender.standing import Standing

logger = logging.getLogger(__name__)

SERVICE = "sender"
SOURCE = "/postroom/sender"
RECORD_AGAIN_S = (0.1, 0.5, 1.0, 2.0, 5.0)
"""What a server answered must not be forgotten because the database is away for a moment."""
T = TypeVar("T")


@dataclass(frozen=True)
class Life:
    """This sender as others know it; after so much `silence` any sender counts as dead."""

    name: str
    silence: timedelta


@dataclass(frozen=True)
class Claims:
    """How the mails were found.

    Attributes:
        of: By their ids.
        at: The claim's mark.
        pauses: For how many seconds whose servers want no mail.
        contents: Mails that are sent again, as they were sent before.
        steps: What becomes of the commands of mails in doubt.
    """

    of: Mapping[str, Claim]
    at: datetime
    pauses: Mapping[str, float]
    contents: Mapping[str, bytes]
    steps: Mapping[str, Verdict]


@dataclass(frozen=True)
class Begun:
    """The mails that go now, and those that wait for room in their account's window, for so long."""

    ids: frozenset[str]
    waiting: frozenset[str]
    wait_s: float = 0.0


class Recorder:
    """Records one batch of one thread, and publishes what is to be told about it."""

    def __init__(self, me: Life, store: Store, relay: outbox.OutboxRelay, shards: int, clock: Clock) -> None:
        self._me = me.name
        self._silence = me.silence
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
        patience: Patience,
    ) -> Claims:
        """Claim the jobs, and settle at once what `end` finds.

        Those of the `tasks` that are new join their conversations before anybody can answer them. Mails in
        doubt take their next step first, by `patience`.

        Raises:
            Transient: the database is away; nothing has begun.
        """
        now = self._clock()
        mails = [_new_send(job) for job in jobs]
        others = Others(self._me, now - self._silence)
        with self._store.write() as connection:
            steps = go_on(connection, jobs, tasks, patience, now)
            claims = ledger.claim(connection, mails, now, others)
            keep(connection, [job for job in jobs if claims[job.send_id].before is None], tasks, now)
            told = self._settle(connection, end(claims), now) + self._out(connection, steps.told, now)
            tried = [each for each, claim in claims.items() if claim.attempts]
            contents = doubts.contents(connection, tried) if tried else {}
            pauses = paused(connection, sorted({task.account.name for task in tasks}), now)
        self._untold += told
        return Claims(claims, now, pauses, contents, steps.verdicts)

    def turn(
        self,
        findings: Sequence[Finding],
        news: Standing | None,
        following: Sequence[Task],
        claimed_at: datetime,
    ) -> Begun:
        """Record what was found and that the following mails of one account begin.

        Raises:
            Transient: the database was away for too long.
        """

        def record() -> tuple[Begun, list[Outgoing]]:
            now = self._clock()
            with self._store.write() as connection:
                told = self._settle(connection, findings, now)
                if news:
                    told += self._note(connection, news, now)
                begun = self._begin(connection, following, claimed_at, now)
            return begun, told

        if not findings and not news and not following:
            return Begun(frozenset(), frozenset())
        begun, told = _insisting(record)
        self._untold += told
        return begun

    def _begin(
        self, connection: Connection, tasks: Sequence[Task], claimed_at: datetime, now: datetime
    ) -> Begun:
        """Take room in the account's window for as many as fit, and begin those."""
        ids = [task.job.send_id for task in tasks]
        rate = _rate(tasks)
        if rate is None:
            return Begun(frozenset(ledger.begin(connection, ids, claimed_at, self._me)), frozenset())
        task = tasks[0]
        grant = take(connection, task.account.name, rate, task.job.command.lane, len(ids), now)
        begun = ledger.begin(connection, ids[: grant.count], claimed_at, self._me)
        return Begun(frozenset(begun), frozenset(ids[grant.count :]), grant.wait_s)

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
                    event,
                    source=SOURCE,
                    now=now,
                    message_id=_event_id(each.job, event),
                    cause=each.job.delivery.envelope,
                ),
                self._shards,
            )
            for each in findings
            for event in each.events
        ]
        outbox.add(connection, SERVICE, told, now)
        return told + self._follow(connection, findings, now)

    def _follow(self, connection: Connection, findings: Sequence[Finding], now: datetime) -> list[Outgoing]:
        """Open the doubts that begin, and order the copies that are to be filed."""
        doubts.open_new(connection, [each.doubt for each in findings if each.doubt], now)
        causes = {each.job.send_id: each.job.delivery.envelope for each in findings}
        orders = copies.add(connection, [each.copy for each in findings if each.copy], now)
        commands = [
            envelop(order.command, source=SOURCE, now=now, message_id=order.id, cause=causes[order.send_id])
            for order in orders
        ]
        return self._out(connection, commands, now)

    def _out(
        self, connection: Connection, envelopes: Sequence[Envelope[Any]], now: datetime
    ) -> list[Outgoing]:
        messages = [outgoing(each, self._shards) for each in envelopes]
        outbox.add(connection, SERVICE, messages, now)
        return messages

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
        cc=command.cc,
    )


def _rate(tasks: Sequence[Task]) -> Rate | None:
    smtp = tasks[0].account.smtp if tasks else None
    return parse_rate(smtp.rate) if smtp and smtp.rate else None


def _event_id(job: Job, event: SendEvent) -> str:
    """The same for the same end of the same mail, for each of its recipients."""
    whom = (event.recipient,) if job.command.cc else ()
    return derive_id(event.TYPE, job.send_id, *whom)


def _insisting(action: Callable[[], T]) -> T:
    for pause_s in RECORD_AGAIN_S:
        try:
            return action()
        except Transient as error:
            logger.warning("the store is away, recording again", extra={"error": str(error)})
            time.sleep(pause_s)
    return action()
