"""Delivery tags of one channel, and how to acknowledge them in groups (pure)."""

from collections import deque
from collections.abc import Iterable


class Ledger:
    """What was delivered and what of it is done."""

    def __init__(self) -> None:
        self._delivered: deque[int] = deque()
        self._done: set[int] = set()
        self._closed: set[int] = set()

    def __len__(self) -> int:
        """How many are neither acknowledged nor given back."""
        return len(self._delivered) - len(self._closed)

    def took(self, tag: int) -> None:
        """A message came; tags grow."""
        self._delivered.append(tag)

    def done(self, tags: Iterable[int]) -> None:
        """These are to be acknowledged."""
        self._done.update(tags)

    def given_back(self, tags: Iterable[int]) -> None:
        """These went back to the broker: there is nothing to acknowledge any more."""
        self._closed.update(tags)

    def acknowledgements(self) -> list[tuple[int, bool]]:
        """Pairs of tag and `multiple` to send now: one for all at the front, one for each behind a gap."""
        last = 0
        while self._delivered and (self._delivered[0] in self._done or self._delivered[0] in self._closed):
            tag = self._delivered.popleft()
            self._closed.discard(tag)
            if tag in self._done:
                self._done.discard(tag)
                last = tag
        scattered = sorted(self._done)
        self._closed.update(scattered)
        self._done.clear()
        return [(last, True)] * bool(last) + [(tag, False) for tag in scattered]
