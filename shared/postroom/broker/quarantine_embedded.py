"""Looking into the quarantines of the embedded broker: its file is read, nothing is leased."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from postroom.broker.embedded import raw_message
from postroom.broker.embedded_queue import BrokerFile, NoQueue
from postroom.broker.looking import Found, Look
from postroom.broker.reception import receive
from postroom.topology import dead_queue

PAGE = 200


class EmbeddedQuarantine:
    """The quarantines in a broker's file."""

    def __init__(self, file: BrokerFile) -> None:
        self._file = file

    def count(self, queue: str) -> int | None:
        """How many letters; None: there is no such quarantine."""
        try:
            return self._file.size(dead_queue(queue))
        except NoQueue:
            return None

    @contextmanager
    def looking(self, queue: str) -> Iterator[Look]:
        """Look; others may look and work at the same time."""
        yield EmbeddedLook(self._file, queue)


class EmbeddedLook:
    """See `postroom.broker.looking.Look`."""

    def __init__(self, file: BrokerFile, queue: str) -> None:
        self._file = file
        self._queue = queue
        self._count = file.size(dead_queue(queue))

    def __iter__(self) -> Iterator[Found]:
        """The letters, a page of them in memory at a time."""
        after, left = 0, self._count
        while left > 0:
            page = self._file.peek(dead_queue(self._queue), after, min(left, PAGE))
            if not page:
                return
            after, left = page[-1].id, left - len(page)
            for each in page:
                wire = receive(raw_message(each, each.id), self._queue).wire
                yield Found(each.id, self._queue, wire)

    def remove(self, found: Sequence[Found]) -> None:
        """Delete them."""
        queue = self._file.queue_id(dead_queue(self._queue))
        self._file.take_out([(queue, each.tag) for each in found])
