"""Publishing with pipelined confirms: one call publishes many messages and returns when all are confirmed.

RabbitMQ acknowledges an unroutable message like any other (after returning it), so every publish is mandatory
and a returned message is remembered until its confirm comes.
"""

import logging
import random
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from amqp import exceptions as amqp_errors

from postroom.amount import amount
from postroom.broker.confirms import ConfirmedChannel, Outcome
from postroom.broker.connection import back_off, connect, release, translate
from postroom.broker.outgoing import Outgoing, outgoing
from postroom.errors import Misconfigured, Transient

__all__ = ["Outgoing", "PublishFailed", "PublishResult", "Publisher", "outgoing"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PublishResult:
    """`unheard`: how many messages with `must_route=False` reached no queue."""

    unheard: int


class PublishFailed(Transient):
    """Some messages were refused or reached no queue; all others are confirmed."""

    def __init__(self, failed: tuple[tuple[Outgoing, str], ...]) -> None:
        first, reason = failed[0]
        super().__init__(
            f"{amount(len(failed), 'message was', 'messages were')} not taken by the broker; "
            f"the first, to exchange {first.exchange!r} with routing key {first.routing_key!r}: {reason}"
        )
        self.failed = failed


class Publisher:
    """Publishes over one connection of its own; usable from several threads.

    Connects at the first publish, and again by itself. There are no heartbeats, since nobody is there between
    two calls to keep them: a dead connection is noticed by the next call and replaced.

    Args:
        url: See `postroom.broker.connection`.
        name: What the broker's operator sees.
        window: How many messages may be unconfirmed at a time.
        timeout_s: How long one call may take, with all its reconnects.
    """

    def __init__(self, url: str, *, name: str, window: int = 200, timeout_s: float = 30.0) -> None:
        self._url = url
        self._name = name
        self._window = window
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._connection: Any = None
        self._channel: ConfirmedChannel[Outgoing] | None = None
        self._stop = threading.Event()

    def publish(self, messages: Sequence[Outgoing]) -> PublishResult:
        """Publish all, persistent and mandatory, and return when every one is confirmed.

        Raises:
            PublishFailed: Some were refused or reached no queue; all others are confirmed.
            Transient: The broker was not there, or held us back, until the time was over.
            Misconfigured: It refused our log-in all that time.
        """
        with self._lock:
            call = _Call(list(messages), time.monotonic() + self._timeout_s, self._window)
            attempt = 0
            while call.todo:
                try:
                    call.run(self._open())
                except Exception as error:
                    attempt += 1
                    self._drop()
                    self._wait_after(error, attempt, call)
        return call.result()

    def close(self) -> None:
        """Close the connection; a call that is under way gives up at its next reconnect."""
        self._stop.set()
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _open(self) -> ConfirmedChannel[Outgoing]:
        if self._channel is None:
            self._connection = connect(self._url, name=self._name, heartbeat_s=0)
            self._channel = ConfirmedChannel(self._connection)
        return self._channel

    def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            release(connection)

    def _wait_after(self, error: Exception, attempt: int, call: "_Call") -> None:
        """Note what went wrong and wait before the next try.

        Raises:
            Transient, Misconfigured: The time is over.
        """
        if isinstance(error, amqp_errors.ChannelError):
            call.refused(str(error))
            return
        ours = translate(error, "publishing")
        delay_s = back_off(attempt, random.random())  # noqa: S311 - jitter
        level = logging.ERROR if isinstance(ours, Misconfigured) else logging.WARNING
        logger.log(
            level,
            "publishing was interrupted, it goes on over a new connection: %s",
            ours,
            extra={"connection": self._name, "unconfirmed": len(call.todo), "attempt": attempt},
        )
        if time.monotonic() + delay_s >= call.deadline or self._stop.wait(delay_s):
            raise ours from error


class _Call:
    """One call of `publish`: what is not confirmed yet, and what became of the rest."""

    def __init__(self, todo: list[Outgoing], deadline: float, window: int) -> None:
        self.todo = todo
        self.deadline = deadline
        self._window = window
        self._unheard = 0
        self._failed: list[tuple[Outgoing, str]] = []

    def run(self, channel: ConfirmedChannel[Outgoing]) -> None:
        """Publish what is to do; what is unconfirmed after an error is still to do."""
        waiting, self.todo = deque(self.todo), []
        try:
            while waiting:
                channel.wait_unblocked(self.deadline)
                self._send(channel, waiting.popleft())
                channel.drain_to(self._window - 1, self.deadline)
            channel.drain_to(0, self.deadline)
        finally:
            self._note(channel.outcomes())
            self.todo = [*channel.abandon(), *waiting]

    def refused(self, reason: str) -> None:
        """The broker closed the channel because of one message: find out which."""
        if self._window == 1 and self.todo:
            self._failed.append((self.todo.pop(0), reason))
        self._window = 1

    def result(self) -> PublishResult:
        """What the call returns.

        Raises:
            PublishFailed: Some were not taken.
        """
        if self._failed:
            raise PublishFailed(tuple(self._failed))
        return PublishResult(self._unheard)

    def _send(self, channel: ConfirmedChannel[Outgoing], message: Outgoing) -> None:
        try:
            channel.send(message, message.wire, message.exchange, message.routing_key)
        except (TypeError, ValueError, struct.error, amqp_errors.FrameSyntaxError) as error:
            # It cannot be written as AMQP at all; nothing of it went out.
            channel.withdraw()
            self._failed.append((message, f"{type(error).__name__}: {error}"))

    def _note(self, outcomes: list[Outcome[Outgoing]]) -> None:
        for outcome in outcomes:
            if outcome.refused or (outcome.returned and outcome.item.must_route):
                self._failed.append((outcome.item, outcome.refused or outcome.returned))
            elif outcome.returned:
                self._unheard += 1
