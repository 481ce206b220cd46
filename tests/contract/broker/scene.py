"""What the contract tests are about: a broker with one work queue, its messages, its consumers."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from postroom import topology
from postroom.broker.consumer import Ack, Consumer, Delivery, Verdict
from postroom.broker.declare import apply
from postroom.broker.publisher import Outgoing, Publisher, outgoing
from postroom.envelope import envelop
from postroom.messages import MailReceived
from postroom.topology import INBOX, Topology
from tests.contract.broker.witness import Witness

SENT_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WORKER = Path(__file__).with_name("worker.py")
DEAD = topology.dead_queue(INBOX)


def one_family() -> Topology:
    """The work queue of the inbox with its delay queues and its quarantine: fast to declare."""
    whole = topology.topology(1)
    return Topology(whole.exchanges, tuple(each for each in whole.queues if each.name.startswith(INBOX)))


def mail(uid: int) -> Outgoing:
    """A `mail.received` for the inbox queue; its UID tells it from others."""
    message = MailReceived(
        account="team",
        folder="INBOX",
        uidvalidity=1,
        uid=uid,
        size_bytes=6,
        sha256="0" * 64,
        arrived_at=SENT_AT,
        lane="inbox",
        content=b"a\x00\xff\r\n.",
    )
    return outgoing(envelop(message, source="test", now=SENT_AT, message_id=f"mail-{uid}"), 1)


def uids(deliveries: Iterable[Delivery]) -> list[int]:
    """The UIDs, in order."""
    return [delivery.envelope.message.uid for delivery in deliveries]


@dataclass
class Recorder:
    """A handler that remembers what it got and answers as it was told."""

    answer: Callable[[Delivery], Verdict] = lambda _delivery: Ack()
    deliveries: list[Delivery] = field(default_factory=list)
    batches: list[list[Delivery]] = field(default_factory=list)

    def __call__(self, deliveries: Sequence[Delivery]) -> list[Verdict]:
        self.batches.append(list(deliveries))
        verdicts = [self.answer(delivery) for delivery in deliveries]
        self.deliveries += deliveries
        return verdicts

    @property
    def uids(self) -> list[int]:
        """What came, in order."""
        return uids(self.deliveries)


@dataclass
class MemoryAttempts:
    """Attempts of one process."""

    counts: dict[str, int] = field(default_factory=dict)

    def begin(self, message_id: str, queue: str) -> int:
        self.counts[message_id] = self.counts.get(message_id, 0) + 1
        return self.counts[message_id]

    def end(self, message_id: str, queue: str) -> None:
        self.counts.pop(message_id, None)

    def buried(self, message_ids: Sequence[str], queue: str) -> None:
        pass


@dataclass
class Watcher:
    """An observer that counts."""

    settled_count: int = 0
    reconnects: int = 0
    faults: int = 0

    def taken(self, queue: str, count: int) -> None:
        pass

    def settled(self, queue: str, verdict: str, count: int, seconds: float) -> None:
        self.settled_count += count

    def reconnected(self) -> None:
        self.reconnects += 1

    def undecodable(self, queue: str) -> None:
        self.faults += 1


@dataclass(frozen=True)
class Scene:
    """A broker with the inbox queue declared."""

    url: str
    witness: Witness
    folder: Path

    def publish(self, *messages: Outgoing) -> None:
        """Publish, confirmed."""
        with Publisher(self.url, name="test publisher") as publisher:
            publisher.publish(messages)

    def declare(self) -> None:
        """Declare the queues (again)."""
        apply(self.url, one_family())

    @contextmanager
    def consuming(self, handler: Callable[..., list[Verdict]], **options: Any) -> Iterator[Consumer]:
        """A consumer in a thread of this process, drained at the end."""
        options = {"attempts": MemoryAttempts(), "batch_size": 20, "drain_s": 5.0, **options}
        consumer = Consumer(self.url, [INBOX], handler, name="test consumer", **options)
        stop = threading.Event()
        thread = threading.Thread(target=consumer.run, args=(stop,), name="test consumer")
        thread.start()
        try:
            yield consumer
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive(), "the consumer did not end"

    @contextmanager
    def worker(self, behaviour: str) -> Iterator[subprocess.Popen[bytes]]:
        """A consumer in a process of its own, see `worker.py`; killed at the end."""
        arguments = [sys.executable, str(WORKER), self.url, INBOX, str(self.folder), behaviour]
        process = subprocess.Popen(arguments)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def written(self, name: str) -> list[int]:
        """The UIDs that workers wrote to a file."""
        path = self.folder / name
        return [int(line) for line in path.read_text().split()] if path.exists() else []
