"""The handler of the send queues: sort out, claim, send account by account."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime

from postroom import metrics
from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.broker.verdict import Ack, DeadLetter, Delivery, RetryIn, Verdict
from postroom.errors import Permanent, Transient
from postroom.messages import AccountTest, MailSend
from postroom.own_mail import content_sha256
from postroom.store import Store
from postroom.store.outbox import OutboxRelay
from postroom_sender.compose import compose
from postroom_sender.finding import Finding, find
from postroom_sender.gathering import Gathering, Stock
from postroom_sender.in_hand import InHand
from postroom_sender.job import Job, Task
from postroom_sender.ledger import FINAL, Claim
from postroom_sender.material import Unwritable
from postroom_sender.outcome import Outcome, Result
from postroom_sender.recorder import Recorder
from postroom_sender.round import Round, RoundParts
from postroom_sender.testing import Testing

IN_HAND_RETRY_S = 10.0
NOT_READY_RETRY_S = 5.0
MAX_ACCOUNTS_AT_ONCE = 8
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
    ) -> None:
        self._testing = testing
        self._gathering = gathering
        self._parts = parts
        self._accounts = accounts
        self._in_hand = in_hand
        self._store = store
        self._relay = relay
        self._shards = shards
        self._threads = ThreadPoolExecutor(MAX_ACCOUNTS_AT_ONCE, thread_name_prefix="smtp")

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def __call__(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        """One verdict for each delivery. An Ack means: the mail's end is durable and told."""
        verdicts: dict[int, Verdict] = {}
        taken: list[str] = []
        try:
            with metrics.stage_duration.labels(stage="sender.compose").time():
                work = list(self._sorted(deliveries, verdicts, taken))
            verdicts |= self._handle(work)
        finally:
            self._in_hand.put_down(taken)
        return [verdicts[index] for index in range(len(deliveries))]

    def _sorted(
        self, deliveries: Sequence[Delivery], verdicts: dict[int, Verdict], taken: list[str]
    ) -> Iterator[Task | Refused]:
        """What there is to do; what is not to be done now gets its verdict here."""
        orders = (each.envelope.message for each in deliveries)
        stock = self._gathering.stock([each for each in orders if isinstance(each, MailSend)])
        for index, delivery in enumerate(deliveries):
            command = delivery.envelope.message
            if not isinstance(command, MailSend):
                verdicts[index] = self._of_another_kind(delivery)
                continue
            if not self._in_hand.take(command.id):
                verdicts[index] = RetryIn(IN_HAND_RETRY_S, "the mail is being sent")
                continue
            taken.append(command.id)
            job = Job(index, delivery, stock.addressed(command), "")
            try:
                work = written(job, self._accounts.get(job.command.account), stock)
            except Transient as error:
                verdicts[index] = RetryIn(NOT_READY_RETRY_S, str(error))
                continue
            wait_s = self._wait_s(work)
            if wait_s:
                verdicts[index] = RetryIn(wait_s, "the account's mail server is left alone for a while")
            else:
                yield work

    def _of_another_kind(self, delivery: Delivery) -> Verdict:
        command = delivery.envelope.message
        if isinstance(command, AccountTest) and command.side == "smtp":
            return self._testing.begin(delivery)
        return DeadLetter(f"{delivery.envelope.type} does not belong in {delivery.queue}")

    def _wait_s(self, work: Task | Refused) -> float:
        """How long the mail has to wait for its account's server; not beyond its own end."""
        if isinstance(work, Refused):
            return 0.0
        if self._parts.patience.is_over(work.job.command.written_at, self._parts.clock()):
            return 0.0
        return self._parts.standings.retry_in_s(work.account, work.job.delivery.attempt)

    def _handle(self, work: Sequence[Task | Refused]) -> dict[int, Verdict]:
        if not work:
            return {}
        recorder = self._recorder()
        ended: list[Finding] = []

        def end(claims: dict[str, Claim]) -> Sequence[Finding]:
            ended.extend(filter(None, (self._end(each, claims[each.job.send_id]) for each in work)))
            return ended

        mails = [each for each in work if isinstance(each, Task)]
        claims, claimed_at = recorder.claim([each.job for each in work], end, mails)
        recorder.tell()
        verdicts = {each.job.index: each.verdict for each in ended}
        for each in ended:
            metrics.sends.labels(result=each.settled.state).inc()
        for each_work in work:
            if claims[each_work.job.send_id].before in FINAL:
                verdicts[each_work.job.index] = Ack()
        tasks = [
            replace(each, tries=claims[each.job.send_id].attempts)
            for each in work
            if isinstance(each, Task) and each.job.index not in verdicts
        ]
        return verdicts | self._rounds(tasks, claimed_at)

    def _end(self, work: Task | Refused, claim: Claim) -> Finding | None:
        """What there is to find without sending: a refusal, or a mail that an earlier life left in doubt."""
        if claim.before in FINAL:
            return None
        patience, now = self._parts.patience, self._parts.clock()
        if isinstance(work, Refused):
            return find(work.job, claim.attempts, work.outcome, patience=patience, now=now, wait_s=0)
        if claim.before != "in_data" or (work.job.may_repeat and claim.attempts < patience.blind_tries):
            return None
        return find(work.job, claim.attempts, _CRASHED, patience=patience, now=now, wait_s=0)

    def _rounds(self, tasks: Sequence[Task], claimed_at: datetime) -> dict[int, Verdict]:
        """One round for each account; several at a time, so that no account waits for another."""
        by_account: defaultdict[str, list[Task]] = defaultdict(list)
        for task in tasks:
            by_account[task.account.name].append(task)
        if len(by_account) == 1:
            return self._round(tasks, claimed_at)
        futures = [self._threads.submit(self._round, group, claimed_at) for group in by_account.values()]
        # None may go on alone when another fails: the mails are in hand until all are done.
        wait(futures)
        verdicts: dict[int, Verdict] = {}
        for future in futures:
            verdicts |= future.result()
        return verdicts

    def _round(self, tasks: Sequence[Task], claimed_at: datetime) -> dict[int, Verdict]:
        return Round(self._parts, tasks[0].account, self._recorder(), claimed_at).run(tasks)

    def _recorder(self) -> Recorder:
        return Recorder(self._store, self._relay, self._shards, self._parts.clock)


def written(job: Job, account: Account | None, stock: Stock) -> Task | Refused:
    """The job with its mail written, or why there is none. Raises Transient if that is not known yet."""
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


def _refused(job: Job, reason_code: str, sentence: str) -> Refused:
    return Refused(job, Outcome(Result.FAILED, reason_code, sentence))
