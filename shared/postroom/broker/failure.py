"""What becomes of a message whose handling failed (pure)."""

from datetime import UTC, datetime, timedelta

from postroom import topology
from postroom.amount import amount
from postroom.broker.outgoing import Outgoing
from postroom.broker.reception import ATTEMPT, DELIVERY_COUNT, Taken
from postroom.broker.verdict import DeadLetter, RetryIn, Verdict
from postroom.envelope import Wire
from postroom.errors import Misconfigured, Permanent, Transient

REASON = "x-postroom-reason"
FIRST_FAILED_AT = "x-postroom-first-failed-at"
DEAD_AT = "x-postroom-dead-at"
QUEUE = "x-postroom-queue"
DUE_AT = "x-postroom-due-at"
"""When the delay that was wished for is over, where its queue is a shorter one."""
MAX_REASON_CHARS = 1_000
MAX_UNEXPECTED = 5
LONGEST_LEFT_S = 86_400.0
MISCONFIGURED_S = 60.0

# What the broker wrote would be taken for true about the new message, or refused.
BROKERS_OWN = (
    DELIVERY_COUNT,
    "x-death",
    "x-first-death-exchange",
    "x-first-death-queue",
    "x-first-death-reason",
)


def failed(error: Exception, attempt: int) -> Verdict:
    """The verdict for an exception of a handler.

    | error | verdict |
    |---|---|
    | Transient | again after its own wish, or the delay of this attempt |
    | Misconfigured | again after a minute or more: a person has to do something |
    | Permanent | quarantine |
    | any other | a fault of ours: again a few times, then quarantine |
    """
    text = str(error) or type(error).__name__
    if isinstance(error, Transient):
        return RetryIn(error.retry_after_s or delay_s(attempt), text)
    if isinstance(error, Misconfigured):
        return RetryIn(max(MISCONFIGURED_S, delay_s(attempt)), text)
    if isinstance(error, Permanent):
        return DeadLetter(text)
    reason = f"{type(error).__name__}: {error}"
    return DeadLetter(reason) if attempt >= MAX_UNEXPECTED else RetryIn(delay_s(attempt), reason)


def limited(verdict: Verdict, attempt: int, max_attempts: int) -> Verdict:
    """The verdict on a failure, but no more retries than there may be."""
    if isinstance(verdict, RetryIn) and attempt >= max_attempts:
        return DeadLetter(
            f"gave up after {amount(attempt, 'attempt')}; the last: {verdict.reason or 'no reason given'}"
        )
    return verdict


def delay_s(attempt: int) -> float:
    """Seconds to wait after this attempt."""
    return float(topology.RETRY_DELAYS_S[min(attempt, len(topology.RETRY_DELAYS_S)) - 1])


def republish(taken: Taken, verdict: RetryIn | DeadLetter, now: datetime) -> Outgoing:
    """The message for its delay queue or its quarantine: the same message, with the reason in its headers."""
    headers = {name: value for name, value in taken.wire.headers.items() if name not in BROKERS_OWN}
    headers[REASON] = _one_line(verdict.reason)
    headers[QUEUE] = taken.queue
    headers.setdefault(FIRST_FAILED_AT, now.astimezone(UTC).isoformat())
    headers[ATTEMPT] = taken.attempt + (isinstance(verdict, RetryIn) and verdict.counts)
    headers.pop(DUE_AT, None)
    wire = Wire(
        taken.wire.message_id, headers, taken.wire.body, taken.wire.content_type, taken.wire.correlation_id
    )
    if isinstance(verdict, DeadLetter):
        headers[DEAD_AT] = now.astimezone(UTC).isoformat()
        return Outgoing(wire, topology.DEAD, topology.dead_queue(taken.queue))
    wait_s = topology.retry_delay(verdict.delay_s)
    if wait_s < verdict.delay_s:
        headers[DUE_AT] = (
            (now + timedelta(seconds=min(verdict.delay_s, LONGEST_LEFT_S))).astimezone(UTC).isoformat()
        )
    return Outgoing(wire, topology.RETRY, topology.retry_queue(taken.queue, wait_s))


def left_s(wire: Wire, now: datetime) -> float:
    """Seconds that are left of the delay that was wished for; 0 if it is over, or the header is none of ours.

    Never more than the longest delay: clocks differ, and jump.
    """
    try:
        left = datetime.fromisoformat(str(wire.headers[DUE_AT])) - now
    except (KeyError, ValueError, TypeError):
        return 0.0
    return min(max(left.total_seconds(), 0.0), LONGEST_LEFT_S)


def _one_line(reason: str) -> str:
    return " ".join(reason.split())[:MAX_REASON_CHARS]
