"""Which waiting messages are handled together (pure)."""

from collections import deque
from dataclasses import dataclass

from postroom.broker.reception import Taken


@dataclass(frozen=True)
class Batch:
    """Messages for one call of the handler. `generation` is the connection that they came over."""

    messages: tuple[Taken, ...]
    generation: int


class Waiting:
    """Messages that no worker has yet, in the order in which they came.

    Redelivered ones are handled one at a time: what killed a worker once may do so again, and its neighbours
    must not be counted for it.
    """

    def __init__(self, batch_size: int, batch_wait_s: float) -> None:
        self._batch_size = batch_size
        self._batch_wait_s = batch_wait_s
        self._messages: deque[tuple[Taken, float]] = deque()

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Taken, now: float) -> None:
        """A message came at `now` (monotonic)."""
        self._messages.append((message, now))

    def clear(self) -> None:
        """Forget all: their connection is gone, or they are handed back."""
        self._messages.clear()

    def due_in(self, now: float) -> float | None:
        """Seconds until `take` gives a batch; None if there is nothing to wait for."""
        if not self._messages:
            return None
        if self._is_closed():
            return 0.0
        return max(0.0, self._messages[0][1] + self._batch_wait_s - now)

    def take(self, now: float) -> tuple[Taken, ...]:
        """The next batch: full, or waited long enough, or followed by a redelivered message; else empty."""
        if self.due_in(now) != 0.0:
            return ()
        return tuple(self._messages.popleft()[0] for _ in range(self._run_length()))

    def _is_closed(self) -> bool:
        """Whether waiting would not make the next batch larger."""
        length = self._run_length()
        return length >= self._batch_size or length < len(self._messages) or self._messages[0][0].redelivered

    def _run_length(self) -> int:
        if self._messages[0][0].redelivered:
            return 1
        length = 0
        for message, _ in self._messages:
            if message.redelivered or length == self._batch_size:
                break
            length += 1
        return length
