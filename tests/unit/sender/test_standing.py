"""Who is left alone, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from postroom.store.account_status import Report
from postroom_sender.outcome import Outcome, Result, Scope
from postroom_sender.patience import Patience
from postroom_sender.standing import Standings
from tests.unit.sender.commands import account

REFUSED = Outcome(Result.RETRY, "auth_failed", "refused", Scope.RED, 535)
AWAY = Outcome(Result.RETRY, "unreachable", "away", Scope.RED)
LATER = Outcome(Result.RETRY, "busy", "later", Scope.PAUSE, 421)


class Desk:
    """Standings with a clock, and with a store that several of them share."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.kept: dict[str, Report] = {}

    def standings(self) -> Standings:
        return Standings(lambda: self.now, Patience(), self.kept.get, lambda: 0.5)

    def fail(self, standings: Standings, outcome: Outcome) -> Report:
        """One try, if one is made, that ends like this."""
        standings.consult(account())
        assert not standings.rests(account())
        found = standings.failed(account(), outcome)
        assert found is not None
        self.kept["releases"] = found.report
        self.now += timedelta(hours=1)
        return found.report


def test_the_third_refusal_ends_the_tries_until_the_account_changes() -> None:
    desk = Desk()
    standings = desk.standings()
    reports = [desk.fail(standings, REFUSED) for _ in range(3)]
    assert [report.next_try_at is None for report in reports] == [False, False, True]
    assert standings.rests(account())
    assert [standings.retry_in_s(account(), attempt) for attempt in (1, 6, 7, 100)] == [10, 10, 60, 60]
    changed = account(smtp={"host": "other.example.com"})
    standings.consult(changed)
    assert not standings.rests(changed)


def test_outages_are_no_refusals_and_end_no_count_of_them() -> None:
    desk = Desk()
    standings = desk.standings()
    for outcome in (AWAY, AWAY, AWAY, REFUSED, AWAY, REFUSED, AWAY):
        assert desk.fail(standings, outcome).next_try_at is not None
    assert desk.fail(standings, REFUSED).next_try_at is None


def test_the_tries_are_counted_over_all_senders_and_their_lives() -> None:
    desk = Desk()
    reports = [desk.fail(desk.standings(), REFUSED) for _ in range(3)]
    assert [report.failures for report in reports] == [1, 2, 3]
    another = desk.standings()
    another.consult(account())
    assert another.rests(account())


def test_a_mail_asks_again_within_a_minute_however_long_its_server_is_left_alone() -> None:
    desk = Desk()
    standings = desk.standings()
    for _ in range(8):
        desk.fail(standings, AWAY)
    standings.failed(account(), AWAY)
    assert standings.retry_in_s(account(), 20) == 60


def test_a_server_that_asks_for_a_pause_stays_green() -> None:
    desk = Desk()
    standings = desk.standings()
    found = standings.failed(account(), LATER)
    assert found is not None and found.report.colour == "green" and found.paused_for == "later"
    assert standings.rests(account())
    desk.now += timedelta(hours=1)
    assert not standings.rests(account())
    report = standings.worked(account())
    assert report is not None
    assert report.report.colour == "green"


def test_an_account_that_was_found_to_work_is_tried_again() -> None:
    desk = Desk()
    standings = desk.standings()
    for _ in range(3):
        desk.fail(standings, REFUSED)
    standings.forgive(account())
    assert not standings.rests(account())
