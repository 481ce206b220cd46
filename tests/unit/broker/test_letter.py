"""What a dead letter says of itself, and what goes back to its queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.broker.failure import republish
from postroom.broker.letter import read_letter, renewed, revived
from postroom.broker.reception import Taken
from postroom.broker.verdict import DeadLetter
from postroom.envelope import Wire, encode, envelop
from postroom.messages import ApprovalCancel

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MESSAGE = encode(envelop(ApprovalCancel(id="r-1"), source="/test", now=NOW, message_id="m-1"))


def dead(wire: Wire, attempt: int, now: datetime = NOW) -> Wire:
    return republish(Taken("some.queue", 1, wire, False, attempt), DeadLetter("why"), now).wire


def test_it_tells_why_since_when_and_how_often_also_after_replays() -> None:
    letter = read_letter(dead(MESSAGE, 4), "some.queue")
    told = (letter.id, letter.type, letter.reason, letter.since, letter.tried, letter.replays)
    assert told == ("m-1", "approval.cancel", "why", NOW, 4, 0)
    again = revived(letter)
    assert (again.message_id, again.body) == ("m-1", MESSAGE.body)
    assert not {"x-postroom-attempt", "x-postroom-first-failed-at"} & set(again.headers)
    later = NOW + timedelta(days=3)
    letter = read_letter(dead(again, 2, later), "some.queue")
    assert (letter.tried, letter.replays, letter.first_failed_at) == (6, 1, NOW)
    assert read_letter(renewed(letter), "some.queue").tried == 6


def test_what_the_broker_put_there_itself_has_its_reason() -> None:
    death = {"reason": "delivery_limit", "time": NOW.replace(tzinfo=None), "queue": "some.queue"}
    headers = {**MESSAGE.headers, "x-postroom-reason": "of its last retry", "x-death": [death]}
    letter = read_letter(Wire("m-1", headers, MESSAGE.body, MESSAGE.content_type), "some.queue")
    assert (letter.reason.partition(":")[0], letter.since) == ("the broker gave it out too often", NOW)
    kept = read_letter(renewed(letter), "some.queue")
    assert (kept.reason, kept.since) == (letter.reason, NOW)
    assert "x-death" not in renewed(letter).headers


@pytest.mark.parametrize("message_id", ["a" * 65, "a b", "\x1b[31m", "", "ä"])
def test_an_id_that_nobody_could_type_is_shown_as_a_digest(message_id: str) -> None:
    assert read_letter(Wire(message_id, {}, b"", ""), "q").id.startswith("sha256-")


_NAMES = st.sampled_from(
    [
        *("x-death", "x-postroom-reason", "x-postroom-attempt", "x-postroom-dead-at", "cloudEvents_type"),
        *("cloudEvents_account", "x-postroom-replays", "x-postroom-earlier-attempts", "x-delivery-count"),
    ]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=5) | st.datetimes(),
    lambda each: st.lists(each, max_size=2) | st.dictionaries(st.sampled_from(["reason", "time"]), each),
    max_leaves=4,
)


@given(st.dictionaries(_NAMES, _VALUES), st.binary(max_size=20), st.text(max_size=20))
def test_whatever_a_stranger_published_is_a_letter(
    headers: dict[str, object], body: bytes, kind: str
) -> None:
    letter = read_letter(Wire("m-1", headers, body, kind), "some.queue")
    assert revived(letter).message_id == renewed(letter).message_id == "m-1"
    assert "\n" not in letter.reason
