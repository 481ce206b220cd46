"""What an outcome comes to: the mail's state, the event about it, and the verdict on its command (pure)."""

from dataclasses import dataclass
from datetime import datetime

from postroom.broker.verdict import Ack, RetryIn, Verdict
from postroom.messages import MailFailed, MailSent, MailUncertain, SendEvent
from postroom_sender.job import Job
from postroom_sender.ledger import Settled, State
from postroom_sender.outcome import Outcome, Result
from postroom_sender.patience import Patience

MIN_RETRY_S = 1.0


@dataclass(frozen=True)
class Finding:
    """Everything that follows from one attempt."""

    job: Job
    settled: Settled
    event: SendEvent | None
    verdict: Verdict


def find(
    job: Job, tries: int, outcome: Outcome, *, patience: Patience, now: datetime, wait_s: float
) -> Finding:
    """What follows from the outcome of attempt number `tries`; `wait_s` is how long a retry would wait."""
    outcome = _by_policy(job, tries, outcome, patience, now)
    attempts = max(tries, 1)
    about = {
        "account": job.command.account,
        "send_id": job.send_id,
        "recipient": job.command.recipient,
        "message_id": job.message_id,
    }
    reason = outcome.sentence

    def finding(state: State, event: SendEvent | None, verdict: Verdict) -> Finding:
        return Finding(job, Settled(job.send_id, state, outcome.code, reason), event, verdict)

    if outcome.result is Result.SENT:
        return finding("sent", MailSent.model_validate({**about, "attempts": attempts}), Ack())
    if outcome.result is Result.FAILED:
        more = {"attempts": attempts, "reason_code": outcome.reason_code, "reason": reason}
        return finding("failed", MailFailed.model_validate({**about, **more}), Ack())
    if outcome.result is Result.UNCERTAIN:
        return finding("uncertain", MailUncertain.model_validate({**about, "reason": reason}), Ack())
    return finding("retrying", None, RetryIn(max(MIN_RETRY_S, wait_s), reason))


def _by_policy(job: Job, tries: int, outcome: Outcome, patience: Patience, now: datetime) -> Outcome:
    """The outcome, unless policy makes another of it: a request is sent again, and time runs out."""
    if outcome.result is Result.UNCERTAIN and job.may_repeat and tries < patience.blind_tries:
        return Outcome(Result.RETRY, outcome.reason_code, outcome.sentence, outcome.scope)
    if outcome.result is Result.RETRY and patience.is_over(job.command.written_at, now):
        hours = patience.lifetime.total_seconds() / 3600
        sentence = f"given up after {hours:g} hours; the last reason: {outcome.sentence}"
        return Outcome(Result.FAILED, "expired", sentence, code=outcome.code)
    return outcome
