"""How requests live: the table of states and events, the rules by which votes count, and what is due when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_processor.lifecycle import (
    ENDED,
    TABLE,
    Count,
    Ending,
    EventKind,
    Plan,
    Progress,
    Seat,
    State,
    Terms,
    Vote,
    after,
    changed_reason,
    count,
    due,
    late_reason,
    missing,
    next_due,
    upcoming,
    voted_reason,
)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
STATES: tuple[State, ...] = get_args(State)
EVENTS: tuple[EventKind, ...] = get_args(EventKind)
COLOURS = ("red", "green", "blue")


def terms(
    rule: str, people: int, choices: tuple[str, ...] = ("approve", "reject"), to_come: int = 0
) -> Terms:
    return Terms(choices, rule, tuple(Seat(f"p{each}@x") for each in range(people)), to_come)


def votes(*choices: str) -> tuple[Vote, ...]:
    return tuple(Vote(f"p{each}@x", f"p{each}@x", choice, NOW) for each, choice in enumerate(choices))


def test_every_event_in_every_state_is_defined() -> None:
    assert set(TABLE) == {(state, event) for state in STATES for event in EVENTS}


def test_what_has_ended_stays_as_it_is() -> None:
    for state in ENDED:
        for event in EVENTS:
            cell = TABLE[state, event]
            assert cell.after == state
            assert cell.effect in ("tell", "refuse", "ignore", "nothing")


@pytest.mark.parametrize(
    ("event", "state", "effect"),
    [
        ("ask", "pending", "tell"),
        ("change", "pending", "ask_afresh"),
        ("vote", None, "count"),
        ("delegate", "pending", "ask_delegate"),
        ("cancel", "cancelled", "end"),
        ("remind", "pending", "mail"),
        ("escalate", "pending", "mail"),
        ("expire", "expired", "end"),
    ],
)
def test_what_happens_to_a_pending_request(event: EventKind, state: State | None, effect: str) -> None:
    cell = TABLE["pending", event]
    assert (cell.after, cell.effect) == (state, effect)


def test_only_what_was_cancelled_can_be_cancelled_again() -> None:
    told = {state: TABLE[state, "cancel"].effect for state in ENDED}
    assert told == {"decided": "refuse", "undecided": "refuse", "expired": "refuse", "cancelled": "tell"}


# rule, people, votes, what they come to
COUNTS: list[tuple[str, int, tuple[str, ...], Count]] = [
    ("any", 3, (), Count("pending")),
    ("any", 3, ("approve",), Count("decided", "approve")),
    ("any", 3, ("reject",), Count("decided", "reject")),
    ("all", 1, ("approve",), Count("decided", "approve")),
    ("all", 3, ("approve", "approve"), Count("pending")),
    ("all", 3, ("approve", "approve", "approve"), Count("decided", "approve")),
    ("all", 3, ("approve", "reject"), Count("decided", "reject")),
    ("2", 3, ("approve",), Count("pending")),
    ("2", 3, ("reject",), Count("pending")),
    ("2", 3, ("reject", "approve"), Count("pending")),
    ("2", 3, ("reject", "approve", "approve"), Count("decided", "approve")),
    ("2", 3, ("reject", "approve", "reject"), Count("decided", "reject")),
    ("3", 4, ("reject", "reject"), Count("decided", "reject")),
    ("2", 5, ("reject", "reject"), Count("decided", "reject")),
    ("2", 2, ("reject",), Count("decided", "reject")),
]
OTHER_COUNTS: list[tuple[str, int, tuple[str, ...], Count]] = [
    ("any", 3, ("blue",), Count("decided", "blue")),
    ("all", 2, ("blue", "blue"), Count("decided", "blue")),
    ("all", 3, ("blue", "red"), Count("undecided")),
    ("2", 3, ("blue", "red"), Count("pending")),
    ("2", 3, ("blue", "red", "red"), Count("decided", "red")),
    ("2", 3, ("blue", "red", "green"), Count("undecided")),
    ("3", 4, ("blue", "red"), Count("pending")),
    ("3", 4, ("blue", "red", "green"), Count("undecided")),
    ("3", 4, ("blue", "red", "blue"), Count("pending")),
    ("3", 4, ("blue", "blue", "red", "red"), Count("undecided")),
]


@pytest.mark.parametrize(("rule", "people", "given", "expected"), COUNTS)
def test_votes_for_approve_and_reject(
    rule: str, people: int, given: tuple[str, ...], expected: Count
) -> None:
    assert count(terms(rule, people), votes(*given)) == expected


@pytest.mark.parametrize(("rule", "people", "given", "expected"), OTHER_COUNTS)
def test_votes_for_other_choices(rule: str, people: int, given: tuple[str, ...], expected: Count) -> None:
    assert count(terms(rule, people, COLOURS), votes(*given)) == expected


def test_the_default_choices_are_so_in_any_order_and_case() -> None:
    reversed_choices = terms("all", 3, ("Reject", "Approve"))
    assert count(reversed_choices, votes("Reject")) == Count("decided", "Reject")


def test_those_to_whom_it_will_escalate_may_still_settle_it() -> None:
    split = votes("blue", "red")
    assert count(terms("2", 2, COLOURS, to_come=1), split) == Count("pending")
    assert count(terms("2", 2, COLOURS), split) == Count("undecided")
    assert count(terms("all", 2, COLOURS, to_come=1), split) == Count("undecided")


def test_who_is_asked_later_stands_in_for_the_first_and_makes_nothing_harder() -> None:
    seats = (Seat("p0@x"), Seat("p1@x"), Seat("boss@x", "escalated"))
    asked = Terms(rule="all", seats=seats)
    boss = Vote("boss@x", "boss@x", "approve", NOW)
    assert count(asked, (*votes("approve"), boss)) == Count("decided", "approve")
    assert count(asked, (Vote("boss@x", "boss@x", "reject", NOW),)) == Count("decided", "reject")


def test_an_approver_and_the_delegate_have_one_vote_together() -> None:
    seats = (Seat("p0@x"), Seat("p1@x"), Seat("d@x", "delegate", "p0@x"))
    asked = Terms(rule="all", seats=seats)
    by_delegate = Vote("p0@x", "d@x", "approve", NOW)
    assert asked.first == 2
    assert count(asked, (by_delegate,)) == Count("pending")
    assert [seat.address for seat in missing(asked, (by_delegate,))] == ["p1@x"]


@given(
    people=st.integers(1, 6),
    rule=st.sampled_from(["any", "all", "1", "2", "3"]),
    choices=st.sampled_from([("approve", "reject"), COLOURS]),
    data=st.data(),
)
def test_a_result_never_changes_by_more_votes_and_all_votes_leave_nothing_open(
    people: int, rule: str, choices: tuple[str, ...], data: st.DataObject
) -> None:
    if rule.isdecimal() and int(rule) > people:
        rule = "all"
    asked = terms(rule, people, choices)
    given = votes(*(data.draw(st.sampled_from(choices)) for _ in range(people)))
    results = [count(asked, given[:number]) for number in range(people + 1)]
    assert results[0] == Count("pending")
    assert results[-1].state != "pending"
    first = next(index for index, each in enumerate(results) if each.state != "pending")
    ended = results[first]
    if ended.state == "undecided":
        assert {each.state for each in results[first:]} == {"undecided"}
    else:
        assert sum(vote.choice == ended.decision for vote in given[:first]) >= asked.needed(
            str(ended.decision)
        )


@given(given=st.lists(st.sampled_from(["approve", "reject"]), min_size=1, max_size=5), data=st.data())
def test_approve_and_reject_never_end_undecided(given: list[str], data: st.DataObject) -> None:
    rule = data.draw(st.sampled_from(["any", "all", *map(str, range(1, len(given) + 1))]))
    assert count(terms(rule, len(given)), votes(*given)).state == "decided"


def test_the_order_of_votes_changes_no_unanimous_result() -> None:
    for order in permutations(votes("blue", "blue", "blue")):
        assert count(terms("all", 3, COLOURS), order) == Count("decided", "blue")


def test_a_comment_is_needed_for_the_choices_that_ask_for_it() -> None:
    asked = Terms(comment_required=("Reject",))
    assert asked.needs_comment("reject")
    assert not asked.needs_comment("approve")


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (Ending("decided", "anna@x", NOW), "already decided by anna@x at 2026-03-02 12:00 UTC"),
        (Ending("undecided", None, NOW), "the request ended undecided at 2026-03-02 12:00 UTC"),
        (Ending("expired", None, NOW), "the request is expired"),
        (Ending("cancelled", None, NOW), "the request is cancelled"),
    ],
)
def test_who_comes_late_is_told_why(ending: Ending, reason: str) -> None:
    assert late_reason(ending) == reason


def test_a_second_vote_and_a_reply_to_what_was_changed_are_told_why() -> None:
    vote = Vote("anna@x", "bert@x", "approve", NOW)
    assert voted_reason(vote, "Bert@x").startswith("you already voted 'approve' at 2026-03-02 12:00 UTC")
    assert voted_reason(vote, "anna@x").startswith("bert@x already voted 'approve'")
    assert changed_reason(NOW) == "this request was changed at 2026-03-02 12:00 UTC; see the new mail"


DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def progress(deadline: timedelta = DAY, **plan: object) -> Progress:
    return Progress(Plan(**plan), NOW, NOW + deadline)  # type: ignore[arg-type]


def test_without_a_plan_only_the_deadline_is_due() -> None:
    assert upcoming(progress()) == ("expiry", NOW + DAY)
    assert due(progress(), NOW + DAY) == ()
    assert due(progress(), NOW + DAY + HOUR) == ("expire",)


def test_reminders_come_one_by_one_and_before_the_deadline() -> None:
    planned = progress(remind_after_s=(3600, 7200, 7 * 86400))
    assert upcoming(planned) == ("reminder", NOW + HOUR)
    assert due(planned, NOW + HOUR) == ("remind",)
    once = after(planned, ("remind",), NOW + HOUR)
    assert next_due(once) == NOW + 2 * HOUR
    assert upcoming(after(once, ("remind",), NOW + 2 * HOUR)) == ("expiry", NOW + DAY)


def test_reminders_that_were_missed_are_one() -> None:
    planned = progress(remind_every_s=3600, remind_at_most=10)
    late = NOW + 5 * HOUR + HOUR / 2
    assert due(planned, late) == ("remind",)
    assert next_due(after(planned, ("remind",), late)) == NOW + 6 * HOUR


def test_no_more_reminders_than_allowed() -> None:
    planned = progress(remind_every_s=3600, remind_at_most=2)
    assert planned.plan.reminder_times(NOW, NOW + DAY) == [NOW + HOUR, NOW + 2 * HOUR]


def test_it_escalates_once_and_not_after_the_deadline() -> None:
    planned = progress(escalate_after_s=3600, escalate_to=("boss@x",), remind_after_s=(3600,))
    assert due(planned, NOW + HOUR) == ("remind", "escalate")
    assert due(after(planned, ("remind", "escalate"), NOW + HOUR), NOW + 2 * HOUR) == ()
    assert due(progress(HOUR, escalate_after_s=3600), NOW + HOUR) == ()
    assert due(planned, NOW + 2 * DAY) == ("expire",)


@given(
    every_s=st.integers(60, 7200),
    at_most=st.integers(1, 20),
    looks=st.lists(st.integers(1, 5000), max_size=60),
)
def test_however_often_somebody_looks_nothing_is_done_twice(
    every_s: int, at_most: int, looks: list[int]
) -> None:
    planned = progress(remind_every_s=every_s, remind_at_most=at_most, escalate_after_s=4000)
    now = NOW
    done: list[EventKind] = []
    for pause_s in looks:
        now += timedelta(seconds=pause_s)
        kinds = due(planned, now)
        if kinds == ("expire",):
            break
        done += kinds
        planned = after(planned, kinds, now)
        assert due(planned, now) == ()
        assert next_due(planned) >= now
    assert done.count("escalate") <= 1
    assert done.count("remind") <= at_most
