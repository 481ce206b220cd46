"""Who may have a connection to a mail server now: so many for an account, so many for a host.

What is at rest with its connection open (a mailbox in IDLE, a desk between two commands) gives it up when
somebody else waits. So mailboxes take turns where a host allows fewer connections than it has mailboxes: each
is polled at its interval, and those that nobody waits for are watched by IDLE.

Nobody starves: the line is in order of arrival, commands having a head start, and each of the two kinds has a
connection that the other cannot take, wherever there are two. Nothing can lock up: what a connection needs is
taken at once or not at all.
"""

import math
import threading
import time
from bisect import insort
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Literal, Protocol

from postroom import metrics
from postroom.account import Account
from postroom.errors import PostroomError
from postroom_fetcher.fault import Unavailable

COMMAND_HEAD_START_S = 5.0
"""A command goes before a mailbox that has waited for less than this longer."""
COMMAND_WAIT_S = 30.0

Kind = Literal["watch", "command"]
LetGo = Callable[[], None]


class Permit(Protocol):
    """Allows one connection."""

    def keep(self, let_go: LetGo) -> bool:
        """Whether the connection may stay open while nothing is done on it.

        `let_go` is called, in any thread, when somebody else waits; then it should be given back soon.
        """

    def use(self) -> None:
        """Something is done on the connection again, so that it cannot be let go."""

    def give_back(self) -> None:
        """The connection is closed. May be called again."""


class InLine(PostroomError):
    """There is no room for a connection now. Who wanted it is called when there is."""


