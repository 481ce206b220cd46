"""Watches all mailboxes: one selector for those at rest, a few threads for those with work.

Only the thread in `run` touches the table of watches; others leave word and wake it.

A server that stays silent or is slow holds a thread for as long as it is given time. So mailboxes that were
read at their last turn have threads of their own, and those in trouble (`Watch.trouble`) have others, a few
of them for each host: a provider that is away does not hold up the mailboxes of another one.
"""

import heapq
import logging
import selectors
import socket
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue

from postroom.account import Account
from postroom.stop import when_set
from postroom_fetcher.lease import Lease
from postroom_fetcher.watch import Rest, Watch

logger = logging.getLogger(__name__)

FETCH_THREADS = 8
"""How many mailboxes are read at the same time."""
TROUBLED_THREADS = 32
"""For those that could not be read at their last turn, and for new ones."""
TROUBLED_PER_HOST = 8
MEANINGLESS_ENTRIES = 1_000
LONGEST_WAIT_S = 1.0
LET_END_S = 5.0

Wanted = Mapping[str, tuple[Account, Lease]]
"""The mailboxes to watch, by account name."""


@dataclass
class _Place:
    """A watch, at rest or at work (`rest` is None); `again`: look once more after the work.

    One that waits for a thread is at work already.
    """

    watch: Watch
    rest: Rest | None = field(default_factory=lambda: Rest(time.monotonic()))
    again: bool = False


