"""The limits of an account, whatever comes in whatever order: exact, in order, nobody starved."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_processor.limits import REPLIES_PER_APPROVER, Line, Place, Window, approver_key, sender_key

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def waiting(ids: list[tuple[str, str]], window: Window, per_sender: int | None) -> Line:
    """The line as the store makes it for a batch that has all of the mails that wait."""
    places, counts, next_ids = {}, Counter[str](), []
    for ahead, (mail_id, sender) in enumerate(ids):
        places[mail_id] = Place(ahead, counts[sender])
        if per_sender is None or counts[sender] < per_sender:
            next_ids.append(mail_id)
        counts[sender] += 1
    shown = tuple(next_ids[: window.room + len(ids)]) if window.has_room else ()
    return Line(per_sender, shown, places, len(ids), {}, dict(counts))


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=40),
    st.integers(1, 6),
    st.one_of(st.none(), st.integers(1, 3)),
    st.randoms(use_true_random=False),
)
def test_every_window_is_exact_and_nobody_overtakes(
    arrivals: list[tuple[bool, str]], limit: int, per_sender: int | None, order: object
) -> None:
    """Mails come, some of them at once and some a window later; all go, first come first gone by sender."""
    senders = {f"m{number:02}": sender for number, (_, sender) in enumerate(arrivals)}
    to_come = list(senders)
    line: list[tuple[str, str]] = []
    gone: list[str] = []
    window = Window(NOW, 60, limit, 0)
    for _ in range(200):
        now_here = [mail_id for mail_id in to_come if arrivals[int(mail_id[1:])][0] or gone or line]
        to_come = [mail_id for mail_id in to_come if mail_id not in now_here]
        if not now_here and to_come:
            now_here, to_come = to_come[:1], to_come[1:]
        before = [mail_id for mail_id, _ in line]
        batch = [*before, *now_here]
        order.shuffle(batch)  # type: ignore[attr-defined]
        state, room, went = waiting(line, window, per_sender), window, list[str]()
        for mail_id in batch:
            sender = senders[mail_id]
            refused = state.refusal(room, mail_id, sender)
            if refused is None:
                state, room = state.taken(mail_id, sender), room.taken()
                went.append(mail_id)
            else:
                assert refused.until >= window.ends_at
                state = state.joined(mail_id, sender)
                if mail_id not in before:
                    line.append((mail_id, sender))
        line = [each for each in line if each[0] not in went]
        assert len(went) <= limit
        counts = Counter(senders[mail_id] for mail_id in went)
        assert per_sender is None or all(count <= per_sender for count in counts.values())
        overtaken = [mail_id for mail_id in before if mail_id not in went]
        if any(mail_id in now_here for mail_id in went):
            # Newcomers went: whoever stayed behind had no room of their sender.
            assert all(per_sender and counts[senders[each]] >= per_sender for each in overtaken)
        gone += went
        window = window.at(window.ends_at)
        if not line and not to_come:
            break
    assert sorted(gone) == sorted(senders)


def test_a_mail_is_told_in_which_window_its_turn_is() -> None:
    full = Window(NOW, 60, 3, 3)
    untils = []
    line = Line()
    for number in range(7):
        refused = line.refusal(full, f"m{number}", "from:a")
        assert refused is not None
        untils.append((refused.until - NOW).total_seconds())
        line = line.joined(f"m{number}", "from:a")
    assert untils == [60, 60, 60, 120, 120, 120, 180]


def test_a_million_mails_at_one_a_day_have_their_turn_within_the_calendar() -> None:
    refused = Line(length=1_000_000).refusal(Window(NOW, 86400, 1, 1), "m", "from:a")
    assert refused is not None
    assert refused.until < NOW + timedelta(days=400)


@given(st.lists(st.integers(-100_000, 100_000), max_size=30))
def test_no_clock_opens_a_window_twice_or_keeps_it_shut_for_ever(jumps_s: list[int]) -> None:
    window, now = Window(NOW, 300, 1, 1), NOW
    for jump_s in jumps_s:
        now += timedelta(seconds=jump_s)
        after = window.at(now)
        if after.used < window.used:
            assert now >= window.ends_at
        assert after.ends_at <= now + timedelta(seconds=600)
        window = replace(after, used=1)


def test_an_allowance_for_replies_is_each_approvers_own_and_has_an_end() -> None:
    line, anna, bert = Line(), approver_key("Anna@x.example"), approver_key("bert@x.example")
    for _ in range(REPLIES_PER_APPROVER):
        assert line.has_reply_room(approver_key("anna@X.example"))
        line = line.replied(anna)
    assert not line.has_reply_room(anna)
    assert line.has_reply_room(bert)


@pytest.mark.parametrize("address", [None, "x" * 1_000 + "@y.example"])
def test_a_sender_without_an_address_or_with_a_long_one_has_a_key(address: str | None) -> None:
    assert 0 < len(sender_key(address)) <= 320
