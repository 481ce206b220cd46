"""A client's queue of events, consumed on a connection of its own."""

import logging
import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from postroom.broker.connection import connect, translated
from postroom.broker.publisher import Outgoing, Publisher
from postroom.envelope import Envelope, Wire, decode
from postroom.errors import Undecodable
from postroom.messages import Message
from postroom.topology import EVENTS

logger = logging.getLogger(__name__)

QUEUE_PREFIX = "postroom.client"
PING_S = 30.0
"""After so much silence the broker is asked whether the queue is still there."""
PREFETCH = 100
_QUORUM = {"x-queue-type": "quorum"}


@dataclass(frozen=True)
class Listening:
    """What to listen to: routing key patterns of `postroom.events`, and the durable queue's name, if any.

    `prefix`: what the names of queue and connection begin with.
    """

    patterns: Sequence[str]
    durable: str | None = None
    prefix: str = QUEUE_PREFIX


@contextmanager
def subscribe(url: str, client: str, listening: Listening) -> Iterator["Subscription"]:
    """A subscription that ends with the block; what was not acknowledged goes back.

    Raises:
        Transient: The broker is away.
        Misconfigured: It refused the client.
    """
    # No heartbeats: nobody keeps them while the caller's own code runs. `Subscription` asks instead.
    connection: Any = connect(url, name=f"{listening.prefix}.{client}", heartbeat_s=0)
    try:
        with translated("the client's queue"):
            subscription = Subscription(url, connection, client, listening)
        yield subscription
    finally:
        with suppress(Exception):
            connection.release()


class Subscription:
    """A queue bound to events. A durable one is shared, and has a quarantine `<queue>.dead`."""

    def __init__(self, url: str, connection: Any, client: str, listening: Listening) -> None:
        self._url = url
        self._connection = connection
        self._channel: Any = connection.channel()
        self._arrived: deque[Any] = deque()
        self._in_hand: Any = None
        self._durable = listening.durable is not None
        self.queue = f"{listening.prefix}.{listening.durable or f'{client}.{secrets.token_hex(8)}'}"
        self._declare(listening)
        self._channel.basic_qos(0, 1 if self._durable else PREFETCH, False)
        self._channel.basic_consume(self.queue, callback=self._arrived.append)

    def until(self, deadline: float) -> Iterator[Envelope[Message]]:
        """What arrives before the deadline (monotonic seconds)."""
        while (left_s := deadline - time.monotonic()) > 0:
            envelope = self.next(min(left_s, PING_S))
            if envelope is not None:
                yield envelope

    def next(self, timeout_s: float) -> Envelope[Message] | None:
        """The next message; the one before is acknowledged. None when there is none in time.

        Raises:
            Transient: The connection or the queue is lost.
        """
        with translated("the client's queue"):
            self._acknowledge()
            if not self._arrived and not self._drain(timeout_s):
                self._channel.queue_declare(self.queue, passive=True)
                return None
            self._in_hand = self._arrived.popleft()
        wire = _wire(self._in_hand)
        try:
            return decode(wire)
        except Undecodable as error:
            self._set_aside(wire, error)
            return None

    def _declare(self, listening: Listening) -> None:
        if self._durable:
            self._channel.queue_declare(
                f"{self.queue}.dead", durable=True, auto_delete=False, arguments=_QUORUM
            )
            self._channel.queue_declare(self.queue, durable=True, auto_delete=False, arguments=_QUORUM)
        else:
            self._channel.queue_declare(self.queue, exclusive=True, auto_delete=False)
        for pattern in listening.patterns:
            self._channel.queue_bind(self.queue, EVENTS, pattern)

    def _acknowledge(self) -> None:
        if self._in_hand is not None:
            self._channel.basic_ack(self._in_hand.delivery_info["delivery_tag"])
            self._in_hand = None

    def _drain(self, timeout_s: float) -> bool:
        """Wait for a message; whether one came."""
        deadline = time.monotonic() + timeout_s
        while not self._arrived:
            try:
                self._connection.drain_events(timeout=max(0.001, deadline - time.monotonic()))
            except TimeoutError:
                return bool(self._arrived)
        return True

    def _set_aside(self, wire: Wire, error: Undecodable) -> None:
        logger.error("a message is not understood", extra={"queue": self.queue, "error": str(error)})
        if self._durable:
            with Publisher(self._url, name=self.queue) as publisher:
                publisher.publish([Outgoing(wire, "", f"{self.queue}.dead")])


def _wire(message: Any) -> Wire:
    properties = message.properties
    body = message.body
    return Wire(
        str(properties.get("message_id") or ""),
        properties.get("application_headers") or {},
        body.encode() if isinstance(body, str) else bytes(body),
        str(properties.get("content_type") or ""),
        properties.get("correlation_id"),
    )