class _Infirmary:
    """Lets few mailboxes of each host have a thread at a time, in their order."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[str, _Place]]] = defaultdict(deque)
        self._busy: Counter[str] = Counter()

    def begin(self, host: str, name: str, place: _Place) -> bool:
        """Whether it may begin; else it waits."""
        if self._busy[host] < TROUBLED_PER_HOST:
            self._busy[host] += 1
            return True
        self._waiting[host].append((name, place))
        return False

    def end(self, host: str) -> tuple[str, _Place] | None:
        """One has ended; returns that which begins in its place."""
        if self._waiting[host]:
            return self._waiting[host].popleft()
        del self._waiting[host]
        self._busy[host] -= 1
        if not self._busy[host]:
            del self._busy[host]
        return None

    def clear(self) -> list[_Place]:
        """Let nobody begin any more; returns those that waited."""
        waiting = [place for line in self._waiting.values() for _name, place in line]
        self._waiting.clear()
        return waiting


class Lookout:
    """Turns watches when their mailbox has news or their time has come.

    `wanted` says which mailboxes to watch; `recheck` makes the lookout ask again. `watch` makes a watch.
    """

    def __init__(
        self,
        wanted: Callable[[], Wanted],
        watch: Callable[[Account, Lease], Watch],
        on_drop: Callable[[str], None] = lambda _account: None,
        *,
        threads: int = FETCH_THREADS,
    ) -> None:
        self._wanted = wanted
        self._watch = watch
        self._on_drop = on_drop
        self._threads = threads
        self._places: dict[str, _Place] = {}
        # When each is due; an entry whose rest is not the place's any more means nothing.
        self._due: list[tuple[float, int, str, Rest]] = []
        self._numbers = count()
        self._infirmary = _Infirmary()
        self._sick_hosts: set[str] = set()
        self._words: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._bell, self._ringer = socket.socketpair()
        self._ringer.setblocking(False)
        self._bell.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._ending = False
        self.last_beat = time.monotonic()

    @property
    def fault(self) -> str:
        """What keeps mail from being handed on; empty if nothing does."""
        return next((place.watch.fault for place in list(self._places.values()) if place.watch.fault), "")

    def recheck(self) -> None:
        """Accounts or leases have changed. Callable from any thread."""
        self._tell(self._reconcile)

    def look_now(self, account: str) -> None:
        """Look into a mailbox at once. Callable from any thread; one not watched here is nothing."""
        self._tell(lambda: self._hurry(account))

    def run(self, stop: threading.Event) -> None:
        """Watch until told to stop; then let the work in hand end and close all connections."""
        waker = when_set(stop, self._ring)
        with (
            ThreadPoolExecutor(self._threads, thread_name_prefix="mailbox") as self._pool,
            ThreadPoolExecutor(TROUBLED_THREADS, thread_name_prefix="troubled") as self._troubled,
        ):
            self._reconcile()
            while not stop.is_set():
                self._start_due()
                self._wait()
                self.last_beat = time.monotonic()
            self._end_work()
        self._hear()
        for place in self._places.values():
            self._unregister(place)
            place.watch.close()
        self._places.clear()
        waker.join()
        self._selector.close()
        self._bell.close()
        self._ringer.close()

    # Other threads

    def _tell(self, word: Callable[[], None]) -> None:
        self._words.put(word)
        self._ring()

    def _ring(self) -> None:
        # A full pipe will wake the thread just as well; a closed one has nobody left to wake.
        with suppress(BlockingIOError, OSError):
            self._ringer.send(b"!")

    # The thread in `run`

    def _end_work(self) -> None:
        """Let the turns under way end; those that a silent server holds up are cut short."""
        self._ending = True
        deadline = time.monotonic() + LET_END_S
        for place in self._infirmary.clear():
            place.rest = Rest(0.0)
        for place in self._places.values():
            place.watch.retire()
        while self._busy() and time.monotonic() < deadline:
            self._wait()
        for place in self._busy():
            place.watch.interrupt()

    def _busy(self) -> list[_Place]:
        return [place for place in self._places.values() if place.rest is None]

    def _wait(self) -> None:
        wait_s = LONGEST_WAIT_S
        if self._due and not self._ending:
            wait_s = max(0.0, min(wait_s, self._due[0][0] - time.monotonic()))
        for key, _events in self._selector.select(wait_s):
            if key.fileobj is self._bell:
                with suppress(BlockingIOError):
                    while self._bell.recv(4096):
                        pass
            else:
                self._hurry(key.data)
        self._hear()

    def _hear(self) -> None:
        with suppress(Empty):
            while True:
                self._words.get_nowait()()

    def _hurry(self, account: str) -> None:
        place = self._places.get(account)
        if place is None:
            return
        if place.rest is None:
            place.again = True
        else:
            self._unregister(place)
            self._rest(account, place, Rest(0.0))

    def _rest(self, name: str, place: _Place, rest: Rest) -> None:
        place.rest = rest
        heapq.heappush(self._due, (rest.until, next(self._numbers), name, rest))
        if len(self._due) > 2 * len(self._places) + MEANINGLESS_ENTRIES:
            self._due = [each for each in self._due if self._is_current(each[2], each[3])]
            heapq.heapify(self._due)

    def _is_current(self, name: str, rest: Rest) -> bool:
        return name in self._places and self._places[name].rest is rest

    def _start_due(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _until, _number, name, rest = heapq.heappop(self._due)
            if self._is_current(name, rest):
                self._start(name, self._places[name])

    def _start(self, name: str, place: _Place) -> None:
        self._unregister(place)
        place.rest = None
        host = place.watch.host
        if not place.watch.trouble and host not in self._sick_hosts:
            self._pool.submit(self._work, name, place)
        elif self._infirmary.begin(host, name, place):
            self._troubled.submit(self._work_troubled, name, place)

    def _work(self, name: str, place: _Place) -> None:
        """One turn, in a thread of a pool."""
        rest = place.watch.turn()
        self._tell(lambda: self._at_rest(name, place, rest))

    def _work_troubled(self, name: str, place: _Place) -> None:
        host = place.watch.host
        self._work(name, place)
        self._tell(lambda: self._next_troubled(host))

    def _next_troubled(self, host: str) -> None:
        following = self._infirmary.end(host)
        if following is not None:
            self._troubled.submit(self._work_troubled, *following)

    def _at_rest(self, name: str, place: _Place, rest: Rest) -> None:
        self._sick_hosts.discard(place.watch.host)
        if place.watch.trouble == "host":
            self._sick_hosts.add(place.watch.host)
        again, place.again = place.again, False
        self._rest(name, place, Rest(0.0) if again else rest)
        if not again and rest.fileno is not None:
            self._selector.register(rest.fileno, selectors.EVENT_READ, name)
        if place.watch.retired:
            self._reconcile()

    def _reconcile(self) -> None:
        """Watch what is wanted. One whose account or lease changed begins anew, once its work has ended."""
        if self._ending:
            return
        wanted = self._wanted()
        for name, place in list(self._places.items()):
            if (place.watch.account, place.watch.lease) == wanted.get(name):
                continue
            place.watch.retire()
            if place.rest is not None:
                self._unregister(place)
                place.watch.close()
                del self._places[name]
                self._on_drop(name)
        for name, (account, lease) in wanted.items():
            if name not in self._places:
                place = self._places[name] = _Place(self._watch(account, lease))
                self._rest(name, place, Rest(time.monotonic()))

    def _unregister(self, place: _Place) -> None:
        if place.rest is not None and place.rest.fileno is not None:
            self._selector.unregister(place.rest.fileno)
