"""IDLE is given up for a while where it does not last."""

from __future__ import annotations

from postroom_fetcher.push import PAUSE_S, SHORT_ONES, SHORT_S, Push


def test_idle_that_ends_at_once_again_and_again_is_given_up_for_a_while() -> None:
    push = Push()
    for number in range(SHORT_ONES):
        assert push.is_wanted(float(number))
        push.begun(float(number))
        push.lost(float(number))
    assert not push.is_wanted(10.0)
    assert push.is_wanted(SHORT_ONES + PAUSE_S)


def test_idle_that_lasts_is_begun_again_however_often_the_connection_is_lost() -> None:
    push = Push()
    for number in range(3 * SHORT_ONES):
        push.begun(number * 2 * SHORT_S)
        push.lost((number * 2 + 1) * SHORT_S)
    assert push.is_wanted(1000.0)


def test_one_that_ends_as_it_should_makes_up_for_short_ones() -> None:
    push = Push()
    for number in range(3 * SHORT_ONES):
        push.begun(float(number))
        push.lost(float(number)) if number % SHORT_ONES else push.ended()
    assert push.is_wanted(100.0)


def test_where_idle_is_refused_the_mailbox_is_polled() -> None:
    push = Push()
    push.refused(5.0)
    assert not push.is_wanted(5.0 + PAUSE_S - 1)
