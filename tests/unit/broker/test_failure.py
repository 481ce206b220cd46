"""What becomes of a message whose handling failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postroom import topology
from postroom.broker.failure import LONGEST_LEFT_S, MAX_UNEXPECTED, failed, left_s, limited, republish
from postroom.broker.reception import Taken
from postroom.broker.verdict import Ack, DeadLetter, RetryIn, Verdict
from postroom.envelope import Wire
from postroom.errors import Misconfigured, Permanent, Transient, Undecodable

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "attempt", "verdict"),
    [
        (Transient("gone"), 1, RetryIn(1, "gone")),
        (Transient("gone"), 3, RetryIn(60, "gone")),
        (Transient("gone"), 99, RetryIn(3600, "gone")),
        (Transient("gone", retry_after_s=7), 3, RetryIn(7, "gone")),
        (Misconfigured("password", "wrong password"), 1, RetryIn(60, "wrong password")),
        (Misconfigured("password", "wrong password"), 5, RetryIn(3600, "wrong password")),
        (Permanent("never"), 1, DeadLetter("never")),
        (Undecodable("what?"), 1, DeadLetter("what?")),
        (KeyError("x"), 1, RetryIn(1, "KeyError: 'x'")),
        (KeyError("x"), MAX_UNEXPECTED, DeadLetter("KeyError: 'x'")),
    ],
)
def test_an_error_says_who_acts(error: Exception, attempt: int, verdict: Verdict) -> None:
    assert failed(error, attempt) == verdict


def test_failures_end_in_quarantine_at_last() -> None:
    assert limited(RetryIn(1, "gone"), 19, 20) == RetryIn(1, "gone")
    assert limited(RetryIn(1, "gone"), 20, 20) == DeadLetter("gave up after 20 attempts; the last: gone")
    assert limited(Ack(), 99, 20) == Ack()


def test_what_the_broker_wrote_about_a_message_is_not_copied_to_the_next() -> None:
    headers = {
        "x-delivery-count": 7,
        "x-death": [{}],
        "cloudEvents_id": "1",
        "x-postroom-first-failed-at": "then",
    }
    taken = Taken("some.queue", 1, Wire("1", headers, b"body", "text/plain", "c"), True, 2)
    again = republish(taken, RetryIn(59, "a\r\nb\x00" + "x" * 5000), NOW)
    assert (again.exchange, again.routing_key) == (topology.RETRY, "some.queue.retry.10")
    assert again.wire.headers["x-postroom-attempt"] == 3
    assert again.wire.headers["x-postroom-first-failed-at"] == "then"
    assert again.wire.headers["cloudEvents_id"] == "1"
    assert not {"x-delivery-count", "x-death"} & set(again.wire.headers)
    assert len(again.wire.headers["x-postroom-reason"]) == 1000
    assert "\n" not in again.wire.headers["x-postroom-reason"]
    assert (again.wire.message_id, again.wire.body, again.wire.correlation_id) == ("1", b"body", "c")


def test_a_dead_letter_keeps_its_attempt_and_says_when_it_failed_first() -> None:
    taken = Taken("some.queue", 1, Wire("1", {}, b"", ""), False, 4)
    dead = republish(taken, DeadLetter("never"), NOW)
    assert (dead.exchange, dead.routing_key) == (topology.DEAD, "some.queue.dead")
    assert dead.wire.headers["x-postroom-attempt"] == 4
    assert dead.wire.headers["x-postroom-first-failed-at"] == "2026-01-02T00:00:00+00:00"
    assert dead.must_route


@pytest.mark.parametrize(
    ("delay_s", "after_s", "left"),
    [
        (300, 60, 240),
        (300, 300, 0),
        (60, 0, 0),
        (7.5, 1, 6.5),
        (float("inf"), 0, LONGEST_LEFT_S),
        (0.2, 0, 0),
    ],
)
def test_what_a_delay_queue_is_too_short_for_is_known_when_the_message_returns(
    delay_s: float, after_s: float, left: float
) -> None:
    again = republish(Taken("q", 1, Wire("1", {}, b"", "text/plain"), False, 1), RetryIn(delay_s), NOW)
    assert left_s(again.wire, NOW + timedelta(seconds=after_s)) == left
    hop = republish(Taken("q", 1, again.wire, False, 2), RetryIn(60, counts=False), NOW)
    assert (left_s(hop.wire, NOW), hop.wire.headers["x-postroom-attempt"]) == (0, 2)


@pytest.mark.parametrize("said", ["soon", 7, "2026-01-03T00:00:00", None])
def test_a_stranger_does_not_say_how_long_a_message_waits(said: object) -> None:
    assert left_s(Wire("1", {"x-postroom-due-at": said}, b"", "text/plain"), NOW) == 0
