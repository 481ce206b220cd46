"""How many mails an interval takes."""

from __future__ import annotations

from postroom_fetcher.allowance import Allowance


def test_an_interval_takes_so_many_and_the_next_one_as_many_again() -> None:
    allowance = Allowance(30, 300, 1000.0).taken(20)
    assert (allowance.room, allowance.taken(15).room) == (10, 0)
    assert allowance.ends_in_s(1100.0) == 200.0
    assert allowance.at(1299.0, 30, 300) == allowance
    assert allowance.at(1300.0, 30, 300) == Allowance(30, 300, 1300.0)


def test_a_changed_count_holds_at_once() -> None:
    allowance = Allowance(30, 300, 1000.0).taken(30)
    assert allowance.at(1001.0, 50, 300).room == 20
    assert allowance.at(1060.0, 30, 60).room == 30
