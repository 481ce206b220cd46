"""UIDs that had no mail to see when the cursor passed them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from postroom_fetcher import gaps
from postroom_fetcher.cursor import Cursor
from postroom_fetcher.gaps import MAX_GAPS, REACH_UIDS, SETTLE
from postroom_fetcher.uid_set import MAX_SET_BYTES

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CURSOR = Cursor(7, 100, NOW, settled_uid=100, marked_uid=100, marked_at=NOW, scanned_uid=100)
uids = st.sets(st.integers(101, 200)).map(sorted)


def test_what_the_cursor_passes_unseen_is_a_gap() -> None:
    moved = gaps.passed(CURSOR, 110, [101, 105, 106])
    assert (moved.last_uid, moved.gaps) == (110, ((102, 104), (107, 110)))
    assert gaps.passed(moved, 112, [111]).gaps == ((102, 104), (107, 110), (112, 112))
    assert gaps.passed(moved, 105, []) == moved


def test_mail_that_appeared_is_no_gap_any_more() -> None:
    moved = gaps.passed(CURSOR, 110, [110])
    assert gaps.appeared(moved, [103, 104, 109]).gaps == ((101, 102), (105, 108))


@given(uids, st.lists(st.integers(101, 200)), st.integers(101, 200))
def test_gaps_are_what_was_not_seen_whatever_the_steps(
    seen: list[int], steps: list[int], appeared: int
) -> None:
    cursor = CURSOR
    for step in (*steps, 200):
        cursor = gaps.passed(cursor, step, seen)
    cursor = gaps.appeared(cursor, [appeared])
    left = set(range(101, 201)) - {*seen, appeared}
    assert {uid for first, last in cursor.gaps for uid in range(first, last + 1)} == left
    assert gaps.within(cursor, [*range(90, 210), *range(90, 210)]) == sorted(left)
    assert gaps.read(gaps.written(cursor.gaps)) == cursor.gaps


def test_a_gap_stays_open_for_the_time_whatever_else_arrives() -> None:
    cursor, now = gaps.passed(CURSOR, 105, [105]), NOW
    opened_at = None
    while cursor.gaps:
        now += timedelta(seconds=30)
        cursor = gaps.settled(cursor, cursor.last_uid + 1, now)
        opened_at = opened_at or now
        if cursor.gaps:
            cursor = gaps.passed(cursor, cursor.last_uid + 1, [cursor.last_uid + 1])
    assert SETTLE <= now - NOW <= 3 * SETTLE


def test_a_uid_given_out_long_before_it_was_passed_has_had_its_time() -> None:
    begun = replace(CURSOR, last_uid=0, settled_uid=0, marked_uid=5_000)
    later = gaps.settled(begun, 6_001, NOW + SETTLE)
    assert (later.settled_uid, later.marked_uid) == (5_000, 6_000)
    assert gaps.passed(later, 5_500, []).gaps == ((5_001, 5_500),)


def test_a_quiet_folder_is_settled_and_stays_as_it_is() -> None:
    cursor, now = gaps.passed(CURSOR, 105, [105]), NOW
    for _ in range(3):
        now += SETTLE
        cursor = gaps.settled(cursor, 106, now)
    assert (cursor.settled_uid, cursor.gaps) == (105, ())
    assert gaps.settled(cursor, 106, now + timedelta(days=1)) is cursor


def test_the_newest_gaps_are_kept_and_fit_one_search() -> None:
    high = 4_294_000_000
    cursor = replace(CURSOR, last_uid=high, settled_uid=high)
    moved = gaps.passed(cursor, high + 2 * MAX_GAPS + 100, range(high, high + 2 * MAX_GAPS + 100, 2))
    assert len(moved.gaps) == MAX_GAPS
    assert moved.gaps[-1][1] == moved.last_uid
    assert len(gaps.written(moved.gaps)) <= MAX_SET_BYTES


def test_what_a_search_in_the_gaps_finds_fits_a_line() -> None:
    moved = gaps.passed(CURSOR, 4_000_000_000, [])
    assert moved.gaps == ((4_000_000_000 - REACH_UIDS + 1, 4_000_000_000),)
