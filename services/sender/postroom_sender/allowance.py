"""How many mails an account may hand over in its window, and until when its server wants none.

Both are rows of the store, changed in the transaction that begins the mails: so they hold over all senders
and their lives. A window begins with its first mail. A clock that jumps back opens no window early.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from postroom.messages import SendLane
from postroom.send_rate import Rate
from postroom.store.engine import insert_new, upsert
from postroom.store.schema import send_windows

MAX_DETAIL_CHARS = 500
MOST_SKEW = timedelta(minutes=1)
"""How far the clocks of two senders may be apart; one that is further behind has jumped back."""


@dataclass(frozen=True)
class Grant:
    """So many mails may go now; others after `wait_s`."""

    count: int
    wait_s: float = 0.0


def take(
    connection: Connection, account: str, rate: Rate, lane: SendLane, wanted: int, now: datetime
) -> Grant:
    """Take room in the account's window for so many mails of the lane, or for as many as fit."""
    row = {"account": account, "started_at": now, "used": 0, "pause_reason": ""}
    insert_new(connection, send_windows, [row])
    table = send_windows.c
    found = connection.execute(
        select(table.started_at, table.used).where(table.account == account).with_for_update()
    ).one()
    started_at, used = opened(rate, found.started_at, found.used, now)
    limit = rate.for_bulk if lane == "bulk" else rate.count
    count = max(0, min(wanted, limit - used))
    connection.execute(
        update(send_windows).where(table.account == account).values(started_at=started_at, used=used + count)
    )
    return Grant(count, (started_at + rate.window - now).total_seconds())


def opened(rate: Rate, started_at: datetime, used: int, now: datetime) -> tuple[datetime, int]:
    """The window that a mail of now falls into: its beginning, and how many mails it has had."""
    if now >= started_at + rate.window:
        return now, 0
    if now < started_at - max(rate.window, MOST_SKEW):
        return now, used
    return started_at, used


def pause(connection: Connection, account: str, until: datetime, reason: str, now: datetime) -> None:
    """The account's server wants no mail until then."""
    row = {
        "account": account,
        "started_at": now,
        "used": 0,
        "paused_at": now,
        "paused_until": until,
        "pause_reason": reason[:MAX_DETAIL_CHARS],
    }
    upsert(connection, send_windows, [row], update=["paused_at", "paused_until", "pause_reason"])


def paused(connection: Connection, accounts: Sequence[str], now: datetime) -> dict[str, float]:
    """The accounts whose servers want no mail, each with the seconds that are left of that."""
    table = send_windows.c
    rows = connection.execute(
        select(table.account, table.paused_at, table.paused_until).where(
            table.account.in_(accounts), table.paused_until > now
        )
    )
    # Not longer than was asked for, wherever the clock has jumped to.
    left = {row.account: min(row.paused_until - now, row.paused_until - row.paused_at) for row in rows}
    return {account: each.total_seconds() for account, each in left.items()}


class FullWindows:
    """Which windows this process knows to be full, so that their mails need no look into the store."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._until: dict[tuple[str, SendLane], float] = {}

    def note(self, account: str, lane: SendLane, wait_s: float) -> None:
        """There is no room for so long."""
        with self._lock:
            self._until[account, lane] = self._now() + wait_s

    def wait_s(self, account: str, lane: SendLane) -> float:
        """Seconds until there is room; 0 if there may be."""
        with self._lock:
            left_s = self._until.get((account, lane), 0.0) - self._now()
            if left_s <= 0:
                self._until.pop((account, lane), None)
            return max(0.0, left_s)
