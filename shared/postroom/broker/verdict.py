"""What a handler gets and what it answers (pure)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from postroom.envelope import Envelope, Wire


@dataclass(frozen=True)
class Delivery:
    """One message for a handler.

    `attempt` is 1 for the first try and grows with each `RetryIn`. `redelivered` says that the broker gave
    the message out before and never heard of it again.
    """

    queue: str
    envelope: Envelope[Any]
    wire: Wire
    redelivered: bool
    attempt: int


@dataclass(frozen=True)
class Ack:
    """Done; the broker may forget the message."""


@dataclass(frozen=True)
class RetryIn:
    """Not now: again after `delay_s` seconds, rounded down to a delay queue that exists.

    Who wants the rest waited for too asks `failure.left_s`. `counts`: whether this was an attempt.
    """

    delay_s: float
    reason: str = ""
    counts: bool = True


@dataclass(frozen=True)
class DeadLetter:
    """Never: to the quarantine of its queue, with the reason."""

    reason: str


Verdict = Ack | RetryIn | DeadLetter
Handler = Callable[[Sequence[Delivery]], Sequence[Verdict]]


class Attempts(Protocol):
    """Counts, in the service's store, how often a redelivered message was begun.

    `begin` is durable before it returns: a message that kills its worker is counted all the same.
    """

    def begin(self, message_id: str, queue: str) -> int:
        """Count one more attempt and return the count (1 for the first)."""

    def end(self, message_id: str, queue: str) -> None:
        """The attempt ended without killing its worker: forget the count."""

    def buried(self, message_ids: Sequence[str], queue: str) -> None:
        """These messages are in the queue's quarantine now: remember since when."""


class Observer(Protocol):
    """What metrics hear of a consumer; called from its threads, must not block."""

    def taken(self, queue: str, count: int) -> None:
        """Messages came from the broker."""

    def settled(self, queue: str, verdict: str, count: int, seconds: float) -> None:
        """Messages got their verdict (`ack`, `retry`, `dead`), seconds after the handler got them."""

    def reconnected(self) -> None:
        """The connection was lost and is there again."""

    def undecodable(self, queue: str) -> None:
        """A message did not follow the contract and went to quarantine."""
