"""How the accounts' mail servers do: who is left alone, for how long, and what is told about it.

A server that cannot be worked with is left alone for a while, and one that refused the sign-in three times
until the account's settings or secrets change: providers lock out who keeps asking. What one sender found out
counts for the others and for its next life: the row in the store is looked at before a connection is opened.
"""

import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from postroom import metrics
from postroom.account import Account, Side
from postroom.account_reason import reason, waits_for_change
from postroom.clock import Clock
from postroom.errors import PostroomError
from postroom.messages import AccountStatusChanged
from postroom.store import Store, account_status
from postroom.store.account_status import Report, settings_digest
from postroom_sender.allowance import pause
from postroom_sender.outcome import Outcome, Scope
from postroom_sender.patience import Patience

logger = logging.getLogger(__name__)

SIDE: Side = "smtp"
REFRESH_GOOD_AFTER = timedelta(minutes=1)
LOOK_AGAIN_S = 5.0
_GOOD_SENTENCE = "the mail server takes mail"
_UNTIL_CHANGE = "Nothing more is tried until its settings or secrets change"
Recall = Callable[[str], Report | None]
"""What was recorded last about the account of that name."""


@dataclass(frozen=True)
class Standing:
    """How one account does.

    Attributes:
        account: With the settings it was found with: others are worth a new try.
        report: What is told about it.
        failures: In a row, of whatever kind.
        refusals: How often the sign-in was refused since it last worked, whatever outages were in between.
        next_try_at: Until when it is left alone; None: it is not, or it is stopped.
        stopped: Whether it is left alone until its settings or secrets change.
        paused_for: Why its server wants no mail for a while, though nothing is wrong; empty: it does not.
        noted_at: When this was found.
    """

    account: Account
    report: Report
    noted_at: datetime
    failures: int = 0
    refusals: int = 0
    next_try_at: datetime | None = None
    stopped: bool = False
    paused_for: str = ""


