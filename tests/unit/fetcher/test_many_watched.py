"""What many mailboxes at rest cost: no thread each, and no look at any of them before there is news."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from postroom.account import Account
from postroom_fetcher import watch
from postroom_fetcher.berth import FREE
from postroom_fetcher.lease import Lease
from postroom_fetcher.lookout import FETCH_THREADS, TROUBLED_THREADS, Lookout, Wanted
from postroom_fetcher.session import Session
from postroom_fetcher.turn import Looked
from postroom_fetcher.watch import Watch
from tests.waiting import wait_until

MANY = 400
ROUNDS = 2
MOST_WAKE_UPS = 10.0
"""In a second. The selector turns once in a second; any polling that is of use is more often."""
LEASE = Lease(0, "me", 1)


class Mailbox:
    """A server's side of one mailbox, which pushes, and a session's side of it."""

    permit = FREE

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair()

    def has(self, capability: str) -> bool:
        return capability == "IDLE"

    def idle(self) -> bool:
        return False

    def end_idle(self) -> None:
        self._ours.recv(100)

    def is_stale(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._ours.fileno()

    def interrupt(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        self._ours.close()
        self.theirs.close()


class Street:
    """So many mailboxes, watched. `looks` counts the looks into each."""

    def __init__(self, count: int) -> None:
        self.boxes = {f"box-{number}": Mailbox() for number in range(count)}
        self.looks: Counter[str] = Counter()
        intake = SimpleNamespace(look=self._look)
        board = SimpleNamespace(known=lambda _account: None, report=lambda *_report: None)
        self._tools = watch.Tools(
            lambda account: cast(Session, self.boxes[account.name]),
            cast(Any, intake),
            cast(Any, board),
            lose=lambda _lease: None,
        )
        self.lookout = Lookout(self._wanted, lambda account, lease: Watch(account, lease, self._tools))

    def _look(self, _session: Session, visit: Any) -> Looked:
        self.looks[visit.account.name] += 1
        return Looked(more=False)

    def _wanted(self) -> Wanted:
        return {name: (_account(name), LEASE) for name in self.boxes}


def _account(name: str) -> Account:
    server = {"host": "imap.example.org", "user": name, "password": "env:NONE", "watch_sent": False}
    return Account.model_validate(
        {"name": name, "address": f"{name}@example.org", "imap": {**server, "interval": "1h"}}
    )


@contextmanager
def _watched(count: int) -> Iterator[Street]:
    street, stop = Street(count), threading.Event()
    thread = threading.Thread(target=street.lookout.run, args=(stop,), daemon=True)
    thread.start()
    try:
        wait_until(lambda: _at_rest(street), 30, f"{count} mailboxes to rest")
        yield street
    finally:
        stop.set()
        thread.join(30)


def _at_rest(street: Street) -> bool:
    places = street.lookout._places.values()
    return len(places) == len(street.boxes) and all(
        place.rest is not None and place.rest.fileno is not None for place in places
    )


def _switches(tasks: set[Path]) -> int:
    """How often these threads have woken up from waiting so far."""
    text = "".join((task / "status").read_text() for task in tasks)
    lines = [line.split() for line in text.splitlines()]
    return sum(int(line[1]) for line in lines if line[:1] == ["voluntary_ctxt_switches:"])


def _tasks() -> set[Path]:
    return set(Path("/proc/self/task").iterdir())


def _cost(count: int) -> tuple[int, float]:
    """Threads, and how often they wake up in a second, with so many mailboxes at rest."""
    before = _tasks()
    with _watched(count) as street:
        ours = _tasks() - before
        woken, began = _switches(ours), time.monotonic()
        for _ in range(ROUNDS):
            beat = street.lookout.last_beat
            wait_until(lambda beat=beat: street.lookout.last_beat > beat, 30, "the selector")  # type: ignore[misc]
        rate = (_switches(ours) - woken) / (time.monotonic() - began)
        assert set(street.looks.values()) == {1}, "nobody looks into a mailbox without news"
    return len(ours), rate


def test_mailboxes_at_rest_have_no_threads_and_wake_nobody() -> None:
    threads, many_wake_ups = _cost(MANY)
    # The selector, and the pools that look into mailboxes: they grow as work comes.
    assert threads <= 1 + FETCH_THREADS + TROUBLED_THREADS < MANY / 4
    assert many_wake_ups <= MOST_WAKE_UPS


def test_news_wakes_only_the_mailbox_that_it_is_for() -> None:
    with _watched(MANY) as street:
        street.boxes["box-7"].theirs.send(b"* 1 EXISTS\r\n")
        wait_until(lambda: street.looks["box-7"] == 2, 10, "a look into the mailbox")
        wait_until(lambda: _at_rest(street), 10, "all mailboxes to rest")
        assert street.looks.total() == MANY + 1
