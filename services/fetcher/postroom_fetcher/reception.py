"""Consumes the command queues of the shards held: one consumer for each, as leases come and go."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from postroom.service import Loop
from postroom.stop import when_set
from postroom_fetcher.lease import Lease

logger = logging.getLogger(__name__)

BEAT_S = 1.0


class Closable(Protocol):
    """Something with connections."""

    def close(self) -> None:
        """End them."""


@dataclass
class _Reception:
    """A consumer in its thread."""

    lease: Lease
    loop: Loop
    handler: Closable
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        name = f"commands-{self.lease.shard}"
        self.thread = threading.Thread(target=self.loop.run, args=(self.stop,), name=name, daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.thread.join()
        self.handler.close()


Receive = Callable[[Lease], tuple[Loop, Closable]]
"""Makes the consumer of the commands of a shard that is held, and what it hands them to."""


class Receptions:
    """Runs a consumer for each shard held."""

    def __init__(self, held: Callable[[], Mapping[int, Lease]], receive: Receive) -> None:
        self._held = held
        self._receive = receive
        self._running: dict[int, _Reception] = {}
        self._changed = threading.Event()
        self._own_beat = time.monotonic()

    @property
    def last_beat(self) -> float:
        """The beat of the slowest consumer, or our own."""
        return min([self._own_beat, *(each.loop.last_beat for each in list(self._running.values()))])

    @property
    def fault(self) -> str:
        """Why commands cannot be taken at the moment; empty if they can."""
        return next((each.loop.fault for each in list(self._running.values()) if each.loop.fault), "")

    def recheck(self) -> None:
        """Leases have changed. Callable from any thread."""
        self._changed.set()

    def run(self, stop: threading.Event) -> None:
        """Consume until told to stop; then let all consumers drain."""
        waker = when_set(stop, self._changed.set)
        while not stop.is_set():
            self._changed.clear()
            self._reconcile()
            self._own_beat = time.monotonic()
            if not stop.is_set():
                self._changed.wait(BEAT_S)
        self._end(list(self._running))
        waker.join()

    def _reconcile(self) -> None:
        held = self._held()
        self._end([shard for shard, each in self._running.items() if held.get(shard) != each.lease])
        for shard, each in self._running.items():
            if not each.thread.is_alive():
                raise RuntimeError(f"the consumer of shard {shard}'s commands ended by itself")
        for shard, lease in held.items():
            if shard not in self._running:
                self._running[shard] = _Reception(lease, *self._receive(lease))

    def _end(self, shards: list[int]) -> None:
        for shard in shards:
            self._running[shard].stop.set()
        for shard in shards:
            self._running.pop(shard).end()
