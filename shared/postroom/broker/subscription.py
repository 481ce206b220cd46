"""One connection's life as a consumer: taking, acknowledging, heartbeats, and noticing that it is over."""

import logging
import socket
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from amqp import exceptions as amqp_errors

from postroom.broker.connection import connect, release, turn
from postroom.broker.ledger import Ledger
from postroom.broker.reception import Taken, receive

logger = logging.getLogger(__name__)

HEARTBEAT_TICK_S = 1.0
CHECK_S = 5.0
CAREFUL_S = 0.2


class Subscription:
    """Consumes from queues over one connection; belongs to one thread.

    It starts carefully, with one message per queue at a time: after a crash the broker gives out again what
    the dead process had, and counts what it gives out beside a message that kills. With the first fresh
    message, or when nothing comes, it takes `prefetch` messages per queue.

    Every method may raise the errors of py-amqp, kombu and sockets; then the subscription is over.
    """

    def __init__(
        self, url: str, queues: Sequence[str], *, name: str, prefetch: int, wake: socket.socket
    ) -> None:
        self.arrived: deque[Taken] = deque()
        self._queues = tuple(queues)
        self._prefetch = prefetch
        self._wake = wake
        self._ledger = Ledger()
        self._tags: list[str] = []
        self._tick_at = self._check_at = 0.0
        self._connection = connect(url, name=name)
        try:
            self._channel = self._connection.channel()
            self._channel.auto_decode = False
            self._consume(1)
        except BaseException:
            self.close()
            raise
        self._careful_until: float | None = time.monotonic() + CAREFUL_S

    @property
    def outstanding(self) -> int:
        """How many messages are neither acknowledged nor given back."""
        return len(self._ledger)

    def turn(self, timeout_s: float) -> None:
        """Wait for messages, `wake` or the end of the time; keep the heartbeat, check the consumers."""
        now = time.monotonic()
        if self._careful_until is not None:
            timeout_s = min(timeout_s, CAREFUL_S)
        turn(self._connection, self._wake, min(timeout_s, HEARTBEAT_TICK_S))
        if now >= self._tick_at:
            self._tick_at = now + HEARTBEAT_TICK_S
            self._connection.heartbeat_check()
        if now >= self._check_at:
            self._check_at = now + CHECK_S
            self._check_consumers()
        self._take_more(now)

    def done(self, tags: Iterable[int]) -> None:
        """These messages may be acknowledged; `flush` does it."""
        self._ledger.done(tags)

    def give_back(self, tags: Iterable[int]) -> None:
        """These messages go back to their queues."""
        tags = list(tags)
        for tag in tags:
            self._channel.basic_reject(tag, requeue=True)
        self._ledger.given_back(tags)

    def flush(self) -> None:
        """Acknowledge what is done, in groups."""
        for tag, multiple in self._ledger.acknowledgements():
            self._channel.basic_ack(tag, multiple=multiple)

    def stop_taking(self) -> None:
        """Cancel the consumers; what was delivered can still be acknowledged."""
        self._careful_until = None
        tags, self._tags = self._tags, []
        for tag in tags:
            self._channel.basic_cancel(tag)

    def close(self) -> None:
        """Close the connection; the broker gives out again what is not acknowledged."""
        release(self._connection)

    def _consume(self, prefetch: int) -> None:
        self._channel.basic_qos(0, prefetch, False)
        for queue in self._queues:
            self._tags.append(self._channel.basic_consume(queue, callback=self._receiver(queue)))

    def _receiver(self, queue: str) -> Any:
        def received(raw: Any) -> None:
            taken = receive(raw, queue)
            self._ledger.took(taken.tag)
            self.arrived.append(taken)

        return received

    def _take_more(self, now: float) -> None:
        if self._careful_until is None:
            return
        fresh = any(not taken.redelivered for taken in self.arrived)
        if fresh or (now >= self._careful_until and not self.outstanding):
            self.stop_taking()
            self._consume(self._prefetch)

    def _check_consumers(self) -> None:
        """Ask the broker whether it still knows us.

        A closed channel, a deleted queue or a consumer that timed out is not always told; and a client that
        does not look waits for ever.
        """
        for queue in self._queues if self._tags else ():
            if self._channel.queue_declare(queue, passive=True).consumer_count == 0:
                raise amqp_errors.RecoverableConnectionError(
                    f"the broker no longer knows our consumer of {queue}"
                )
