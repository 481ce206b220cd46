"""Sends the mails of a batch, each account's over its own lines, and waits for none of them for long."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from postroom.account import Account
from postroom.broker.verdict import RetryIn, Verdict
from postroom.errors import PostroomError
from postroom.messages import SendLane
from postroom_sender.finding import Ending, Finding, find
from postroom_sender.in_hand import InHand
from postroom_sender.job import Task
from postroom_sender.lines import Line, Lines
from postroom_sender.outcome import Outcome, Result
from postroom_sender.recorder import Recorder
from postroom_sender.round import OVERTAKEN, Agenda, Round, RoundParts, log

logger = logging.getLogger(__name__)

_NO_LINE = Outcome(Result.RETRY, "no_line", "all connections of the account are in use")


@dataclass(eq=False)
class Run:
    """A round in its thread."""

    round: Round
    done: threading.Event = field(default_factory=threading.Event)
    line: Line | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class Sent:
    """What a batch came to.

    Attributes:
        verdicts: By index.
        kept: The mails that are still being handed over.
        error: Why some mails have no verdict, if so.
    """

    verdicts: Mapping[int, Verdict]
    kept: Sequence[Task] = ()
    error: Exception | None = None


class Dispatch:
    """Sends batches of one lane. Threads may share it."""

    def __init__(
        self,
        parts: RoundParts,
        lines: Lines,
        lane: SendLane,
        in_hand: InHand,
        recorder: Callable[[], Recorder],
    ) -> None:
        self._parts = parts
        self._lines = lines
        self._lane = lane
        self._in_hand = in_hand
        self._recorder = recorder

    def send(self, tasks: Sequence[Task], claimed_at: datetime) -> Sent:
        """Send the mails.

        What takes longer than `Patience.hold_s` goes on by itself: such mails stay in hand, their commands
        wait in a delay queue, and what becomes of them is recorded by their round.
        """
        deadline = time.monotonic() + self._parts.patience.hold_s
        by_account: defaultdict[str, list[Task]] = defaultdict(list)
        for task in tasks:
            by_account[task.account.name].append(task)
        begun = [self._begin(group, claimed_at) for group in by_account.values()]
        parts = [self._collect(agenda, runs, deadline) for agenda, runs in begun]
        return Sent(
            {index: verdict for part in parts for index, verdict in part.verdicts.items()},
            [task for part in parts for task in part.kept],
            next((part.error for part in parts if part.error), None),
        )

    def _begin(self, tasks: Sequence[Task], claimed_at: datetime) -> tuple[Agenda, list[Run]]:
        """Send one account's mails over as many lines as they are worth."""
        account, agenda = tasks[0].account, Agenda(tasks)
        slices = -(-len(tasks) // self._parts.paces.of(account))
        most = account.smtp.max_connections if account.smtp else 1
        runs = []
        for number in range(min(slices, most)):
            run = Run(Round(self._parts, account, self._recorder(), claimed_at, agenda))
            timeout_s = 0.0 if number else self._parts.patience.hold_s
            threading.Thread(
                target=self._run, args=(run, account, timeout_s), name=f"smtp {account.name}", daemon=True
            ).start()
            runs.append(run)
        return agenda, runs

    def _run(self, run: Run, account: Account, timeout_s: float) -> None:
        line = self._lines.take(account, self._lane, timeout_s)
        run.line = line
        try:
            if line is not None:
                run.round.run(lambda: self._lines.should_give_way(account, self._lane))
        except Exception as error:
            run.error = error
            logger.warning("sending broke off", extra={"account": account.name, "error": str(error)})
        finally:
            self._in_hand.put_down(task.job.send_id for task in run.round.ended())
            if line is not None:
                self._lines.give_back(line)
            run.done.set()

    def _collect(self, agenda: Agenda, runs: Sequence[Run], deadline: float) -> Sent:
        """Wait for the rounds of one account, and let go those that take too long."""
        for run in runs:
            run.done.wait(max(0.0, deadline - time.monotonic()))
        rest = agenda.close()
        free: list[Task] = []
        kept: list[Task] = []
        for run in runs:
            if not run.done.is_set():
                let_go, goes_on = run.round.let_go()
                free += let_go
                kept += goes_on
                if run.line is not None:
                    self._lines.let_go(run.line)
        held = RetryIn(self._parts.patience.held_retry_s, "its server takes its time")
        verdicts: dict[int, Verdict] = {task.job.index: held for task in kept}
        for run in runs:
            verdicts |= run.round.verdicts
        error = next((run.error for run in runs if run.error), None)
        try:
            verdicts |= self._put_back(rest, free)
        except PostroomError as failure:
            error = error or failure
        return Sent(verdicts, kept, error)

    def _put_back(self, rest: Iterable[Task], free: Iterable[Task]) -> dict[int, Verdict]:
        """What goes another way: `free` was begun already, and is recorded as not handed over."""
        now, patience = self._parts.clock(), self._parts.patience
        findings: list[Finding] = []
        verdicts: dict[int, Verdict] = {}
        for task in rest:
            # Its time may run out while it waits for a line.
            if patience.is_over(task.job.command.written_at, now):
                findings.append(find(task.job, _NO_LINE, Ending(task.tries, now, patience)))
            else:
                verdicts[task.job.index] = RetryIn(1.0, _NO_LINE.sentence)
        for task in free:
            finding = find(task.job, OVERTAKEN, Ending(task.tries, now, patience))
            findings.append(finding)
            log(task, task.tries, finding)
        if findings:
            recorder = self._recorder()
            recorder.turn(findings, None, (), now)
            recorder.tell()
        return verdicts | {each.job.index: each.verdict for each in findings}
