"""One bad mail never blocks a mailbox: what the server lists and does not give is set aside, and not lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from postroom.account import Account
from postroom.metrics import mails_set_aside
from postroom_fetcher.fault import Unavailable
from postroom_fetcher.intake import Intake, Looked
from postroom_fetcher.progress import Box as Place
from postroom_fetcher.trouble import LONGEST_PAUSE, MOST_SET_ASIDE, TRIES
from postroom_fetcher.trouble_list import TroubleList
from tests.unit.fetcher.model_mailbox import Box, Desk, letter, open_desk

HOURS = 3600


@pytest.fixture(scope="module")
def whole_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("desk")) as desk:
        yield desk


@pytest.fixture
def desk(whole_desk: Desk) -> Desk:
    return replace(whole_desk, published=[])


def _filled(desk: Desk, count: int, **given: Any) -> Box:
    box = Box(**given)
    for number in range(count):
        box.add(letter(number, desk.now))
    return box


def _uids(desk: Desk, account: Account) -> list[int]:
    return sorted(mail.uid for _id, mail in desk.mails(account))


def _fail(desk: Desk, account: Account, box: Box, times: int) -> str:
    """Look so often, each time in a process that has just begun; returns the last reason."""
    reason = ""
    for _ in range(times):
        with pytest.raises(Unavailable) as caught:
            desk.look(desk.intake(), account, box)
        reason = caught.value.reason_code
    return reason


def _look_well(desk: Desk, account: Account, box: Box, intake: Intake | None = None) -> Looked:
    """Look until there is nothing more to do, as often as failures that are not final may take."""
    for _ in range(20 * TRIES):
        try:
            looked = desk.look(intake or desk.intake(), account, box)
        except Unavailable:
            continue
        if not looked.more:
            return looked
    raise AssertionError("there is no end of it")


@pytest.mark.parametrize("how", ["incomplete_answer", "refused", "disconnected"])
@pytest.mark.parametrize("bodies_only", [True, False], ids=["its body", "all of it"])
def test_a_mail_that_does_not_come_is_set_aside_after_three_tries_and_the_others_go_on(
    desk: Desk, how: str, bodies_only: bool
) -> None:
    box, account = _filled(desk, 9, withheld={5: how}, bodies_only=bodies_only), desk.account(count=1000)
    # What is asked for together fails together at first: the third failure of the mail alone may come later.
    assert _fail(desk, account, box, TRIES) == how
    looked = _look_well(desk, account, box)
    assert _uids(desk, account) == [1, 2, 3, 4, 6, 7, 8, 9]
    assert "1 mail is set aside" in looked.set_aside
    assert "UID 5 of 'INBOX'" in looked.set_aside
    assert how in looked.set_aside
    box.add(letter(50, desk.now))
    box.asked.clear()
    looked = desk.look(desk.intake(), account, box)
    assert _uids(desk, account) == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert looked.set_aside
    assert box.asked["FETCH"] == 2, "what is set aside is not asked for each time"


@pytest.mark.parametrize("how", ["incomplete_answer", "refused", "disconnected"])
def test_what_is_set_aside_is_tried_again_and_handed_on_once_when_it_comes(desk: Desk, how: str) -> None:
    box, account = _filled(desk, 4, withheld={2: how}), desk.account(count=1000)
    _look_well(desk, account, box)
    desk.wait(700)
    looked = _look_well(desk, account, box)
    assert looked.set_aside
    box.withheld.clear()
    box.asked.clear()
    desk.look(desk.intake(), account, box)
    assert box.asked["FETCH"] == 0, "its pause has doubled"
    desk.wait(LONGEST_PAUSE.total_seconds())
    looked = desk.look(desk.intake(), account, box)
    assert _uids(desk, account) == [1, 2, 3, 4]
    assert not looked.set_aside
    desk.wait(10 * HOURS)
    _look_well(desk, account, box)
    assert _uids(desk, account) == [1, 2, 3, 4]


def test_what_is_set_aside_is_tried_at_once_if_an_operator_says_so(desk: Desk) -> None:
    box, account = _filled(desk, 4, withheld={2: "incomplete_answer"}), desk.account(count=1000)
    _look_well(desk, account, box)
    box.withheld.clear()
    TroubleList(desk.store).try_now(account.name, desk.now)
    assert not desk.look(desk.intake(), account, box).set_aside
    assert _uids(desk, account) == [1, 2, 3, 4]


def test_what_is_set_aside_and_deleted_by_somebody_is_forgotten(desk: Desk) -> None:
    box, account = _filled(desk, 4, withheld={2: "incomplete_answer"}), desk.account(count=1000)
    intake = desk.intake()
    assert _look_well(desk, account, box, intake).set_aside
    gauge = mails_set_aside.labels(account=account.name, role="inbox")
    assert gauge._value.get() == 1
    del box.letters[2]
    desk.wait(700)
    assert not desk.look(intake, account, box).set_aside
    assert gauge._value.get() == 0
    assert TroubleList(desk.store).of(Place(account.name, "INBOX"), box.uidvalidity) == {}


def test_a_server_that_gives_nothing_at_all_is_at_fault_itself(desk: Desk) -> None:
    box, account = _filled(desk, 6), desk.account(count=1000)
    box.withheld = dict.fromkeys(box.letters, "incomplete_answer")
    assert _fail(desk, account, box, 5 * TRIES) == "incomplete_answer"
    assert _uids(desk, account) == []
    box.withheld.clear()
    looked = _look_well(desk, account, box)
    assert _uids(desk, account) == [1, 2, 3, 4, 5, 6]
    assert not looked.set_aside


def test_the_one_new_mail_of_a_folder_that_was_read_before_holds_it_up_no_longer_than_others(
    desk: Desk,
) -> None:
    box, account = _filled(desk, 3), desk.account(count=1000)
    _look_well(desk, account, box)
    box.withheld[box.add(letter(9, desk.now))] = "incomplete_answer"
    _fail(desk, account, box, TRIES)
    assert desk.look(desk.intake(), account, box).set_aside


def test_where_very_many_mails_do_not_come_the_server_is_at_fault(desk: Desk) -> None:
    bad = MOST_SET_ASIDE + 1
    box, account = _filled(desk, bad + 3), desk.account(count=1000)
    box.withheld = dict.fromkeys(range(1, bad + 1), "incomplete_answer")
    box.bodies_only = False
    assert _fail(desk, account, box, 2 * TRIES) == "incomplete_answer"
    assert _uids(desk, account) == []
    del box.withheld[bad]
    assert f"{MOST_SET_ASIDE} mails are set aside" in _look_well(desk, account, box).set_aside
    assert _uids(desk, account) == [bad, bad + 1, bad + 2, bad + 3]


def test_a_late_mail_that_does_not_come_is_set_aside_too(desk: Desk) -> None:
    box, account = _filled(desk, 3), desk.account(count=1000)
    late = box.reserve()
    box.add(letter(5, desk.now))
    _look_well(desk, account, box)
    box.add(letter(4, desk.now), late)
    box.withheld[late] = "disconnected"
    assert _look_well(desk, account, box).set_aside
    assert _uids(desk, account) == [1, 2, 3, 5]
    box.withheld.clear()
    desk.wait(HOURS)
    _look_well(desk, account, box)
    assert _uids(desk, account) == [1, 2, 3, 4, 5]


def test_another_uidvalidity_meets_what_was_set_aside_anew(desk: Desk) -> None:
    box, account = _filled(desk, 4, withheld={2: "incomplete_answer"}), desk.account(count=1000)
    _look_well(desk, account, box)
    box.renew()
    assert not _look_well(desk, account, box).set_aside
    assert sorted(desk.contents(account)) == sorted(letter(number, desk.now).content for number in range(4))


@pytest.mark.parametrize("how", ["incomplete_answer", "refused", "disconnected"])
def test_a_reply_behind_a_bad_mail_in_a_backlog_is_handed_on(desk: Desk, how: str) -> None:
    box, account = _filled(desk, 60, withheld={30: how}, bodies_only=False), desk.account(count=5)
    reply = box.add(letter(99, desk.now, reply=True))
    _look_well(desk, account, box)
    assert _uids(desk, account) == [1, 2, 3, 4, 5, reply]
