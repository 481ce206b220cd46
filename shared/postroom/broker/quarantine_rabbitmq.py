"""Looking into the quarantines of RabbitMQ, which has no way to look: messages are taken and given back.

A quorum queue with a delivery limit puts what is given back before what was never taken, one without puts it
behind. So a look takes everything, page by page, and gives everything back in its old order, which is right
in both cases; only what dies while somebody looks may come to stand before the rest.

The queue counts how often a message came back and throws it away beyond a limit (20, from RabbitMQ 4.0 on
also without a policy): when one comes near it, all are published anew, each before the old one is
acknowledged. That is rare, and where everything was published anew the order is as it was.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from amqp import exceptions as amqp_errors
from amqp import spec

from postroom.broker.letter import renewed, times_looked_at
from postroom.broker.looking import Found, Look
from postroom.broker.outgoing import Outgoing
from postroom.broker.publisher import Publisher
from postroom.broker.reception import receive
from postroom.errors import Transient
from postroom.topology import dead_queue

logger = logging.getLogger(__name__)

BLOCK = 200
"""Letters in memory at a time."""
SKIPPED = 2000
"""Letters that are taken at a time only to keep the order."""
RENEW_AT = 12
QUIET_S = 3.0
"""After so much silence there are no more letters than those that came: somebody removed them."""
GROUP = 30
"""Letters that are given back in one command: the order of more than 32 is lost in it (RabbitMQ 3.10)."""
SETTLED = 16 * GROUP
"""Letters after which the queue is waited for: where it lags behind, RabbitMQ joins commands into one."""
SETTLE_S = 5.0
"""How long the queue may take until what was given back can be taken again."""
LOCK = "postroom.console.quarantine"
LOCK_WAIT_S = 15.0


class RabbitQuarantine:
    """The quarantines of a RabbitMQ. `connection` has no heartbeats."""

    def __init__(self, url: str, connection: Any) -> None:
        self._url = url
        self._connection = connection
        self._locked = False

    def count(self, queue: str) -> int | None:
        """How many letters; None: there is no such quarantine."""
        channel = self._connection.channel()
        try:
            found = channel.queue_declare(dead_queue(queue), passive=True)
        except amqp_errors.NotFound:
            return None
        channel.close()
        return int(found.message_count)

    @contextmanager
    def looking(self, queue: str) -> Iterator[Look]:
        """Look, one person at a time: what one of them has taken the others would miss."""
        self._lock()
        look = RabbitLook(self._url, self._connection, queue, lambda: self.count(queue) or 0)
        try:
            yield look
        finally:
            look.close()

    def _lock(self) -> None:
        """Own a queue that only one connection can own; it goes with the connection.

        Raises:
            Transient: somebody else looks for too long.
        """
        deadline = time.monotonic() + LOCK_WAIT_S
        while not self._locked:
            channel = self._connection.channel()
            try:
                channel.queue_declare(LOCK, exclusive=True, auto_delete=False)
                self._locked = True
            except amqp_errors.ResourceLocked as error:
                if time.monotonic() > deadline:
                    raise Transient("somebody else is looking into the quarantine: try again") from error
                time.sleep(0.1)


class RabbitLook:
    """See `postroom.broker.looking.Look`."""

    def __init__(self, url: str, connection: Any, queue: str, ready: Callable[[], int]) -> None:
        self._url = url
        self._connection = connection
        self._queue = queue
        self._ready = ready
        self._count = ready()
        self._channel = connection.channel()
        self._channel.auto_decode = False
        # Of each block the tags that are neither acknowledged nor given back, in order.
        self._blocks: list[dict[int, None]] = []
        self._taken = 0
        self._is_worn = False

    def __iter__(self) -> Iterator[Found]:
        """The letters, a block of them in memory at a time."""
        left = self._count
        while left > 0 and (block := self._gather(min(left, BLOCK))):
            yield from block
            left -= len(block)

    def remove(self, found: Sequence[Found]) -> None:
        """Acknowledge them."""
        for each in found:
            self._channel.basic_ack(each.tag)
            for block in self._blocks:
                block.pop(each.tag, None)

    def close(self) -> None:
        """Give back what was not removed, in its order, and wait until it is there for whoever looks next."""
        try:
            while self._taken < self._count:
                if not self._take(min(SKIPPED, self._count - self._taken), lambda _raw: None):
                    break
            self._give_back()
            if self._is_worn:
                self._renew_all()
            self._channel.close()
        except Exception as error:
            # The broker gives back by itself what a lost connection had.
            logger.warning(
                "dead letters were not given back in order", extra={"queue": self._queue, "error": str(error)}
            )

    def _give_back(self) -> None:
        given = 0
        for block in self._blocks:
            tags = list(block)
            for start in range(0, len(tags), GROUP):
                group = tags[start : start + GROUP]
                self._channel.send_method(spec.Basic.Nack, "Lbb", (group[-1], True, True))
                given += len(group)
                if given % SETTLED < GROUP:
                    self._wait_for(given)
        self._wait_for(given)

    def _wait_for(self, count: int) -> None:
        """Wait until so many letters can be taken again."""
        deadline = time.monotonic() + SETTLE_S
        while self._ready() < count and time.monotonic() < deadline:
            time.sleep(0.005)

    def _renew_all(self) -> None:
        """Publish every letter anew, so that their order stays."""
        left = self._ready()
        with Publisher(self._url, name="postroom quarantine renewal") as publisher:
            while left > 0 and (block := self._gather(min(left, BLOCK))):
                letters = [Outgoing(renewed(each.letter), "", dead_queue(self._queue)) for each in block]
                publisher.publish(letters)
                self.remove(block)
                left -= len(block)

    def _gather(self, count: int) -> list[Found]:
        found: list[Found] = []
        self._take(count, lambda raw: found.append(self._found(raw)))
        return found

    def _take(self, count: int, keep: Callable[[Any], object]) -> int:
        """Take the next letters; returns how many came."""
        if count <= 0:
            return 0
        block: dict[int, None] = {}

        def took(raw: Any) -> None:
            block[raw.delivery_info["delivery_tag"]] = None
            self._is_worn |= times_looked_at(raw.properties.get("application_headers")) >= RENEW_AT
            keep(raw)

        self._blocks.append(block)
        self._channel.basic_qos(0, count, False)
        consumer = self._channel.basic_consume(dead_queue(self._queue), callback=took)
        with suppress(TimeoutError):
            while len(block) < count:
                self._connection.drain_events(timeout=QUIET_S)
        self._channel.basic_cancel(consumer)
        self._taken += len(block)
        return len(block)

    def _found(self, raw: Any) -> Found:
        taken = receive(raw, self._queue)
        return Found(taken.tag, self._queue, taken.wire)
