"""What an answer means, and what becomes of the event then (pure).

| answer | event | webhook |
|---|---|---|
| 2xx | done | works |
| 410 | waits | disabled, until its URL is another one or a test succeeds |
| 429, 503 with Retry-After | again | left alone so long |
| any other, none in time, an address not allowed | again with back-off for 24 h, then dead | failing |
"""

import email.utils
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from postroom.amount import amount
from postroom.broker.failure import delay_s
from postroom.broker.verdict import Ack, DeadLetter, RetryIn, Verdict

GIVE_UP_AFTER = timedelta(hours=24)
LONGEST_REST_S = 86_400.0
GONE, THROTTLED = 410, (429, 503)
_PARKED_S = 1.0


class Result(Enum):
    """What became of one request."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DISABLED = "disabled"


@dataclass(frozen=True)
class Outcome:
    """Of one request. `rest_s`: for how long the webhook asked to be left alone."""

    result: Result
    reason: str = ""
    rest_s: float = 0.0


def judged(status: int, retry_after: str | None, now: datetime) -> Outcome:
    """The outcome of an HTTP answer."""
    if 200 <= status < 300:
        return Outcome(Result.DELIVERED)
    if status == GONE:
        return Outcome(Result.DISABLED, "it answers 410 Gone: it wants no more events")
    if status in THROTTLED:
        return Outcome(Result.RETRY, f"it answers {status}", retry_after_s(retry_after, now))
    if 300 <= status < 400:
        return Outcome(Result.RETRY, f"it answers {status}, a redirection, which is not followed")
    return Outcome(Result.RETRY, f"it answers {status}")


def settled(outcome: Outcome, attempt: int, first_failed_at: datetime | None, now: datetime) -> Verdict:
    """What becomes of the event; `attempt` is 1 for the first."""
    if outcome.result is Result.DELIVERED:
        return Ack()
    if outcome.result is Result.DISABLED:
        return RetryIn(_PARKED_S, outcome.reason)
    if first_failed_at is not None and now - first_failed_at >= GIVE_UP_AFTER:
        return DeadLetter(
            f"not delivered in 24 h and {amount(attempt, 'attempt')}; the last: {outcome.reason}"
        )
    return RetryIn(max(delay_s(attempt), outcome.rest_s), outcome.reason)


def retry_after_s(value: str | None, now: datetime) -> float:
    """The seconds of a Retry-After (RFC 9110 section 10.2.3), a day at most; 0 for none or nonsense."""
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:10]), LONGEST_REST_S)
    try:
        seconds = (email.utils.parsedate_to_datetime(text) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_REST_S)
