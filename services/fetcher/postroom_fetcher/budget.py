"""The bytes of mail that may be in memory at once in this process, shared by all mailboxes."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Reserved(Protocol):
    """Bytes set aside; given back once."""

    def release(self) -> None:
        """Give them back; a second time nothing happens."""


class Budget:
    """Gives out bytes in the order of asking. Threads share it.

    Who asks for more than there is at all waits until nothing is given out, and then passes alone.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._turn = threading.Condition()
        self._waiting: deque[object] = deque()

    @property
    def used_bytes(self) -> int:
        """How much is given out."""
        return self._used_bytes

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def reserve(self, size_bytes: int) -> Reserved:
        """Wait for so many bytes. Whoever has some must be able to give them back without asking for more."""
        ticket = object()
        with self._turn:
            self._waiting.append(ticket)
            self._turn.wait_for(lambda: self._waiting[0] is ticket and self._fits(size_bytes))
            self._waiting.popleft()
            self._used_bytes += size_bytes
            # The next one may fit as well.
            self._turn.notify_all()
        return _Reserved(self, size_bytes)

    def _fits(self, size_bytes: int) -> bool:
        return not self._used_bytes or self._used_bytes + size_bytes <= self._limit_bytes

    def give_back(self, size_bytes: int) -> None:
        """Take bytes back; for `Reserved` alone."""
        with self._turn:
            self._used_bytes -= size_bytes
            self._turn.notify_all()


class _Reserved:
    def __init__(self, budget: Budget, size_bytes: int) -> None:
        self._budget = budget
        self._size_bytes = size_bytes

    def release(self) -> None:
        size_bytes, self._size_bytes = self._size_bytes, 0
        if size_bytes:
            self._budget.give_back(size_bytes)


@contextmanager
def kept_on_success(reserved: Reserved) -> Iterator[None]:
    """Give the bytes back if the block fails; else whoever got them does so."""
    try:
        yield
    except BaseException:
        reserved.release()
        raise
