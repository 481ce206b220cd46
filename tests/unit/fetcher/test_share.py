"""The rule of sharing, on a model of the store: whatever comes and goes, it ends even, and little moves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from postroom_fetcher.share import Holding, Plan, View, plan, shares

NAMES = tuple("abcdefg")
LAST_STEPS = 40
"""More than seven fetchers need: one gives back in two of its steps, and they do it one after the other."""


def view(holders: dict[int, str | None], *living: str, overdue: frozenset[int] = frozenset()) -> View:
    return View(
        {shard: Holding(holder, 1, shard in overdue) for shard, holder in holders.items()}, frozenset(living)
    )


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 9), min_size=1), st.integers(0, 5))
def test_shares_are_even_and_make_up_the_whole(held: dict[str, int], free: int) -> None:
    shards = sum(held.values()) + free
    found = shares(held, shards)
    assert sum(found.values()) == shards
    assert max(found.values()) - min(found.values()) <= 1


def test_who_has_the_larger_share_already_keeps_it() -> None:
    assert shares({"a": 1, "b": 2}, 3) == {"a": 1, "b": 2}


def test_the_larger_share_that_nobody_has_yet_goes_to_the_emptiest() -> None:
    assert shares({"a": 1, "b": 0}, 3) == {"a": 1, "b": 2}


def test_one_alone_takes_all() -> None:
    assert plan(view({0: None, 1: None}, "a"), "a", settled=False) == Plan(take=(0, 1))


def test_one_more_gets_its_share_only_when_things_have_settled() -> None:
    seen = view({0: "a", 1: "a"}, "a", "b")
    assert plan(seen, "a", settled=False) == Plan()
    assert plan(seen, "a", settled=True) == Plan(give_back=(1,))
    assert plan(seen, "b", settled=True) == Plan()


def test_of_those_with_too_many_the_fullest_gives_back_first() -> None:
    seen = view(dict(enumerate("aaabbbb")), "a", "b", "c")
    assert plan(seen, "a", settled=True) == Plan()
    assert plan(seen, "b", settled=True) == Plan(give_back=(6,))


def test_who_has_its_share_leaves_the_free_ones_to_others_unless_they_stay_free() -> None:
    free: dict[int, str | None] = {0: "a", 1: None}
    assert plan(view(free, "a", "b"), "a", settled=True) == Plan()
    assert plan(view(free, "a", "b", overdue=frozenset({1})), "a", settled=True) == Plan(take=(1,))
    assert plan(view(free, "a", "b"), "b", settled=True) == Plan(take=(1,))


@dataclass
class Fetcher:
    """What one fetcher has in its memory: what it works on, and since when it knows the living."""

    working: dict[int, int] = field(default_factory=dict)
    living: frozenset[str] = frozenset()
    steps_since: int = 0


class Sharing(RuleBasedStateMachine):
    """Fetchers that come, go, die, freeze and step in any order as `Leases` steps; the store is a dict.

    One fetcher takes at a time: the store sees to that. What one drops is still its own until its next step.
    """

    @initialize(shards=st.integers(1, 12), settle_steps=st.integers(0, 4))
    def begin(self, shards: int, settle_steps: int) -> None:
        self.settle_steps = settle_steps
        self.rows: dict[int, Holding] = {shard: Holding(None, 0) for shard in range(shards)}
        self.fetchers: dict[str, Fetcher] = {}
        self.awake: set[str] = set()
        self.registered: set[str] = set()
        self.drops: Counter[str] = Counter()

    @rule(name=st.sampled_from(NAMES))
    def join(self, name: str) -> None:
        if name not in self.fetchers:
            self.fetchers[name] = Fetcher()
        self.awake.add(name)
        self.registered.add(name)

    @precondition(lambda self: self.awake)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.awake)))
        self.awake.remove(name)
        del self.fetchers[name]
        self._expire(name)

    @precondition(lambda self: self.awake)
    @rule(data=st.data())
    def freeze(self, data: st.DataObject) -> None:
        """It keeps what is in its memory, and may join again; its rows stay until they expire."""
        self.awake.remove(data.draw(st.sampled_from(sorted(self.awake))))

    @precondition(lambda self: self.registered - self.awake)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        self._expire(data.draw(st.sampled_from(sorted(self.registered - self.awake))))

    @rule()
    def wait_too_long(self) -> None:
        for shard, row in self.rows.items():
            if row.holder is None:
                self.rows[shard] = Holding(None, row.epoch, overdue=True)

    @precondition(lambda self: self.awake)
    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        self._step(data.draw(st.sampled_from(sorted(self.awake))))

    @precondition(lambda self: self.awake)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """From here on nobody comes or goes: it ends even, and then nothing moves any more."""
        for name in sorted(self.registered - self.awake):
            self._expire(name)
        names = data.draw(st.permutations(sorted(self.awake)))
        for _ in range(LAST_STEPS):
            for name in names:
                self._step(name)
        counts = {name: len(self.fetchers[name].working) for name in self.awake}
        assert sum(counts.values()) == len(self.rows)
        assert max(counts.values()) - min(counts.values()) <= 1
        before = dict(self.rows)
        for _ in range(3):
            for name in names:
                self._step(name)
        assert self.rows == before

    @precondition(lambda self: self.awake and self.awake != set(NAMES))
    @rule(data=st.data())
    def settle_and_count_moves(self, data: st.DataObject) -> None:
        """One more moves as many shards as it gets; one less moves those that it had."""
        self.settle(data)
        before = dict(self.rows)
        newcomer = min(set(NAMES) - self.fetchers.keys(), default=None)
        if newcomer is None:
            return
        self.join(newcomer)
        self.settle(data)
        moved = {shard for shard, row in self.rows.items() if row.holder != before[shard].holder}
        assert moved == set(self.fetchers[newcomer].working)
        assert self._moves(before) == len(moved) == len(self.rows) // len(self.awake)
        before, had = dict(self.rows), set(self.fetchers[newcomer].working)
        self.awake.remove(newcomer)
        del self.fetchers[newcomer]
        self._expire(newcomer)
        if self.awake:
            self.settle(data)
            assert {shard for shard, row in self.rows.items() if row.holder != before[shard].holder} == had
            assert self._moves(before) == len(had)

    @invariant()
    def no_shard_has_two_writers(self) -> None:
        """Who is awake works on what is its own; a frozen one's epoch is over once the shard has moved."""
        for name in getattr(self, "awake", ()):
            for shard, epoch in self.fetchers[name].working.items():
                row = self.rows[shard]
                if row.holder == name:
                    assert row.epoch == epoch
                else:
                    assert row.epoch > epoch or row.holder is None

    def _moves(self, before: dict[int, Holding]) -> int:
        return sum(row.epoch - before[shard].epoch for shard, row in self.rows.items())

    def _expire(self, name: str) -> None:
        self.registered.discard(name)
        for shard, row in self.rows.items():
            if row.holder == name:
                self.rows[shard] = Holding(None, row.epoch)

    def _step(self, name: str) -> None:
        me = self.fetchers[name]
        self.registered.add(name)
        seen = View(dict(self.rows), frozenset(self.registered))
        me.steps_since = me.steps_since + 1 if seen.living == me.living else 0
        me.living = seen.living
        settled = me.steps_since >= self.settle_steps
        for shard in seen.of(name).keys() - me.working.keys():
            self.rows[shard] = Holding(None, self.rows[shard].epoch)
        for shard in plan(self._view(), name, settled=settled).take:
            row = self.rows[shard]
            assert row.holder is None
            self.rows[shard] = Holding(name, row.epoch + 1)
        after = self._view()
        me.working = after.of(name)
        for shard in plan(after, name, settled=settled).give_back:
            del me.working[shard]

    def _view(self) -> View:
        return View(dict(self.rows), frozenset(self.registered))


TestSharing = Sharing.TestCase
