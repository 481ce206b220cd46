"""The handler of the send queues: sort out, claim, send account by account."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from postroom import metrics
from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.broker.failure import REASON, left_s
from postroom.broker.verdict import Ack, DeadLetter, Delivery, RetryIn, Verdict
from postroom.errors import Permanent, Transient
from postroom.messages import AccountTest, BulkSend, MailSend, SendLane
from postroom.own_mail import content_sha256
from postroom.store import Store
from postroom.store.outbox import OutboxRelay
from postroom_sender.bulk_intake import BulkIntake
from postroom_sender.compose import compose
from postroom_sender.dispatch import Dispatch, Sent
from postroom_sender.finding import Ending, Finding, find
from postroom_sender.gathering import Gathering, Stock
from postroom_sender.hindering import hindrances
from postroom_sender.in_hand import InHand
from postroom_sender.job import Job, Task
from postroom_sender.ledger import FINAL, Claim
from postroom_sender.lines import Lines
from postroom_sender.material import Unwritable
from postroom_sender.outcome import Outcome, Result
from postroom_sender.recorder import Claims, Life, Recorder
from postroom_sender.round import RoundParts
from postroom_sender.testing import Testing

NOT_READY_RETRY_S = 5.0
_CRASHED = Outcome(
    Result.UNCERTAIN,
    "crashed",
    "the sender ended while the mail was handed over; it may have been sent or not",
)


@dataclass(frozen=True)
class Refused:
    """A job that ends without SMTP."""

    job: Job
    outcome: Outcome


class Sending:
    """The handler. Threads may share it."""

    def __init__(
        self,
        parts: RoundParts,
        accounts: Accounts,
        in_hand: InHand,
        store: Store,
        relay: OutboxRelay,
        shards: int,
        testing: Testing,
        gathering: Gathering,
        intake: BulkIntake,
        lines: Lines,
        lane: SendLane,
        me: Life,
    ) -> None:
        self._me = me
        self._lane = lane
        self._dispatch = Dispatch(parts, lines, lane, in_hand, self._recorder)
        self._testing = testing
        self._gathering = gathering
        self._intake = intake
        self._parts = parts
        self._accounts = accounts
        self._in_hand = in_hand
        self._store = store
        self._relay = relay
        self._shards = shards

    def __call__(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        """One verdict for each delivery. An Ack means: the mail's end is durable and told."""
        self._accounts.catch_up()
        verdicts: dict[int, Verdict] = {}
        taken: list[str] = []
        try:
            with metrics.stage_duration.labels(stage="sender.compose").time():
                work = list(self._sorted(deliveries, verdicts, taken))
            sent = self._handle(work)
            verdicts |= sent.verdicts
            kept = {task.job.send_id for task in sent.kept}
            taken = [each for each in taken if each not in kept]
            if sent.error:
                raise sent.error
        finally:
            self._in_hand.put_down(taken)
        return [verdicts[index] for index in range(len(deliveries))]

    def _sorted(
        self, deliveries: Sequence[Delivery], verdicts: dict[int, Verdict], taken: list[str]
    ) -> Iterator[Task | Refused]:
        """What there is to do; what is not to be done now gets its verdict here."""
        orders = [each.envelope.message for each in deliveries]
        mails = [each for each in orders if isinstance(each, MailSend)]
        stock = self._gathering.stock(mails)
        hindering = hindrances(self._store, [stock.addressed(each) for each in mails], self._parts.clock)
        for index, delivery in enumerate(deliveries):
            command = delivery.envelope.message
            if not isinstance(command, MailSend):
                verdicts[index] = self._of_another_kind(delivery)
                continue
            if not self._in_hand.take(command.id):
                retry_s = self._parts.patience.held_retry_s
                verdicts[index] = RetryIn(retry_s, "the mail is being sent")
                continue
            taken.append(command.id)
            command = stock.addressed(command)
            job = Job(index, delivery, command, "", hindered=hindering.of(command))
            paused = hindering.pause(job.command)
            if paused:
                verdicts[index] = paused
                continue
            try:
                work = written(job, self._accounts.get(job.command.account), stock)
            except Transient as error:
                if not self._is_over(job):
                    verdicts[index] = RetryIn(NOT_READY_RETRY_S, str(error))
                    continue
                work = _refused(job, "expired", f"given up, since it could not be written: {error}")
            wait = self._wait(work)
            if wait:
                verdicts[index] = wait
            else:
                yield work

    def _of_another_kind(self, delivery: Delivery) -> Verdict:
        command = delivery.envelope.message
        if isinstance(command, AccountTest) and command.side == "smtp":
            return self._testing.begin(delivery)
        if isinstance(command, BulkSend):
            return self._intake.take(delivery)
        return DeadLetter(f"{delivery.envelope.type} does not belong in {delivery.queue}")

    def _wait(self, work: Task | Refused) -> RetryIn | None:
        """Why and for how long the mail has to wait, if it has; not beyond its own end."""
        if isinstance(work, Refused) or self._is_over(work.job):
            return None
        wire = work.job.delivery.wire
        # Its delay queue was shorter than its delay.
        rest_s = left_s(wire, self._parts.clock()) if work.job.wanted else 0.0
        if rest_s:
            return RetryIn(rest_s, str(wire.headers.get(REASON, "")), counts=False)
        resting_s = self._parts.standings.retry_in_s(work.account, work.job.delivery.attempt)
        wait_s = resting_s or self._parts.full.wait_s(work.account.name, self._lane)
        return RetryIn(wait_s, "the account's mail server is left alone for a while") if wait_s else None

    def _handle(self, work: Sequence[Task | Refused]) -> Sent:
        if not work:
            return Sent({})
        recorder = self._recorder()
        ended: list[Finding] = []

        def end(claims: dict[str, Claim]) -> Sequence[Finding]:
            ended.extend(filter(None, (self._end(each, claims[each.job.send_id]) for each in work)))
            return ended

        mails = [each for each in work if isinstance(each, Task) and each.job.wanted]
        claims = recorder.claim([each.job for each in work], end, mails, self._parts.patience)
        recorder.tell()
        verdicts = {each.job.index: each.verdict for each in ended}
        for each in ended:
            metrics.sends.labels(result=each.settled.state).inc()
        verdicts |= dict(self._not_ours(work, claims))
        jobs = (each.job for each in work)
        verdicts |= {job.index: claims.steps[job.send_id] for job in jobs if job.send_id in claims.steps}
        tasks = [
            _again(each, claims) for each in work if isinstance(each, Task) and each.job.index not in verdicts
        ]
        sent = self._dispatch.send(tasks, claims.at)
        return replace(sent, verdicts={**verdicts, **sent.verdicts})

    def _not_ours(self, work: Sequence[Task | Refused], claims: Claims) -> Iterator[tuple[int, Verdict]]:
        """The mails that need nothing more, that another sender has, or whose servers want none."""
        retry_s = self._parts.patience.held_retry_s
        for each in work:
            claim = claims.of[each.job.send_id]
            pause_s = claims.pauses.get(each.account.name, 0.0) if isinstance(each, Task) else 0.0
            if claim.before in FINAL:
                yield each.job.index, Ack()
            elif claim.held:
                yield each.job.index, RetryIn(retry_s, "another sender hands the mail over")
            elif pause_s and not self._is_over(each.job):
                longest_s = self._parts.patience.resting_delay_s(each.job.delivery.attempt)
                yield (
                    each.job.index,
                    RetryIn(min(pause_s, longest_s), "the account's mail server wants a pause"),
                )

    def _is_over(self, job: Job) -> bool:
        return self._parts.patience.is_over(job.command.written_at, self._parts.clock())

    def _end(self, work: Task | Refused, claim: Claim) -> Finding | None:
        """What there is to find without sending: a refusal, or a mail that an earlier life left in doubt."""
        if claim.before in FINAL or claim.held:
            return None
        patience = self._parts.patience
        job = replace(work.job, settled=claim.settled)
        ending = Ending(claim.attempts, self._parts.clock(), patience)
        if claim.before == "in_data":
            task = work if isinstance(work, Task) else None
            return self._parts.aftermath.of(find(job, _CRASHED, ending), job, task, claim.attempts)
        if isinstance(work, Refused):
            return find(job, work.outcome, ending)
        return None if job.wanted else find(job, next(iter(job.hindered.values())), ending)

    def _recorder(self) -> Recorder:
        return Recorder(self._me, self._store, self._relay, self._shards, self._parts.clock)