class Berths:
    """Counts connections and gives out permits. Threads share it.

    Args:
        per_host: How many connections one host gets from this process; 0: as many as there are.
    """

    def __init__(self, per_host: int = 0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_host = per_host or math.inf
        self._monotonic = monotonic
        self._changed = threading.Condition(threading.RLock())
        self._open: Counter[tuple[str, str]] = Counter()
        self._kept: dict[str, dict[_Permit, LetGo]] = {}
        self._lines: dict[str, list[_Waiter]] = {}
        self._numbers = count()

    def wait(self, account: Account, wait_s: float = COMMAND_WAIT_S) -> Permit:
        """A permit for commands, as soon as there is one.

        Raises:
            Unavailable: Not in time (`connection_limit`).
        """
        waiter = self._waiter(account, "command", self._notify)
        deadline = self._monotonic() + wait_s
        self._stand_in_line(waiter)
        with self._changed:
            while waiter.granted is None:
                left_s = deadline - self._monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    break
            self._leave_line(waiter)
            if waiter.granted is not None:
                return waiter.granted
        raise Unavailable(
            "connection_limit",
            f"no connection to {waiter.host} was free within {wait_s:g} s: imap.max_connections or the "
            "fetcher's POSTROOM_IMAP_CONNECTIONS_PER_HOST is reached",
        )

    def take(self, account: Account, wake: Callable[[], None]) -> Permit:
        """A permit for watching a mailbox.

        Raises:
            InLine: There is none now; `wake` is called when one is kept ready, for the next call.
        """
        with self._changed:
            waiter = self._watcher(account)
        if waiter is None:
            waiter = self._waiter(account, "watch", wake)
            self._stand_in_line(waiter)
        with self._changed:
            if waiter.granted is None:
                waiter.asleep = True
                raise InLine(f"{account.name} waits for a connection to {waiter.host}")
            self._leave_line(waiter)
            return waiter.granted

    def forget(self, account: Account) -> None:
        """The mailbox is not watched any more, so that it does not wait either."""
        with self._changed:
            waiter = self._watcher(account)
            if waiter is None:
                return
            self._leave_line(waiter)
        if waiter.granted is not None:
            waiter.granted.give_back()

    def waiting(self) -> int:
        """How many wait."""
        with self._changed:
            return sum(each.granted is None for line in self._lines.values() for each in line)

    def _watcher(self, account: Account) -> "_Waiter | None":
        assert account.imap is not None
        line = self._lines.get(account.imap.host.lower(), ())
        return next((each for each in line if each.kind == "watch" and each.account == account.name), None)

    def _waiter(self, account: Account, kind: Kind, wake: Callable[[], None]) -> "_Waiter":
        assert account.imap is not None
        since = self._monotonic() - (COMMAND_HEAD_START_S if kind == "command" else 0.0)
        place = since, next(self._numbers)
        return _Waiter(
            place, account.imap.host.lower(), account.name, kind, account.imap.max_connections, wake
        )

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _stand_in_line(self, waiter: "_Waiter") -> None:
        with self._changed:
            insort(self._lines.setdefault(waiter.host, []), waiter)
            metrics.imap_waiting.inc()
            calls = self._serve(waiter.host)
            if waiter.granted is None:
                calls += self._ask_back(waiter)
        for call in calls:
            call()

    def _leave_line(self, waiter: "_Waiter") -> None:
        line = self._lines[waiter.host]
        line.remove(waiter)
        metrics.imap_waiting.dec()
        if not line:
            del self._lines[waiter.host]

    def _serve(self, host: str) -> list[Callable[[], None]]:
        """Give permits to those in line for whom there is room; returns the calls that wake them."""
        served = []
        for waiter in self._lines.get(host, ()):
            if self._open[host, ""] >= self._per_host:
                break
            if waiter.granted is None and self._has_room(waiter):
                self._count(waiter.host, waiter.account, waiter.kind, 1)
                waiter.granted = _Permit(self, waiter.host, waiter.account, waiter.kind)
                if waiter.asleep:
                    served.append(waiter.wake)
        return served

    def _has_room(self, waiter: "_Waiter") -> bool:
        if self._open[waiter.host, f"account {waiter.account}"] >= waiter.most:
            return False
        of_kind = max(1, self._per_host - 1)
        return self._open[waiter.host, ""] < self._per_host and self._open[waiter.host, waiter.kind] < of_kind

    def _count(self, host: str, account: str, kind: Kind, by: int) -> None:
        for what in ("", kind, f"account {account}"):
            self._open[host, what] += by
            if not self._open[host, what]:
                del self._open[host, what]
        metrics.imap_connections.inc(by)

    def _ask_back(self, waiter: "_Waiter") -> list[LetGo]:
        """The call to the connection at rest, the longest first, in whose place there would be room."""
        kept = self._kept.get(waiter.host, {})
        full = self._open[waiter.host, f"account {waiter.account}"] >= waiter.most
        for permit in kept:
            if permit.account == waiter.account or not full:
                return [kept.pop(permit)]
        return []

    # What permits call

    def keep(self, permit: "_Permit", let_go: LetGo) -> bool:
        """See `Permit.keep`."""
        with self._changed:
            for waiter in self._lines.get(permit.host, ()):
                if waiter.granted is None and self._helps(permit, waiter):
                    return False
            self._kept.setdefault(permit.host, {})[permit] = let_go
        return True

    def _helps(self, permit: "_Permit", waiter: "_Waiter") -> bool:
        return permit.account == waiter.account or self._open[permit.host, ""] >= self._per_host - 1

    def use(self, permit: "_Permit") -> None:
        """See `Permit.use`."""
        with self._changed:
            kept = self._kept.get(permit.host, {})
            kept.pop(permit, None)
            if not kept:
                self._kept.pop(permit.host, None)

    def give_back(self, permit: "_Permit") -> None:
        """See `Permit.give_back`."""
        with self._changed:
            self.use(permit)
            self._count(permit.host, permit.account, permit.kind, -1)
            calls = self._serve(permit.host)
        for call in calls:
            call()


class _Waiter:
    """Somebody in line; `granted` is kept ready once there is room. One `asleep` is woken for it."""

    __slots__ = ("account", "asleep", "granted", "host", "kind", "most", "place", "wake")

    def __init__(
        self,
        place: tuple[float, int],
        host: str,
        account: str,
        kind: Kind,
        most: int,
        wake: Callable[[], None],
    ) -> None:
        self.place = place
        self.host = host
        self.account = account
        self.kind = kind
        self.most = most
        self.wake = wake
        self.asleep = kind == "command"
        self.granted: _Permit | None = None

    def __lt__(self, other: "_Waiter") -> bool:
        return self.place < other.place


class _Permit:
    __slots__ = ("_berths", "account", "host", "kind")

    def __init__(self, berths: Berths, host: str, account: str, kind: Kind) -> None:
        self._berths: Berths | None = berths
        self.host = host
        self.account = account
        self.kind: Kind = kind

    def keep(self, let_go: LetGo) -> bool:
        return self._berths is not None and self._berths.keep(self, let_go)

    def use(self) -> None:
        if self._berths is not None:
            self._berths.use(self)

    def give_back(self) -> None:
        berths, self._berths = self._berths, None
        if berths is not None:
            berths.give_back(self)


class _Free:
    """Allows what nobody counts."""

    def keep(self, _let_go: LetGo) -> bool:
        return True

    def use(self) -> None:
        pass

    def give_back(self) -> None:
        pass


FREE: Permit = _Free()
"""For a connection outside of the service."""
