"""Whatever happens in a mailbox and to us, in whatever order: each mail once, under one id, and none lost."""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from postroom.account import Account
from postroom.errors import PostroomError
from postroom_fetcher.fault import Unavailable
from postroom_fetcher.gaps import REACH_UIDS
from postroom_fetcher.trouble_list import TroubleList
from tests.unit.fetcher.model_mailbox import Box, Desk, Letter, letter, open_desk

VISIBLE_WITHIN_S = 590
"""A little less than the time for which gaps are looked at."""


class Reading(RuleBasedStateMachine):
    """A mailbox with other clients, slow replication and a broken network; and a fetcher that crashes."""

    desk: Desk

    @initialize(
        since=st.sampled_from(["now", "beginning"]),
        messages=st.sampled_from(["all", "unread"]),
        count=st.sampled_from([2, 100]),
        old=st.integers(0, 8),
    )
    def begin(self, since: str, messages: str, count: int, old: int) -> None:
        self.desk.published.clear()
        self.box = Box()
        self.numbers = itertools.count()
        self.unread = messages == "unread"
        self.account: Account = self.desk.account(since=since, messages=messages, count=count, interval="1m")
        self.intake = self.desk.intake()
        self.reserved: dict[int, float] = {}
        self.forbidden: set[str] = set()
        self.uncertain: set[str] = set()
        self.was_read: set[str] = set()
        for _ in range(old):
            past = replace(self.new_letter(), arrived_at=self.desk.now.replace(year=2020))
            self.box.add(past)
            if since == "now":
                self.forbidden.add(_hash(past))
        self.past = set(self.forbidden)
        self.desk.fails = lambda _when: False
        self.look_well()

    def new_letter(self, *, reply: bool = False, size: int = 0) -> Letter:
        return letter(next(self.numbers), self.desk.now, reply=reply, size=size)

    # The world

    @rule(
        reply=st.booleans(), size=st.sampled_from([0, 0, 5_000, 150_000]), many=st.sampled_from([1, 1, 2, 7])
    )
    def mail_arrives(self, reply: bool, size: int, many: int) -> None:
        for _ in range(many):
            self.box.add(self.new_letter(reply=reply, size=size))

    @rule()
    def a_uid_is_given_out(self) -> None:
        self.reserved[self.box.reserve()] = self.desk.now.timestamp()

    @precondition(lambda self: self.reserved)
    @rule(data=st.data(), reply=st.booleans())
    def its_mail_can_be_seen(self, data: st.DataObject, reply: bool) -> None:
        uid = data.draw(st.sampled_from(sorted(self.reserved)))
        del self.reserved[uid]
        self.box.add(self.new_letter(reply=reply), uid)

    @rule()
    def uids_are_left_out(self) -> None:
        self.box.uidnext += 25_000
        self.give_up_overdue()

    @rule(seconds=st.sampled_from([1, 61, 400, 601]))
    def time_passes(self, seconds: int) -> None:
        self.desk.wait(seconds)
        self.give_up_overdue()

    def give_up_overdue(self) -> None:
        """What has not come by now, or lies too far back, never comes."""
        for uid, since_s in list(self.reserved.items()):
            late = self.desk.now.timestamp() - since_s > VISIBLE_WITHIN_S
            if late or self.box.uidnext - uid > REACH_UIDS // 2:
                del self.reserved[uid]

    # Another client

    @precondition(lambda self: self.box.letters)
    @rule(data=st.data(), what=st.sampled_from(["delete", "read", "unread", "put back"]))
    def another_client_acts(self, data: st.DataObject, what: str) -> None:
        uid = data.draw(st.sampled_from(sorted(self.box.letters)))
        each = self.box.letters[uid]
        if what in ("read", "unread"):
            self.box.letters[uid] = replace(each, seen=what == "read")
            self.was_read.add(_hash(each))
        else:
            del self.box.letters[uid]
        if what == "put back":
            self.note_uncertain([each])
            self.box.add(each)
            # What of the past somebody puts in now is new here.
            self.forbidden.discard(_hash(each))

    @rule()
    def the_folder_comes_back_under_another_uidvalidity(self) -> None:
        self.note_uncertain(self.box.letters.values())
        self.reserved.clear()
        self.box.renew()

    def note_uncertain(self, moved: Iterable[Letter]) -> None:
        """What was published and not recorded cannot be known again under another UID."""
        recorded = self.desk.recorded(self.account)
        ids = self.ids()
        self.uncertain |= {sha for sha in map(_hash, moved) if ids[sha] - recorded}

    @precondition(lambda self: self.box.letters)
    @rule(
        data=st.data(),
        how=st.sampled_from(["incomplete_answer", "refused", "disconnected"]),
        bodies_only=st.booleans(),
    )
    def the_server_withholds_a_mail(self, data: st.DataObject, how: str, bodies_only: bool) -> None:
        self.box.withheld[data.draw(st.sampled_from(sorted(self.box.letters)))] = how
        self.box.bodies_only = bodies_only

    @rule()
    def the_server_is_repaired(self) -> None:
        self.box.withheld.clear()

    # We

    @rule(times=st.sampled_from([1, 1, 4]))
    def we_look(self, times: int) -> None:
        for _ in range(times):
            with suppress(Unavailable):
                self.desk.look(self.intake, self.account, self.box)

    @rule(when=st.sampled_from(["before", "after"]), healthy=st.integers(0, 2))
    def we_crash_while_publishing(self, when: str, healthy: int) -> None:
        left = [healthy]

        def fails(now: str) -> bool:
            left[0] -= now == when
            return left[0] < 0

        self.desk.fails = fails
        self.look_and_begin_anew()

    @rule(commands=st.integers(0, 8))
    def the_connection_breaks(self, commands: int) -> None:
        self.box.breaks_after = commands
        self.look_and_begin_anew()

    def look_and_begin_anew(self) -> None:
        with suppress(PostroomError):
            self.desk.look(self.intake, self.account, self.box)
        self.box.breaks_after, self.desk.fails = None, lambda _when: False
        self.intake = self.desk.intake()

    @rule()
    def look_well(self) -> None:
        """Look until there is nothing more to do, at a server that was repaired and by an operator's word."""
        self.box.withheld.clear()
        TroubleList(self.desk.store).try_now(self.account.name, self.desk.now)
        for _ in range(400):
            looked = self.desk.look(self.intake, self.account, self.box)
            if looked.again_in_s is not None:
                self.desk.wait(looked.again_in_s)
                self.give_up_overdue()
            elif not looked.more:
                return
        raise AssertionError("there is no end of it")

    # What must hold

    def ids(self) -> defaultdict[str, set[str]]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        for own_id, mail in self.desk.mails(self.account):
            found[mail.sha256].add(own_id)
        return found

    @invariant()
    def each_mail_has_one_id_and_the_past_stays_past(self) -> None:
        for sha256, ids in self.ids().items():
            assert sha256 not in self.forbidden
            assert len(ids) == 1 or sha256 in self.uncertain

    def teardown(self) -> None:
        if not hasattr(self, "box"):
            return
        self.look_well()
        expected = {
            _hash(each)
            for each in self.box.letters.values()
            if not (self.unread and _hash(each) in self.was_read)
        }
        assert expected - self.past <= set(self.ids())
        before = len(self.desk.mails(self.account))
        self.look_well()
        assert len(self.desk.mails(self.account)) == before


def _hash(each: Letter) -> str:
    return hashlib.sha256(each.content).hexdigest()


def test_each_mail_is_handed_on_under_one_id_and_none_is_lost(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:

        class OnThisDesk(Reading):
            pass

        OnThisDesk.desk = desk
        run_state_machine_as_test(
            OnThisDesk, settings=settings(max_examples=40, stateful_step_count=20, deadline=None)
        )
