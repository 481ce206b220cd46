"""Who may use how many connections to an account's server at a time, in this process.

Bulk mail leaves one of them to other mail where there are two, and gives way where there is one.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable

from postroom.account import Account
from postroom.messages import SendLane

MAX_LINES = 200
"""Of all accounts together: each is a thread and a connection."""


class Line:
    """The right to use one connection. `let_go`: nobody waits for what is done over it any more."""

    def __init__(self, account: str, lane: SendLane) -> None:
        self.account = account
        self.lane = lane
        self.let_go = False


class Lines:
    """The lines that are in use. Threads may share it."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._changed = threading.Condition()
        self._in_use: list[Line] = []
        self._waiting: Counter[str] = Counter()

    def take(self, account: Account, lane: SendLane, timeout_s: float) -> Line | None:
        """A line, perhaps after a while; None if there is none in time, or waiting is of no use."""
        deadline = self._now() + timeout_s
        with self._changed:
            self._waiting[account.name] += lane == "transactional"
            try:
                while not self._is_free(account, lane):
                    left_s = deadline - self._now()
                    if left_s <= 0 or self._all_let_go(account.name):
                        return None
                    self._changed.wait(left_s)
                line = Line(account.name, lane)
                self._in_use.append(line)
                return line
            finally:
                self._waiting[account.name] -= lane == "transactional"

    def give_back(self, line: Line) -> None:
        """The line is free."""
        with self._changed:
            self._in_use.remove(line)
            self._changed.notify_all()

    def let_go(self, line: Line) -> None:
        """Nobody need wait for this line: it is held by a server that takes its time."""
        with self._changed:
            line.let_go = True
            self._changed.notify_all()

    def should_give_way(self, account: Account, lane: SendLane) -> bool:
        """Whether bulk mail uses the only line that other mail waits for."""
        with self._changed:
            return lane == "bulk" and bool(self._waiting[account.name]) and _most(account) == 1

    def _is_free(self, account: Account, lane: SendLane) -> bool:
        if len(self._in_use) >= MAX_LINES:
            return False
        ours = [line.lane for line in self._in_use if line.account == account.name]
        most = _most(account)
        if lane == "bulk":
            if most == 1 and self._waiting[account.name]:
                return False
            return len(ours) < most and ours.count("bulk") < max(1, most - 1)
        return len(ours) < most

    def _all_let_go(self, name: str) -> bool:
        ours = [line.let_go for line in self._in_use if line.account == name]
        return bool(ours) and all(ours)


def _most(account: Account) -> int:
    return account.smtp.max_connections if account.smtp else 1
