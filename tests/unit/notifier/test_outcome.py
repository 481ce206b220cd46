"""What an answer means, as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postroom.broker.verdict import Ack, DeadLetter, RetryIn
from postroom_notifier.outcome import Outcome, Result, judged, retry_after_s, settled

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
RETRY = Outcome(Result.RETRY, "it answers 500")


@pytest.mark.parametrize(
    ("status", "retry_after", "result", "rest_s"),
    [
        (200, None, Result.DELIVERED, 0),
        (204, "60", Result.DELIVERED, 0),
        (299, None, Result.DELIVERED, 0),
        (301, None, Result.RETRY, 0),
        (304, None, Result.RETRY, 0),
        (400, None, Result.RETRY, 0),
        (401, None, Result.RETRY, 0),
        (404, "60", Result.RETRY, 0),
        (410, None, Result.DISABLED, 0),
        (429, "90", Result.RETRY, 90),
        (429, None, Result.RETRY, 0),
        (500, "60", Result.RETRY, 0),
        (503, "Sat, 31 Jan 2026 12:02:00 GMT", Result.RETRY, 120),
    ],
)
def test_an_answer_is_judged_by_its_status(
    status: int, retry_after: str | None, result: Result, rest_s: float
) -> None:
    outcome = judged(status, retry_after, NOW)
    assert (outcome.result, outcome.rest_s) == (result, rest_s)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        *((None, 0), ("", 0), ("0", 0), ("-5", 0), ("soon", 0), ("1.5", 0), ("٣", 0)),
        *(("7", 7), (" 7 ", 7), ("86401", 86_400), ("9" * 400, 86_400)),
        ("Sat, 31 Jan 2026 11:00:00 GMT", 0),
        ("Sat, 31 Jan 2026 11:00:00", 0),
        ("Mon, 31 Jan 2050 11:00:00 GMT", 86_400),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_and_never_more_than_a_day(
    written: str | None, seconds: float
) -> None:
    assert retry_after_s(written, NOW) == seconds


@pytest.mark.parametrize(("attempt", "delay_s"), [(1, 1), (2, 10), (3, 60), (4, 600), (5, 3600), (20, 3600)])
def test_the_back_off_goes_along_the_delay_queues(attempt: int, delay_s: float) -> None:
    assert settled(RETRY, attempt, NOW - 23 * HOUR, NOW) == RetryIn(delay_s, RETRY.reason)


def test_an_event_is_given_up_a_day_after_it_first_failed_with_the_reason() -> None:
    assert settled(RETRY, 1, None, NOW) == RetryIn(1.0, RETRY.reason)
    dead = settled(RETRY, 28, NOW - 24 * HOUR, NOW)
    assert dead == DeadLetter("not delivered in 24 h and 28 attempts; the last: it answers 500")
    assert settled(Outcome(Result.DELIVERED), 28, NOW - 48 * HOUR, NOW) == Ack()
    gone = Outcome(Result.DISABLED, "410")
    assert isinstance(settled(gone, 28, NOW - 48 * HOUR, NOW), RetryIn)


def test_a_longer_wish_counts_more_than_the_back_off() -> None:
    assert settled(Outcome(Result.RETRY, "429", 300), 1, None, NOW) == RetryIn(300, "429")