class Standings:
    """The standing of each account as this process knows it. Threads may share it."""

    def __init__(
        self,
        clock: Clock,
        patience: Patience,
        recall: Recall = lambda _name: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._patience = patience
        self._recall = recall
        self._jitter = jitter
        self._lock = threading.Lock()
        self._by_name: dict[str, Standing] = {}
        self._looked_at: dict[str, float] = {}
        self._openings: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def opening(self, account: Account) -> threading.Lock:
        """To be held while a connection is opened: a wrong password is not tried by all workers at once."""
        with self._lock:
            return self._openings[account.name]

    def rests(self, account: Account) -> bool:
        """Whether the account's server is left alone at the moment."""
        standing = self._of(account)
        if standing is None:
            return False
        if standing.stopped:
            return self._still_stopped(standing)
        return standing.next_try_at is not None and standing.next_try_at > self._clock()

    def retry_in_s(self, account: Account, attempt: int) -> float:
        """Seconds after which a mail of a server that is left alone comes again; 0 if it is not.

        Never as long as the server is left alone at most: when the settings change, it may be tried at once.
        """
        if not self.rests(account):
            return 0.0
        standing = self._of(account)
        longest_s = self._patience.resting_delay_s(attempt)
        if standing is None or standing.next_try_at is None:
            return longest_s
        return min(longest_s, max(1.0, (standing.next_try_at - self._clock()).total_seconds()))

    def sentence(self, account: Account) -> str:
        """Why it is left alone."""
        standing = self._by_name.get(account.name)
        return standing.report.sentence if standing else ""

    def consult(self, account: Account) -> None:
        """Take over what others, or an earlier life, found out about the account with these settings."""
        found = self._recalled(account.name)
        if found is None or found.colour != "red" or found.settings_digest != settings_digest(account):
            return
        with self._lock:
            last = self._of(account)
            refused = reason(found.reason_code).kind == "credentials"
            stopped = waits_for_change(found.reason_code, found.failures)
            if last is not None and last.failures >= found.failures and not stopped:
                return
            self._by_name[account.name] = Standing(
                account,
                found,
                self._clock(),
                failures=found.failures,
                refusals=found.failures if refused else 0,
                next_try_at=found.next_try_at,
                stopped=stopped,
            )

    def forgive(self, account: Account) -> None:
        """Try the account's server again at the next mail."""
        with self._lock:
            self._by_name.pop(account.name, None)

    def failed(self, account: Account, outcome: Outcome) -> Standing | None:
        """Leave the account's server alone; returns what is to be told, if anything is."""
        with self._lock:
            last = self._of(account)
            standing = self._after(account, last, outcome)
            self._by_name[account.name] = standing
            self._looked_at[account.name] = time.monotonic()
        return standing

    def worked(self, account: Account) -> Standing | None:
        """The account's server took mail; returns what is to be told, if anything is."""
        now = self._clock()
        last = self._of(account)
        if (
            last
            and last.report.colour == "green"
            and not last.failures
            and now - last.noted_at < REFRESH_GOOD_AFTER
        ):
            return None
        standing = Standing(account, _green(account), now)
        with self._lock:
            self._by_name[account.name] = standing
        return standing

    def _of(self, account: Account) -> Standing | None:
        """What is known of the account with these settings."""
        standing = self._by_name.get(account.name)
        return standing if standing is not None and standing.account == account else None

    def _after(self, account: Account, last: Standing | None, outcome: Outcome) -> Standing:
        now = self._clock()
        failures = last.failures + 1 if last else 1
        back_off_s = max(outcome.retry_after_s, self._patience.account_delay_s(failures, self._jitter()))
        next_try_at = now + timedelta(seconds=back_off_s)
        if outcome.scope is Scope.PAUSE:
            calm = last or Standing(account, _green(account), now)
            return replace(
                calm, next_try_at=next_try_at, failures=failures, noted_at=now, paused_for=outcome.sentence
            )
        refused = reason(outcome.reason_code).kind == "credentials"
        refusals = (last.refusals if last else 0) + refused
        told = refusals if refused else failures
        report = Report(
            "red",
            outcome.reason_code,
            outcome.sentence,
            next_try_at,
            told,
            back_off_s,
            settings_digest(account),
        )
        stopped = waits_for_change(outcome.reason_code, told)
        if stopped:
            report = replace(report, sentence=f"{outcome.sentence}. {_UNTIL_CHANGE}", next_try_at=None)
        return Standing(account, report, now, failures, refusals, report.next_try_at, stopped)

    def _still_stopped(self, standing: Standing) -> bool:
        """Somebody may have tested the account, and found that it works."""
        name = standing.account.name
        if time.monotonic() - self._looked_at.get(name, 0.0) < LOOK_AGAIN_S:
            return True
        self._looked_at[name] = time.monotonic()
        found = self._recalled(name)
        if found is None or waits_for_change(found.reason_code, found.failures):
            return True
        self.forgive(standing.account)
        return False

    def _recalled(self, name: str) -> Report | None:
        try:
            return self._recall(name)
        except PostroomError as error:
            logger.warning("what was known of an account cannot be read", extra={"error": str(error)})
            return None


def recall_from(store: Store) -> Recall:
    """What the store knows of an account. Raises Transient."""

    def recall(name: str) -> Report | None:
        with store.read() as connection:
            known = account_status.known(connection, name, SIDE)
        return known.report if known else None

    return recall


def record(connection: Connection, standing: Standing) -> AccountStatusChanged | None:
    """Write the standing down in this transaction; returns the event if it is news."""
    if standing.paused_for and standing.next_try_at:
        # All senders keep to it. Nothing is wrong, so the account stays as green as it was.
        pause(connection, standing.account.name, standing.next_try_at, standing.paused_for, standing.noted_at)
        return None
    name, report = standing.account.name, standing.report
    metrics.account_red.labels(account=name, side=SIDE).set(report.colour == "red")
    return account_status.record(connection, name, SIDE, report, standing.noted_at)


def release(connection: Connection, account: Account, now: datetime) -> None:
    """The account was found to work with these settings: no sender leaves its server alone any longer."""
    known = account_status.known(connection, account.name, SIDE)
    if known is None or known.report.colour != "red":
        return
    report = replace(known.report, failures=0, next_try_at=now, back_off_s=0.0)
    account_status.record(connection, account.name, SIDE, report, now)


def _green(account: Account) -> Report:
    return Report("green", "ok", _GOOD_SENTENCE, settings_digest=settings_digest(account))
