"""Consuming: one thread owns the connection, workers handle batches and hand back what became of them.

The thread that calls `run` never waits for a handler, so heartbeats go on however long one takes. Retries and
dead letters are published, and confirmed, before the message is acknowledged: nothing is lost in between, it
may only come twice.
"""

import logging
import queue as queues_of_threads
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from postroom.broker.batch import Batch, Waiting
from postroom.broker.connection import back_off, translate
from postroom.broker.handling import Handling
from postroom.broker.publisher import Publisher
from postroom.broker.reception import Taken
from postroom.broker.subscription import Subscription
from postroom.broker.verdict import (
    Ack,
    Attempts,
    DeadLetter,
    Delivery,
    Handler,
    Observer,
    RetryIn,
    Verdict,
)
from postroom.errors import Misconfigured
from postroom.stop import when_set

__all__ = [
    "Ack",
    "Attempts",
    "Consumer",
    "DeadLetter",
    "Delivery",
    "Handler",
    "Observer",
    "RetryIn",
    "Verdict",
]

logger = logging.getLogger(__name__)

IDLE_S = 1.0
UNSETTLED_PAUSE_S = 5.0


@dataclass(frozen=True)
class _Finished:
    """A batch that a worker is done with; `unsettled` must go back to the broker."""

    batch: Batch
    unsettled: tuple[Taken, ...]