def written(job: Job, account: Account | None, stock: Stock) -> Task | Refused:
    """The job with its mail written, or why there is none. Raises Transient if that is not known yet."""
    unreadable = stock.unreadable_template(job.command)
    if unreadable:
        return _refused(job, "template", unreadable)
    if account is None and not job.command.account:
        return _refused(job, "unknown_account", "the order names no account, and neither does its template")
    if account is None:
        return _refused(job, "unknown_account", f"there is no account {job.command.account!r}")
    # Through a system_smtp that is missing it will send once that is there: such mails wait.
    if not account.enabled or not account.send:
        why = "is disabled" if account.send else "is not set to send (send, smtp)"
        return _refused(job, "sending_disabled", f"the account {account.name} does not send: it {why}")
    try:
        mail = compose(job.command, account, stock.material(job.command, account))
    except Unwritable as error:
        return _refused(job, error.reason_code, str(error))
    except Permanent as error:
        return _refused(job, "invalid_content", str(error))
    known_by = content_sha256(mail.content)
    return Task(replace(job, message_id=mail.message_id, content_sha256=known_by), account, mail)


def _again(task: Task, claims: Claims) -> Task:
    """The mail for those who have not got it yet; one that they may have got, as they got it."""
    claim = claims.of[task.job.send_id]
    if not claim.attempts and not claim.settled and not task.job.hindered:
        return task
    job = replace(task.job, settled=claim.settled)
    content = claims.contents.get(job.send_id, task.mail.content)
    mail = replace(task.mail, recipients=job.wanted, content=content)
    return replace(task, job=job, mail=mail, tries=claim.attempts)


def _refused(job: Job, reason_code: str, sentence: str) -> Refused:
    return Refused(job, Outcome(Result.FAILED, reason_code, sentence))
