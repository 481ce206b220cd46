"""The mails of one account over one connection, one after the other.

Each mail's state is durable before the server hears of it, and again right after its answer. Mails go
in slices: one transaction records what became of the last slice and that the next begins. A slice is one mail
where the server is slow, and as many as it takes in 20 ms where it is fast; so a crash leaves no
more than that behind whose fate is unknown.

A server may take ten minutes for its last answer (RFC 5321 section 4.5.3.2.6), and nobody else waits for it:
a round that takes too long is let go. It ends by itself and records what it finds; the mails that it has not
handed over go another way.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from postroom import metrics
from postroom.account import Account
from postroom.broker.verdict import RetryIn, Verdict
from postroom.clock import Clock
from postroom_sender.aftermath import Aftermath
from postroom_sender.allowance import FullWindows
from postroom_sender.connections import Connections
from postroom_sender.courier import Courier
from postroom_sender.finding import Ending, Finding, find
from postroom_sender.job import Task
from postroom_sender.outcome import Outcome, Result
from postroom_sender.patience import Patience
from postroom_sender.recorder import Begun, Recorder
from postroom_sender.standing import Standings
from postroom_sender.transaction import Handover

logger = logging.getLogger(__name__)

SLICE_S = 0.02
MAX_SLICE = 40
TELL_AFTER_S = 1.0
OTHERS_RETRY_S = 10.0
LONGEST_WAIT_S = 600.0
"""For room in a window: the account's rate may be changed meanwhile."""
OVERTAKEN = Outcome(Result.RETRY, "overtaken", "a mail before it takes its server long; it goes another way")


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
    full: FullWindows
    aftermath: Aftermath
    jitter: Callable[[], float] = random.random