class Consumer:
    """Takes messages from queues, hands them to a handler in batches and carries out its verdicts.

    Args:
        url: See `postroom.broker.connection`.
        queues: Which queues; they must exist.
        handler: Gets deliveries, returns one verdict for each, in order. What it raises is a verdict too, see
            `postroom.broker.failure`. With several workers it is called from several threads.
        name: What the broker's operator sees.
        attempts: Durable counts for redelivered messages.
        batch_size: How many messages a batch has at most.
        batch_wait_ms: How long the first message of a batch waits for others.
        workers: How many batches are handled at a time. Order within a queue is kept with one.
        max_crashes: A message that killed its worker so often goes to quarantine.
        max_attempts: A message whose handling failed so often goes to quarantine. A handler's own `RetryIn`
            is not limited: it knows how long the message may wait.
        drain_s: How long `run` waits at the end for batches that are being handled.
        observer: Metrics.
    """

    def __init__(
        self,
        url: str,
        queues: Sequence[str],
        handler: Handler,
        *,
        name: str,
        attempts: Attempts,
        batch_size: int = 50,
        batch_wait_ms: int = 20,
        workers: int = 1,
        max_crashes: int = 3,
        max_attempts: int = 20,
        drain_s: float = 25.0,
        observer: Observer | None = None,
    ) -> None:
        self._url = url
        self._queues = tuple(queues)
        self._name = name
        self._workers = workers
        self._drain_s = drain_s
        self._observer = observer
        # One batch being handled and one ready for each worker, and as much on the way.
        self._prefetch = batch_size * 2 * (workers + 1)
        self._publisher = Publisher(url, name=f"{name} verdicts")
        self._handling = Handling(
            handler,
            self._publisher,
            attempts,
            max_crashes=max_crashes,
            max_attempts=max_attempts,
            observer=observer,
        )
        self._waiting = Waiting(batch_size, batch_wait_ms / 1000)
        self._jobs: queues_of_threads.SimpleQueue[Batch | None] = queues_of_threads.SimpleQueue()
        self._finished: queues_of_threads.SimpleQueue[_Finished] = queues_of_threads.SimpleQueue()
        self._busy = 0
        self._generation = 0
        self._subscription: Subscription | None = None
        self._last_beat = time.monotonic()
        self._ending = threading.Event()
        self._wake: socket.socket
        self._waker: socket.socket

    @property
    def connected(self) -> bool:
        """Whether the broker is there at the moment."""
        return self._subscription is not None

    @property
    def fault(self) -> str:
        """Why it cannot work at the moment; empty if it can."""
        return "" if self.connected else "no connection to the broker"

    @property
    def last_beat(self) -> float:
        """Monotonic time of the connection thread's last turn, for liveness."""
        return self._last_beat

    def run(self, stop: threading.Event) -> None:
        """Consume until `stop` is set, then drain and return; raises nothing, reconnects by itself."""
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        when_set(stop, self._wake_up)
        threads = [
            threading.Thread(target=self._work, name=f"{self._name} worker {number}", daemon=True)
            for number in range(self._workers)
        ]
        for thread in threads:
            thread.start()
        try:
            self._consume_until(stop)
        finally:
            self._end(threads)

    def _consume_until(self, stop: threading.Event) -> None:
        attempt = 0
        while not stop.is_set():
            started = time.monotonic()
            try:
                self._consume_once(stop)
            except Exception as error:
                attempt = 1 if time.monotonic() - started > 60 else attempt + 1
                self._report(error, attempt)
                self._pause(stop, back_off(attempt, random.random()))  # noqa: S311 - jitter

    def _consume_once(self, stop: threading.Event) -> None:
        """One connection from its beginning to its end."""
        subscription = Subscription(
            self._url, self._queues, name=self._name, prefetch=self._prefetch, wake=self._wake
        )
        self._generation += 1
        # What is left of the last connection comes again over this one.
        self._waiting.clear()
        self._take_back_jobs()
        self._subscription = subscription
        logger.info("consuming", extra={"queues": self._queues, "connection": self._name})
        if self._generation > 1 and self._observer:
            self._observer.reconnected()
        try:
            while not stop.is_set():
                self._turn(subscription)
            self._drain(subscription)
        finally:
            self._subscription = None
            subscription.close()

    def _turn(self, subscription: Subscription) -> None:
        """One round: wait, take, dispatch, acknowledge."""
        due_s = self._waiting.due_in(time.monotonic()) if self._has_room() else None
        subscription.turn(IDLE_S if due_s is None else due_s)
        self._last_beat = time.monotonic()
        self._take(subscription)
        self._collect(subscription)
        self._dispatch()
        subscription.flush()

    def _take(self, subscription: Subscription) -> None:
        now = time.monotonic()
        taken = list(subscription.arrived)
        subscription.arrived.clear()
        for message in taken:
            self._waiting.add(message, now)
        if self._observer:
            for queue, count in Counter(message.queue for message in taken).items():
                self._observer.taken(queue, count)

    def _has_room(self) -> bool:
        # One batch more than workers, so that none of them waits for this thread.
        return self._busy <= self._workers

    def _dispatch(self) -> None:
        while self._has_room() and (messages := self._waiting.take(time.monotonic())):
            self._busy += 1
            self._jobs.put(Batch(messages, self._generation))

    def _collect(self, subscription: Subscription) -> None:
        """Take over what the workers are done with."""
        with suppress(queues_of_threads.Empty):
            while True:
                finished = self._finished.get_nowait()
                self._busy -= 1
                # Tags of an earlier connection mean other messages now; the broker gives those out again.
                if finished.batch.generation == self._generation:
                    back = {message.tag for message in finished.unsettled}
                    subscription.done(each.tag for each in finished.batch.messages if each.tag not in back)
                    subscription.give_back(back)

    def _drain(self, subscription: Subscription) -> None:
        """Stop taking, hand back what was not begun, finish what is being handled."""
        subscription.stop_taking()
        self._waiting.clear()
        self._take_back_jobs()
        deadline = time.monotonic() + self._drain_s
        while self._busy and time.monotonic() < deadline:
            subscription.turn(0.1)
            self._last_beat = time.monotonic()
            self._collect(subscription)
            subscription.flush()
        if self._busy:
            logger.warning(
                "handlers did not finish in time, their messages go back", extra={"count": self._busy}
            )

    def _take_back_jobs(self) -> None:
        with suppress(queues_of_threads.Empty):
            while True:
                if self._jobs.get_nowait() is not None:
                    self._busy -= 1

    def _end(self, threads: list[threading.Thread]) -> None:
        self._ending.set()
        self._take_back_jobs()
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            # What still runs after the drain is left behind: a daemon thread ends with the process.
            thread.join(timeout=0.0 if self._busy else 5.0)
        if not self._busy:
            self._publisher.close()
        self._wake.close()
        self._waker.close()

    def _pause(self, stop: threading.Event, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (rest_s := deadline - time.monotonic()) > 0 and not stop.is_set():
            self._last_beat = time.monotonic()
            stop.wait(min(1.0, rest_s))

    def _report(self, error: Exception, attempt: int) -> None:
        ours = translate(error, "consuming")
        level = logging.ERROR if isinstance(ours, Misconfigured) or attempt > 3 else logging.WARNING
        logger.log(
            level,
            "the consumer lost its connection and connects again: %s",
            ours,
            extra={"connection": self._name, "queues": self._queues, "attempt": attempt},
        )

    # The workers' side

    def _work(self) -> None:
        while (batch := self._jobs.get()) is not None:
            unsettled = batch.messages
            try:
                unsettled = self._handling.handle(batch.messages)
            except BaseException:
                logger.exception("a worker failed outside of its handler, its messages go back")
            if unsettled:
                # They come again at once: not in a hot loop.
                self._ending.wait(UNSETTLED_PAUSE_S)
            self._finished.put(_Finished(batch, unsettled))
            self._wake_up()

    def _wake_up(self) -> None:
        # Full means that it is awake, closed that nobody listens any more.
        with suppress(BlockingIOError, OSError):
            self._waker.send(b"\0")
