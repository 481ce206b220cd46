"""What one look reads, in which order, and what it remembers: against a mailbox in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from postroom.account import Account
from postroom.errors import Transient
from postroom.messages import MailReceived
from tests.unit.fetcher.model_mailbox import Box, Desk, Letter, letter, open_desk


@pytest.fixture(scope="module")
def whole_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("desk")) as desk:
        yield desk


@pytest.fixture
def desk(whole_desk: Desk) -> Desk:
    return replace(whole_desk, published=[])


DAY_S = 86_400


def _uids(mails: list[tuple[str, MailReceived]]) -> list[int]:
    return [mail.uid for _id, mail in mails]


def _crash_once(when: str) -> Any:
    left = [when]
    return lambda now: now in left and not left.remove(now)  # type: ignore[func-returns-value]


def _reached(desk: Desk, box: Box, uid: int, **imap: Any) -> Account:
    """An account whose folder was handed on up to a UID."""
    account = desk.account(count=1000, **imap)
    while box.uidnext <= uid:
        box.add(letter(box.uidnext, desk.now))
    desk.look(desk.intake(), account, box)
    return account


@pytest.mark.parametrize("messages", ["all", "unread"])
@pytest.mark.parametrize("crash", ["", "before", "after"])
def test_mail_that_appears_below_a_later_one_is_handed_on_once(desk: Desk, messages: str, crash: str) -> None:
    box = Box()
    account = _reached(desk, box, 102, messages=messages)
    late = box.reserve(), box.reserve()
    box.add(letter(105, desk.now))
    intake = desk.intake()
    desk.look(intake, account, box)
    assert _uids(desk.mails(account)) == [*range(1, 103), 105]
    for uid in reversed(late):
        desk.wait(200)
        box.add(letter(uid, desk.now), uid)
        desk.fails = _crash_once(crash)
        if crash:
            with pytest.raises(Transient):
                desk.look(intake, account, box)
            intake = desk.intake()
        desk.look(intake, account, box)
        desk.look(intake, account, box)
    ids = {own_id for own_id, mail in desk.mails(account) if mail.uid > 102}
    assert {mail.uid for _id, mail in desk.mails(account) if mail.uid > 102} == {103, 104, 105}
    assert len(ids) == 3
    assert len([uid for uid in _uids(desk.mails(account)) if uid in late]) == (4 if crash == "after" else 2)


def test_a_look_without_news_asks_for_nothing_but_the_gaps(desk: Desk) -> None:
    box = Box()
    account = _reached(desk, box, 3)
    intake = desk.intake()
    box.reserve()
    box.add(letter(5, desk.now))
    desk.look(intake, account, box)
    box.asked.clear()
    box.searches.clear()
    desk.look(intake, account, box)
    assert box.asked == {"EXAMINE": 1, "SEARCH": 1}
    assert box.searches == ["UID 4"]
    for _ in range(3):
        desk.wait(600)
        desk.look(intake, account, box)
    box.asked.clear()
    desk.look(intake, account, box)
    assert box.asked == {"EXAMINE": 1}


def test_since_now_makes_nothing_older_new(desk: Desk) -> None:
    box, account = Box(), desk.account(since="now", count=1000)
    hidden = box.reserve()
    for number in range(10):
        box.add(letter(number, desk.now))
    intake = desk.intake()
    desk.look(intake, account, box)
    box.add(letter(hidden, desk.now), hidden)
    box.add(letter(99, desk.now))
    desk.look(intake, account, box)
    assert _uids(desk.mails(account)) == [12]


def test_a_changed_uidvalidity_makes_no_past_new_though_the_first_look_breaks_off(desk: Desk) -> None:
    box, account = Box(), desk.account(since="now", count=1000)
    for number in range(10):
        box.add(Letter(letter(number, desk.now).content, desk.now.replace(year=2020)))
    desk.look(desk.intake(), account, box)
    box.add(letter(50, desk.now))
    desk.look(desk.intake(), account, box)
    box.renew()
    box.add(letter(51, desk.now))
    box.breaks_after = 2
    with pytest.raises(Transient):
        desk.look(desk.intake(), account, box)
    box.breaks_after = None
    desk.look(desk.intake(), account, box)
    assert desk.contents(account) == [letter(50, desk.now).content, letter(51, desk.now).content]


def test_a_waiting_backlog_survives_a_changed_uidvalidity_however_long_it_has_waited(desk: Desk) -> None:
    box, account = Box(), desk.account(since="now", count=2, interval="1m")
    for number in range(5):
        box.add(Letter(letter(number, desk.now).content, desk.now.replace(year=2020)))
    desk.look(desk.intake(), account, box)
    desk.wait(3 * DAY_S)
    flood = [letter(10 + number, desk.now) for number in range(12)]
    for each in flood:
        box.add(each)
    for _ in range(4):
        # Two a day: what is left has waited for four days when the folder changes.
        desk.look(desk.intake(), account, box)
        desk.wait(DAY_S)
    reply = letter(90, desk.now, reply=True)
    box.add(reply)
    desk.look(desk.intake(), account, box)
    box.renew()
    intake = desk.intake()
    while (again := desk.look(intake, account, box).again_in_s) is not None:
        desk.wait(again)
    desk.wait(60)
    desk.look(intake, account, box)
    expected = [each.content for each in (*flood, reply)]
    assert sorted(desk.contents(account)) == sorted(expected), "none lost, none twice, nothing of the past"


def test_a_backlog_of_which_only_replies_were_handed_on_survives_a_changed_uidvalidity(desk: Desk) -> None:
    box, account = Box(), desk.account(since="now", count=1, interval="1m")
    box.add(Letter(letter(1, desk.now).content, desk.now.replace(year=2020)))
    intake = desk.intake()
    desk.look(intake, account, box)
    desk.wait(60)
    waiting = [letter(10 + number, desk.now) for number in range(5)]
    for each in waiting:
        box.add(each)
    desk.fails = lambda _when: True
    with pytest.raises(Transient):
        desk.look(intake, account, box)
    desk.fails = lambda _when: False
    desk.wait(5 * DAY_S)
    reply = letter(90, desk.now, reply=True)
    box.add(reply)
    box.breaks_after = 4
    with pytest.raises(Transient):
        desk.look(desk.intake(), account, box)
    box.breaks_after = None
    assert desk.contents(account) == [reply.content]
    box.renew()
    intake = desk.intake()
    while (again := desk.look(intake, account, box).again_in_s) is not None:
        desk.wait(again)
    assert sorted(desk.contents(account)) == sorted(each.content for each in (*waiting, reply))


def test_replies_in_a_backlog_go_first_and_once_and_the_count_is_for_the_others(desk: Desk) -> None:
    box, account = Box(), desk.account(count=5, interval="1m")
    replies = [box.add(letter(number, desk.now, reply=number % 10 == 7)) for number in range(50)][7::10]
    intake = desk.intake()
    looked = desk.look(intake, account, box)
    assert _uids(desk.mails(account)) == [*replies, 1, 2, 3, 4, 5]
    assert looked.again_in_s == 60.0
    assert not looked.more
    while looked.again_in_s is not None:
        desk.wait(looked.again_in_s)
        looked = desk.look(intake, account, box)
    assert sorted(_uids(desk.mails(account))) == list(range(1, 51))


def test_a_backlog_is_scanned_once_and_newcomers_at_each_look(desk: Desk) -> None:
    box, account = Box(), desk.account(count=2, interval="1m")
    for number in range(2_000):
        box.add(letter(number, desk.now))
    desk.look(desk.intake(), account, box)
    scanning = box.asked["FETCH"]
    assert scanning < 10
    intake = desk.intake()
    reply = box.add(letter(2_000, desk.now, reply=True))
    box.asked.clear()
    desk.wait(60)
    desk.look(intake, account, box)
    assert _uids(desk.mails(account)) == [1, 2, reply, 3, 4]
    # The newcomer's header, the reply, the sizes of the next mails, those mails.
    assert box.asked["FETCH"] == 4


def test_the_newest_mail_of_a_huge_backlog_is_scanned_first(desk: Desk) -> None:
    box, account = Box(), desk.account(count=1)
    old = box.add(letter(1, desk.now, reply=True))
    box.uidnext += 30_000
    for number in range(600):
        box.add(letter(number + 2, desk.now))
    new = box.add(letter(700, desk.now, reply=True))
    desk.look(desk.intake(), account, box)
    assert _uids(desk.mails(account))[:2] == [new, old]


def test_billions_of_unused_uids_cost_no_searches(desk: Desk) -> None:
    box, account = Box(uidnext=7), desk.account()
    box.add(letter(1, desk.now))
    box.uidnext = 2_000_000_000
    box.add(letter(2, desk.now))
    box.uidnext = 4_000_000_000
    looked = desk.look(desk.intake(), account, box)
    assert _uids(desk.mails(account)) == [7, 2_000_000_000]
    assert not looked.more
    assert box.asked["SEARCH"] <= 3


def test_mail_that_another_client_puts_back_is_the_same_mail(desk: Desk) -> None:
    box = Box()
    account = _reached(desk, box, 3)
    box.add(box.letters.pop(2))
    desk.look(desk.intake(), account, box)
    assert _uids(desk.mails(account)) == [1, 2, 3]


def test_two_equal_mails_that_are_there_at_once_are_two(desk: Desk) -> None:
    box = Box()
    account = _reached(desk, box, 3)
    box.add(box.letters[2])
    desk.look(desk.intake(), account, box)
    assert _uids(desk.mails(account)) == [1, 2, 3, 4]


def test_an_equal_mail_that_arrived_at_another_time_is_new(desk: Desk) -> None:
    box = Box()
    account = _reached(desk, box, 3)
    same = box.letters.pop(2)
    desk.wait(1)
    box.add(Letter(same.content, desk.now))
    desk.look(desk.intake(), account, box)
    assert _uids(desk.mails(account)) == [1, 2, 3, 4]


def test_unread_mail_of_a_folder_long_read_is_found_without_searching_all_of_it_again(desk: Desk) -> None:
    box, account = Box(), desk.account(messages="unread")
    for number in range(20):
        box.add(replace(letter(number, desk.now), seen=number != 5))
    intake = desk.intake()
    desk.look(intake, account, box)
    box.add(letter(30, desk.now))
    box.searches.clear()
    desk.look(intake, account, box)
    assert _uids(desk.mails(account)) == [6, 21]
    assert box.searches == ["UID 1:5,7:20 UNSEEN", "UID 21:21 UNSEEN"]


def test_a_folder_with_uidvalidity_changed_is_linked_again_beyond_the_count(desk: Desk) -> None:
    box, account = Box(), desk.account(count=4, interval="1m")
    for number in range(20):
        box.add(letter(number, desk.now))
    intake = desk.intake()
    while (again := desk.look(intake, account, box).again_in_s) is not None:
        desk.wait(again)
    box.renew()
    box.add(letter(90, desk.now))
    desk.wait(60)
    desk.look(intake, account, box)
    assert len(desk.mails(account)) == 21
    assert desk.contents(account)[20].count(b"<90@example.net>") == 1
