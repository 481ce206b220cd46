"""How the accounts' mail servers do: who is left alone for a while, and what is told about it."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, select

from postroom import metrics
from postroom.account import Account
from postroom.clock import Clock
from postroom.messages import AccountStatusChanged
from postroom.store.engine import Store, upsert
from postroom.store.schema import account_status
from postroom_sender.outcome import Outcome, Scope
from postroom_sender.patience import Patience

SIDE: Literal["smtp"] = "smtp"
REFRESH_GOOD_AFTER = timedelta(minutes=1)
_GOOD_SENTENCE = "the mail server takes mail"


@dataclass(frozen=True)
class Standing:
    """How one account does. `account` has the settings it was found with: others are worth a new try."""

    account: Account
    colour: Literal["green", "red"]
    reason_code: str
    sentence: str
    next_try_at: datetime | None
    failures: int
    back_off_s: float
    noted_at: datetime


class Standings:
    """The standing of each account as this process found it. Threads may share it."""

    def __init__(self, clock: Clock, patience: Patience, jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._patience = patience
        self._jitter = jitter
        self._lock = threading.Lock()
        self._by_name: dict[str, Standing] = {}

    def wait_s(self, account: Account) -> float:
        """Seconds for which the account's server is left alone; 0 if it may be tried."""
        standing = self._by_name.get(account.name)
        if standing is None or standing.next_try_at is None or standing.account != account:
            return 0.0
        return max(0.0, (standing.next_try_at - self._clock()).total_seconds())

    def sentence(self, account: Account) -> str:
        """Why it is left alone."""
        standing = self._by_name.get(account.name)
        return standing.sentence if standing else ""

    def failed(self, account: Account, outcome: Outcome) -> Standing | None:
        """Leave the account's server alone for a while; returns what is to be told, if anything is."""
        now = self._clock()
        with self._lock:
            last = self._by_name.get(account.name)
            failures = last.failures + 1 if last and last.account == account else 1
            back_off_s = self._patience.account_delay_s(failures, self._jitter())
            next_try_at = now + timedelta(seconds=back_off_s)
            if outcome.scope is Scope.PAUSE and last is not None:
                self._by_name[account.name] = replace(last, next_try_at=next_try_at, failures=failures)
                return None
            colour: Literal["green", "red"] = "green" if outcome.scope is Scope.PAUSE else "red"
            standing = Standing(
                account, colour, outcome.reason_code, outcome.sentence, next_try_at, failures, back_off_s, now
            )
            self._by_name[account.name] = standing
        return standing if colour == "red" else None

    def worked(self, account: Account) -> Standing | None:
        """The account's server took mail; returns what is to be told, if anything is."""
        now = self._clock()
        last = self._by_name.get(account.name)
        if last and last.colour == "green" and not last.failures and now - last.noted_at < REFRESH_GOOD_AFTER:
            return None
        standing = Standing(account, "green", "ok", _GOOD_SENTENCE, None, 0, 0.0, now)
        with self._lock:
            self._by_name[account.name] = standing
        return standing


def show(store: Store) -> None:
    """Set the metric to what was recorded last: a red account stays visible over a restart."""
    with store.read() as connection:
        query = select(account_status.c.account, account_status.c.colour).where(account_status.c.side == SIDE)
        for row in connection.execute(query):
            metrics.account_red.labels(account=row.account, side=SIDE).set(row.colour == "red")


def record(connection: Connection, standing: Standing) -> AccountStatusChanged | None:
    """Write the standing down in this transaction; returns the event if it is news."""
    name, now = standing.account.name, standing.noted_at
    key = (account_status.c.account == name) & (account_status.c.side == SIDE)
    row = connection.execute(select(account_status).where(key)).one_or_none()
    is_news = row is None or (row.colour, row.reason_code) != (standing.colour, standing.reason_code)
    since = now if row is None or row.colour != standing.colour else row.since
    last_good_at = now if standing.colour == "green" else (row.last_good_at if row else None)
    values = {
        "account": name,
        "side": SIDE,
        "colour": standing.colour,
        "reason_code": standing.reason_code,
        "sentence": standing.sentence,
        "since": since,
        "next_try_at": standing.next_try_at,
        "last_good_at": last_good_at,
        "failures": standing.failures,
        "back_off_s": standing.back_off_s,
    }
    upsert(
        connection,
        account_status,
        [values],
        update=[each for each in values if each not in ("account", "side")],
    )
    metrics.account_red.labels(account=name, side=SIDE).set(standing.colour == "red")
    if not is_news:
        return None
    return AccountStatusChanged(
        account=name,
        side=SIDE,
        colour=standing.colour,
        reason_code=standing.reason_code,
        sentence=standing.sentence,
        since=since,
        next_try_at=standing.next_try_at,
    )
