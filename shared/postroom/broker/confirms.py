"""A channel in confirm mode: sequence numbers, returns and confirms, on either broker."""

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from amqp import exceptions as amqp_errors

from postroom.amount import amount
from postroom.envelope import Wire
from postroom.errors import Transient

logger = logging.getLogger(__name__)

PERSISTENT = 2
WAIT_S = 1.0

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What became of a message: the reason why it was returned or refused, both empty if all is well."""

    item: T
    returned: str
    refused: str


class ConfirmedChannel(Generic[T]):
    """Sends messages and keeps account of their confirms. Callbacks only write down; nothing recurses."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._channel = connection.channel()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)
        self._channel.confirm_select()
        self._sent = 0
        self._pending: OrderedDict[int, tuple[T, tuple[str, str, str]]] = OrderedDict()
        self._returned: dict[tuple[str, str, str], str] = {}
        self._outcomes: list[Outcome[T]] = []
        self._blocked = ""
        self._watch_blocking(connection.connection)

    def wait_unblocked(self, deadline: float) -> None:
        """Wait while the broker holds publishers back.

        Raises:
            Transient: It did so until the deadline (monotonic).
        """
        while self._blocked:
            self._wait(deadline)

    def send(self, item: T, wire: Wire, exchange: str, routing_key: str) -> None:
        """Publish one message, persistent and mandatory."""
        self._sent += 1
        self._pending[self._sent] = (item, (wire.message_id, exchange, routing_key))
        message = self._channel.prepare_message(
            wire.body,
            content_type=wire.content_type,
            headers=dict(wire.headers),
            properties={
                "delivery_mode": PERSISTENT,
                "message_id": wire.message_id,
                "correlation_id": wire.correlation_id,
            },
        )
        self._channel.basic_publish(message, exchange=exchange, routing_key=routing_key, mandatory=True)

    def withdraw(self) -> None:
        """The last `send` failed before anything was written: its number was not used."""
        self._pending.pop(self._sent, None)
        self._sent -= 1

    def drain_to(self, count: int, deadline: float) -> None:
        """Wait until at most `count` messages are unconfirmed.

        Raises:
            Transient: The deadline (monotonic) passed.
        """
        while len(self._pending) > count:
            self._wait(deadline)

    def outcomes(self) -> list[Outcome[T]]:
        """What became of the messages that were confirmed since the last call."""
        outcomes, self._outcomes = self._outcomes, []
        self._returned.clear()
        return outcomes

    def abandon(self) -> list[T]:
        """Give up waiting; returns what is unconfirmed, in order."""
        items = [item for item, _ in self._pending.values()]
        self._pending.clear()
        return items

    def _wait(self, deadline: float) -> None:
        rest_s = deadline - time.monotonic()
        if rest_s <= 0:
            what = f"it holds publishers back: {self._blocked}" if self._blocked else "no answer"
            raise Transient(
                f"the broker has not confirmed {amount(len(self._pending), 'message')} in time ({what})"
            )
        try:
            self._connection.drain_events(timeout=min(WAIT_S, rest_s))
        except TimeoutError:
            return

    def _watch_blocking(self, raw: Any) -> None:
        raw.on_blocked = self._on_blocked
        raw.on_unblocked = self._on_unblocked

    def _on_blocked(self, reason: str) -> None:
        self._blocked = reason or "blocked"
        logger.warning("the broker holds publishers back", extra={"reason": reason})

    def _on_unblocked(self) -> None:
        self._blocked = ""
        logger.warning("the broker lets publishers go on")

    def _on_return(self, error: amqp_errors.AMQPError, exchange: str, routing_key: str, message: Any) -> None:
        key = (message.properties.get("message_id", ""), exchange, routing_key)
        self._returned[key] = f"it reached no queue ({error.reply_text})"

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._confirm(tag, multiple, "")

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self._confirm(tag, multiple, "the broker refused it (nack); is its queue full?")

    def _confirm(self, tag: int, multiple: bool, refused: str) -> None:
        for number in self._numbers(tag, multiple):
            entry = self._pending.pop(number, None)
            if entry is not None:
                item, key = entry
                self._outcomes.append(Outcome(item, self._returned.get(key, ""), refused))

    def _numbers(self, tag: int, multiple: bool) -> list[int]:
        if not multiple:
            return [tag]
        numbers = []
        for number in self._pending:
            if number > tag:
                break
            numbers.append(number)
        return numbers