class Agenda:
    """The mails of one account in one batch, in their order. Its rounds take from it."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._lock = threading.Lock()
        self._rest = deque(tasks)

    def take(self, count: int) -> list[Task]:
        """The next mails, so many at most."""
        with self._lock:
            return [self._rest.popleft() for _ in range(min(count, len(self._rest)))]

    def close(self) -> list[Task]:
        """What nobody has taken; from now on there is nothing to take."""
        with self._lock:
            rest = list(self._rest)
            self._rest.clear()
            return rest


class Round:
    """Sends mails of an agenda over one connection. For one use; `let_go` is for other threads."""

    def __init__(
        self, parts: RoundParts, account: Account, recorder: Recorder, claimed_at: datetime, agenda: Agenda
    ) -> None:
        self._parts = parts
        self._account = account
        self._recorder = recorder
        self._claimed_at = claimed_at
        self._agenda = agenda
        self._courier = Courier(account, parts.connections, parts.standings)
        self._findings: list[Finding] = []
        self._lock = threading.Lock()
        self._begun: deque[Task] = deque()
        self._owned: dict[int, Task] = {}
        self._kept: list[Task] = []
        self._is_let_go = False
        self._has_ended = False
        self._verdicts: dict[int, Verdict] = {}

    def run(self, gives_way: Callable[[], bool]) -> None:
        """Send until there are no more mails, or others want the line. Raises Transient (the store)."""
        told_at = time.monotonic()
        while self._courier.left_alone() is None and not gives_way():
            tasks = self._agenda.take(self._parts.paces.of(self._account))
            if not tasks:
                break
            self._slice(tasks)
            if time.monotonic() - told_at > TELL_AFTER_S:
                self._recorder.tell()
                told_at = time.monotonic()
        why = self._courier.left_alone()
        if why is not None:
            self._leave(self._agenda.close(), why)
        self._turn(())
        self._recorder.tell()

    def let_go(self) -> tuple[list[Task], list[Task]]:
        """Wait for it no longer: the mails that are free again, and those that it goes on with."""
        with self._lock:
            if self._has_ended:
                return [], []
            self._is_let_go = True
            free = list(self._begun)
            self._begun.clear()
            for task in free:
                del self._owned[task.job.index]
            self._kept = list(self._owned.values())
            return free, list(self._kept)

    def ended(self) -> list[Task]:
        """The round is over: the mails that it went on with after it was let go."""
        with self._lock:
            self._has_ended = True
            return self._kept

    @property
    def verdicts(self) -> dict[int, Verdict]:
        """What was found so far, by index."""
        with self._lock:
            return dict(self._verdicts)

    def _slice(self, tasks: Sequence[Task]) -> None:
        with self._lock:
            self._owned |= {task.job.index: task for task in tasks}
        self._sort(tasks, self._turn(tasks))
        started, carried = time.monotonic(), 0
        while (task := self._next()) is not None:
            found = self._courier.left_alone() or self._courier.carry(task.mail)
            self._note(task, task.tries + 1, found)
            carried += 1
        took_s = time.monotonic() - started
        metrics.stage_duration.labels(stage="sender.smtp").observe(took_s)
        if carried:
            self._parts.paces.observe(self._account, carried, took_s)

    def _sort(self, tasks: Sequence[Task], begun: Begun) -> None:
        """Those that are begun are sent; the others wait."""
        for task in tasks:
            if task.job.send_id in begun.waiting:
                self._wait_for_room(task, begun.wait_s)
            elif task.job.send_id not in begun.ids:
                # Its command came to another sender too, which has it now.
                self._finished(task.job.index, RetryIn(OTHERS_RETRY_S, "another sender has the mail"))
        ours = [task for task in tasks if task.job.send_id in begun.ids]
        with self._lock:
            if not self._is_let_go:
                self._begun.extend(ours)
                return
        self._leave(ours, OVERTAKEN)

    def _wait_for_room(self, task: Task, wait_s: float) -> None:
        wait_s = min(wait_s, LONGEST_WAIT_S)
        self._parts.full.note(self._account.name, task.job.command.lane, wait_s)
        sentence = f"the account's rate ({self._account.smtp and self._account.smtp.rate}) is reached"
        self._note(task, task.tries, Outcome(Result.RETRY, "rate", sentence), wait_s)

    def _next(self) -> Task | None:
        with self._lock:
            return self._begun.popleft() if self._begun else None

    def _leave(self, tasks: Iterable[Task], why: Outcome) -> None:
        for task in tasks:
            self._note(task, task.tries, why)

    def _turn(self, following: Sequence[Task]) -> Begun:
        findings, self._findings = self._parts.aftermath.spooled(self._findings), []
        begun = self._recorder.turn(findings, self._courier.take_news(), following, self._claimed_at)
        for each in findings:
            metrics.sends.labels(result=each.settled.state).inc()
            self._finished(each.job.index, each.verdict)
        return begun

    def _finished(self, index: int, verdict: Verdict) -> None:
        with self._lock:
            self._verdicts[index] = verdict
            self._owned.pop(index, None)

    def _note(self, task: Task, tries: int, found: Handover | Outcome, wait_s: float = 0.0) -> None:
        patience = self._parts.patience
        resting_s = self._parts.standings.retry_in_s(self._account, task.job.delivery.attempt)
        wait_s = wait_s or resting_s or patience.mail_delay_s(tries, self._parts.jitter())
        if found is OVERTAKEN:
            wait_s = 0.0
        finding = find(task.job, found, Ending(tries, self._parts.clock(), patience, wait_s))
        finding = self._parts.aftermath.of(finding, task.job, task, tries)
        self._findings.append(finding)
        log(task, tries, finding)


def log(task: Task, tries: int, finding: Finding) -> None:
    """Say what became of the mail."""
    state = finding.settled.state
    logger.log(
        logging.INFO if state == "sent" else logging.WARNING,
        "mail %s",
        state,
        extra={
            "account": task.account.name,
            "send_id": task.job.send_id,
            "attempt": tries,
            "reason": finding.settled.detail,
            "correlation_id": task.job.delivery.envelope.correlation_id,
        },
    )
