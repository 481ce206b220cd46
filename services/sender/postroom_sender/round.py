"""The mails of one account, one after the other.

Each mail's state is durable before the server hears of it, and again right after its answer. Mails go
in slices: one transaction records what became of the last slice and that the next begins. A slice is one mail
where the server is slow, and as many as it takes in 20 ms where it is fast; so a crash leaves no
more than that behind whose fate is unknown.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from postroom import metrics
from postroom.account import Account
from postroom.broker.verdict import RetryIn, Verdict
from postroom.clock import Clock
from postroom_sender.connections import Connections
from postroom_sender.courier import Courier
from postroom_sender.finding import Finding, find
from postroom_sender.job import Task
from postroom_sender.outcome import Outcome, Result
from postroom_sender.patience import Patience
from postroom_sender.recorder import Recorder
from postroom_sender.standing import Standings

logger = logging.getLogger(__name__)

SLICE_S = 0.02
MAX_SLICE = 40
TELL_AFTER_S = 1.0
OTHERS_RETRY_S = 10.0
_WAITS = Outcome(Result.RETRY, "account_waits", "the mail server was left alone")


class Paces:
    """How many mails go in a slice, by account, from how long the last ones took."""

    def __init__(self) -> None:
        self._by_name: dict[str, int] = {}

    def of(self, account: Account) -> int:
        """How many mails go in the account's next slice."""
        return self._by_name.get(account.name, 1)

    def observe(self, account: Account, mails: int, seconds: float) -> None:
        """So many mails took so long."""
        fitting = int(SLICE_S / max(seconds / mails, 1e-6))
        # Growing at most twofold, since one quick answer says little about the next.
        self._by_name[account.name] = max(1, min(fitting, 2 * mails, MAX_SLICE))


@dataclass(frozen=True)
class RoundParts:
    """What all rounds of a process share."""

    connections: Connections
    standings: Standings
    patience: Patience
    paces: Paces
    clock: Clock
    jitter: Callable[[], float] = random.random


class Round:
    """Sends the tasks of one account. For one use, in one thread."""

    def __init__(self, parts: RoundParts, account: Account, recorder: Recorder, claimed_at: datetime) -> None:
        self._parts = parts
        self._account = account
        self._recorder = recorder
        self._claimed_at = claimed_at
        self._courier = Courier(account, parts.connections, parts.standings)
        self._findings: list[Finding] = []
        self._verdicts: dict[int, Verdict] = {}

    def run(self, tasks: Sequence[Task]) -> dict[int, Verdict]:
        """Send all; the verdicts by index. Raises Transient if the store is away for long."""
        told_at = time.monotonic()
        rest = list(tasks)
        while rest and self._courier.left_alone() is None:
            size = self._parts.paces.of(self._account)
            slice_, rest = rest[:size], rest[size:]
            self._slice(slice_)
            if time.monotonic() - told_at > TELL_AFTER_S:
                self._recorder.tell()
                told_at = time.monotonic()
        for task in rest:
            self._note(task, task.tries, self._courier.left_alone() or _WAITS)
        self._turn(())
        self._recorder.tell()
        return self._verdicts

    def _slice(self, tasks: Sequence[Task]) -> None:
        begun = self._turn(tasks)
        started = time.monotonic()
        for task in tasks:
            if task.job.send_id not in begun:
                # Its command came to another sender too, which has it now.
                self._verdicts[task.job.index] = RetryIn(OTHERS_RETRY_S, "another sender has the mail")
                continue
            outcome = self._courier.left_alone() or self._courier.carry(task.mail)
            self._note(task, task.tries + 1, outcome)
        took_s = time.monotonic() - started
        metrics.stage_duration.labels(stage="sender.smtp").observe(took_s)
        self._parts.paces.observe(self._account, len(tasks), took_s)

    def _turn(self, following: Sequence[Task]) -> set[str]:
        findings, self._findings = self._findings, []
        begun = self._recorder.turn(findings, self._courier.take_news(), following, self._claimed_at)
        for each in findings:
            metrics.sends.labels(result=each.settled.state).inc()
            self._verdicts[each.job.index] = each.verdict
        return begun

    def _note(self, task: Task, tries: int, outcome: Outcome) -> None:
        patience = self._parts.patience
        resting_s = self._parts.standings.retry_in_s(self._account, task.job.delivery.attempt)
        wait_s = resting_s or patience.mail_delay_s(tries, self._parts.jitter())
        finding = find(task.job, tries, outcome, patience=patience, now=self._parts.clock(), wait_s=wait_s)
        self._findings.append(finding)
        logger.log(
            logging.INFO if outcome.result is Result.SENT else logging.WARNING,
            "mail %s",
            finding.settled.state,
            extra={
                "account": self._account.name,
                "send_id": task.job.send_id,
                "attempt": tries,
                "reason": outcome.sentence,
                "correlation_id": task.job.delivery.envelope.correlation_id,
            },
        )
