"""Consuming: one thread owns the connection, workers handle batches."""

import threading
from collections.abc import Sequence

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


class Consumer:
    """Takes messages from queues, hands them to a handler in batches and carries out its verdicts."""

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
        raise NotImplementedError

    @property
    def connected(self) -> bool:
        """Whether the broker is reachable at the moment."""
        raise NotImplementedError

    @property
    def last_beat(self) -> float:
        """Monotonic time of the connection thread's last turn."""
        raise NotImplementedError

    def run(self, stop: threading.Event) -> None:
        """Consume until `stop` is set, then drain and return; raises nothing, reconnects by itself."""
        raise NotImplementedError
