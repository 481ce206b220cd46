"""Watches all mailboxes: one selector for those at rest, a few threads for those with work.

Only the thread in `run` touches the table of watches; others leave word and wake it.
"""

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from postroom.account import Account
from postroom_fetcher.lease import Lease
from postroom_fetcher.watch import Rest, Watch

logger = logging.getLogger(__name__)

FETCH_THREADS = 8
"""How many mailboxes are read at the same time."""
LONGEST_WAIT_S = 1.0
LET_END_S = 5.0

Wanted = Mapping[str, tuple[Account, Lease]]
"""The mailboxes to watch, by account name."""


@dataclass
class _Place:
    """A watch, at rest or at work (`rest` is None); `again`: look once more after the work."""

    watch: Watch
    rest: Rest | None = field(default_factory=lambda: Rest(time.monotonic()))
    again: bool = False


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
        waker = threading.Thread(target=self._ring_after, args=(stop,), daemon=True)
        waker.start()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="mailbox") as pool:
            self._reconcile()
            while not stop.is_set():
                self._start_due(pool)
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

    def _ring_after(self, stop: threading.Event) -> None:
        stop.wait()
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
        for place in self._places.values():
            place.watch.retire()
        while self._busy() and time.monotonic() < deadline:
            self._wait()
        for place in self._busy():
            place.watch.interrupt()

    def _busy(self) -> list[_Place]:
        return [place for place in self._places.values() if place.rest is None]

    def _wait(self) -> None:
        due = [place.rest.until for place in self._places.values() if place.rest and not self._ending]
        wait_s = max(0.0, min([LONGEST_WAIT_S, *(moment - time.monotonic() for moment in due)]))
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
            place.rest = Rest(0.0)

    def _start_due(self, pool: ThreadPoolExecutor) -> None:
        now = time.monotonic()
        for name, place in self._places.items():
            if place.rest is not None and place.rest.until <= now:
                self._unregister(place)
                place.rest = None
                pool.submit(self._work, name, place)

    def _work(self, name: str, place: _Place) -> None:
        """One turn, in a thread of the pool."""
        rest = place.watch.turn()
        self._tell(lambda: self._at_rest(name, place, rest))

    def _at_rest(self, name: str, place: _Place, rest: Rest) -> None:
        place.rest, place.again = (Rest(0.0), False) if place.again else (rest, False)
        if place.rest.fileno is not None:
            self._selector.register(place.rest.fileno, selectors.EVENT_READ, name)
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
                self._places[name] = _Place(self._watch(account, lease))

    def _unregister(self, place: _Place) -> None:
        if place.rest is not None and place.rest.fileno is not None:
            self._selector.unregister(place.rest.fileno)
