"""Mails in doubt whose commands come back: look, send again, or park; in the transaction of the claim."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from postroom.broker.verdict import Ack, RetryIn, Verdict
from postroom.envelope import Envelope, envelop
from postroom.messages import MailboxFind, MailUncertain, Message, derive_id
from postroom.record import sha256
from postroom.store import doubts
from postroom.store.doubts import Doubt, event_id
from postroom.store.records import sha256_of
from postroom_sender.job import Job, Task
from postroom_sender.patience import Patience
from postroom_sender.settling import REPEATABLE, Step, may_repeat, means_of, next_step

SOURCE = "/postroom/sender"
LOOKING = "its folder for sent mail is looked into"
PARKED = "nobody knows whether it was sent; see `postroom sends resolve`"
SENT_AGAIN = "it may have been sent already, and is sent again as the same mail"


@dataclass
class Steps:
    """What was done: the verdicts by the mails' ids, and what is to be told."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    told: list[Envelope[Message]] = field(default_factory=list)


def go_on(
    connection: Connection, jobs: Sequence[Job], tasks: Sequence[Task], patience: Patience, now: datetime
) -> Steps:
    """Take the next step for each mail that is in doubt; those to be sent again can be claimed then.

    Args:
        connection: The transaction.
        jobs: The mails whose commands came.
        tasks: Those of them that could be written.
        patience: How long is waited for what.
        now: The time.
    """
    walk = _Walk(connection, patience, now)
    written = {task.job.send_id: task for task in tasks}
    came_back = {job.send_id: (job, written.get(job.send_id)) for job in jobs if _may_be_in_doubt(job)}
    standing = doubts.standing(connection, list(came_back)) if came_back else {}
    first = sha256_of(connection, [each for each, doubt in standing.items() if not doubt.is_kept])
    for send_id, doubt in standing.items():
        job, task = came_back[send_id]
        if doubt.is_parked:
            walk.steps.verdicts[send_id] = Ack()
        else:
            walk.take(_step(task, doubt, first.get(send_id), patience), job, task, doubt)
    return walk.steps


def _may_be_in_doubt(job: Job) -> bool:
    """A doubt begins with a `RetryIn`; a command that comes for the first time is nothing to go on with."""
    return job.delivery.attempt > 1


def _step(task: Task | None, doubt: Doubt, first_sha256: str | None, patience: Patience) -> Step:
    if task is None:
        return Step.PARK
    means = means_of(task.account, task.job.command.content.kind, patience)
    step = next_step(means, doubt.looks, doubt.attempts)
    if step is Step.REPEAT and not doubt.is_kept and first_sha256 not in (None, sha256(task.mail.content)):
        return Step.PARK
    return step


def _was_told(job: Job, task: Task | None, doubt: Doubt, patience: Patience) -> bool:
    """Whether `mail.uncertain` was told when the doubt began: not of what was to be sent again anyhow."""
    if task is None:
        return job.command.content.kind not in REPEATABLE
    means = means_of(task.account, job.command.content.kind, patience)
    return not may_repeat(means, doubt.attempts)


@dataclass
class _Walk:
    """Takes the steps of one batch."""

    connection: Connection
    patience: Patience
    now: datetime
    steps: Steps = field(default_factory=Steps)

    def take(self, step: Step, job: Job, task: Task | None, doubt: Doubt) -> None:
        """Carry out what was decided."""
        if step is Step.LOOK:
            self._look(job, doubt)
        elif step is Step.REPEAT:
            doubts.end(self.connection, job.send_id, "retrying", "policy", SENT_AGAIN, self.now)
        else:
            doubts.park(self.connection, job.send_id, self.now)
            self.steps.verdicts[job.send_id] = Ack()
            if not _was_told(job, task, doubt, self.patience):
                self._tell(job)

    def _look(self, job: Job, doubt: Doubt) -> None:
        look_id = derive_id("look", job.send_id, doubt.attempts, doubt.looks)
        command = MailboxFind(account=job.command.account, message_id=job.message_id)
        self.steps.told.append(
            envelop(command, source=SOURCE, now=self.now, message_id=look_id, cause=job.delivery.envelope)
        )
        doubts.note_look(self.connection, job.send_id, look_id)
        wait_s = self.patience.look_delay_s(doubt.looks + 1)
        self.steps.verdicts[job.send_id] = RetryIn(wait_s, LOOKING)

    def _tell(self, job: Job) -> None:
        whom = doubts.recipients_in_doubt(self.connection, job.send_id) or (job.command.recipient,)
        for recipient in whom:
            event = MailUncertain(
                account=job.command.account,
                send_id=job.send_id,
                recipient=recipient,
                message_id=job.message_id,
                reason=PARKED,
            )
            self.steps.told.append(
                envelop(
                    event,
                    source=SOURCE,
                    now=self.now,
                    message_id=event_id(event, several=bool(job.command.cc)),
                    cause=job.delivery.envelope,
                )
            )
