"""What an attempt comes to: the mail's state, the events about it, and the verdict on its command (pure).

A mail with several recipients has an outcome for each of them; who is settled stays so, and the mail is tried
again for those alone who are not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from postroom.broker.verdict import Ack, RetryIn, Verdict
from postroom.doubt import NewDoubt
from postroom.messages import MailFailed, MailSent, MailUncertain, SendEvent
from postroom.sent_copies import NewCopy
from postroom_sender.job import Job
from postroom_sender.ledger import Settled, SettledRecipient, State
from postroom_sender.outcome import Outcome, Result
from postroom_sender.patience import Patience
from postroom_sender.transaction import Handover

MIN_RETRY_S = 1.0
_STATES: Mapping[Result, State] = {
    Result.RETRY: "retrying",
    Result.UNCERTAIN: "uncertain",
    Result.SENT: "sent",
    Result.FAILED: "failed",
}
_PRECEDENCE = tuple(_STATES.values())
"""A mail is what the first of these is that one of its recipients is: what asks for something comes first."""


@dataclass(frozen=True)
class Finding:
    """Everything that follows from one attempt. `unfiled`: the mail, where its copy waits for the spool."""

    job: Job
    settled: Settled
    events: tuple[SendEvent, ...]
    verdict: Verdict
    doubt: NewDoubt | None = None
    copy: NewCopy | None = None
    unfiled: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Ending:
    """When an attempt ended: `tries` were made with it, and another would be `wait_s` later."""

    tries: int
    now: datetime
    patience: Patience
    wait_s: float = 0.0


def find(job: Job, found: Handover | Outcome, ending: Ending) -> Finding:
    """What follows from an attempt; an Outcome is about all recipients that are not settled."""
    if isinstance(found, Outcome):
        found = Handover(found)
    outcomes = {
        each: _by_policy(job, job.hindered.get(each) or found.of(each), ending) for each in job.pending
    }
    states: dict[str, State] = {each: _STATES[outcome.result] for each, outcome in outcomes.items()}
    state = next(each for each in _PRECEDENCE if each in (*states.values(), *job.settled.values()))
    # Of the recipients that made the state what it is, the first one's words stand for all.
    said = next((outcomes[each] for each in states if states[each] == state), next(iter(outcomes.values())))
    recipients = _recipients(job, outcomes, states)
    settled = Settled(job.send_id, state, said.code, said.sentence, recipients, said.reason_code)
    events = tuple(filter(None, (_event(job, each, outcomes[each], ending) for each in outcomes)))
    retry = [each for each in outcomes.values() if each.result is Result.RETRY]
    if not retry:
        return Finding(job, settled, events, Ack())
    wait_s = max(MIN_RETRY_S, ending.wait_s, min(each.retry_after_s for each in retry))
    return Finding(job, settled, events, RetryIn(wait_s, retry[0].sentence))


def _recipients(
    job: Job, outcomes: Mapping[str, Outcome], states: Mapping[str, State]
) -> tuple[SettledRecipient, ...]:
    """The rows of a mail with several recipients; one alone is in the mail's own row."""
    if not job.command.cc:
        return ()
    return tuple(
        SettledRecipient(each, states[each], outcome.code, outcome.sentence)
        for each, outcome in outcomes.items()
    )


def _event(job: Job, recipient: str, outcome: Outcome, ending: Ending) -> SendEvent | None:
    about: dict[str, Any] = {
        "account": job.command.account,
        "send_id": job.send_id,
        "recipient": recipient,
        "message_id": job.message_id,
    }
    attempts = max(ending.tries, 1)
    if outcome.result is Result.SENT:
        return MailSent(**about, attempts=attempts)
    if outcome.result is Result.FAILED:
        more: dict[str, Any] = {
            "attempts": attempts,
            "reason_code": outcome.reason_code,
            "reason": outcome.sentence,
        }
        return MailFailed(**about, **more)
    if outcome.result is Result.UNCERTAIN:
        return MailUncertain(**about, reason=outcome.sentence)
    return None


def _by_policy(job: Job, outcome: Outcome, ending: Ending) -> Outcome:
    """The outcome, unless time runs out."""
    patience = ending.patience
    if outcome.result is Result.RETRY and patience.is_over(job.command.written_at, ending.now):
        hours = patience.lifetime.total_seconds() / 3600
        sentence = f"given up after {hours:g} hours; the last reason: {outcome.sentence}"
        return Outcome(Result.FAILED, "expired", sentence, code=outcome.code)
    return outcome
