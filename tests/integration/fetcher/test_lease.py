"""Shards change hands, evenly and in order, and the old hand writes nothing any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, select, update

from postroom import metrics
from postroom.errors import Transient
from postroom.store import Store
from postroom.store.schema import fetchers, shard_leases
from postroom_fetcher.lease import RENEW_S, SETTLE_S, STEP_S, Fenced, Lease, Leases, check
from postroom_fetcher.roll import OVERDUE_S, TTL_S, store_now
from tests.tables import migrate
from tests.waiting import wait_until

SHARDS = 5
MOVED_WITHIN_S = 15.0
"""From the issue: after this time the shards of a killed fetcher are with others."""


class Time:
    """A clock that goes when told to."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0

    def clock(self, _connection: Connection) -> datetime:
        return datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        return 1000 + self.elapsed_s


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/store.sqlite3"
        if request.param == "postgresql":
            url = request.getfixturevalue("postgresql_store")
        store = Store(url)
        stack.callback(store.close)
        migrate(store)
        yield store


@pytest.fixture
def time() -> Time:
    return Time()


def leases(store: Store, time: Time, holder: str) -> Leases:
    return Leases(store, SHARDS, holder, clock=time.clock, monotonic=time.monotonic)


def turn(time: Time, seconds: float, *each: Leases) -> None:
    """Let the time go on, with a step of each in every second."""
    for _ in range(round(seconds / STEP_S)):
        time.elapsed_s += STEP_S
        for one in each:
            one.step()
        held = [shard for one in each for shard in one.held()]
        assert len(held) == len(set(held)), "a shard with two holders"


def settled(store: Store, time: Time, *holders: str) -> list[Leases]:
    """As many leases, sharing evenly."""
    each = [leases(store, time, holder) for holder in holders]
    turn(time, SETTLE_S + 3, *each)
    return each


def counts(*each: Leases) -> list[int]:
    return sorted(len(one.held()) for one in each)


def writes(store: Store, lease: Lease) -> None:
    with store.write() as connection:
        check(connection, lease)


def test_the_first_takes_all_and_the_second_gets_its_share_when_things_have_settled(
    store: Store, time: Time
) -> None:
    first, second = leases(store, time, "first"), leases(store, time, "second")
    changes: list[int] = []
    first.on_change = lambda: changes.append(len(first.held()))
    first.step()
    assert sorted(first.held()) == [0, 1, 2, 3, 4]
    turn(time, SETTLE_S - 1, first, second)
    assert counts(first, second) == [0, 5]
    turn(time, 4, first, second)
    assert counts(first, second) == [2, 3]
    assert changes == [5, 3]
    assert metrics.REGISTRY.get_sample_value("postroom_shards_held") in (2, 3)


def test_who_gives_a_shard_back_stops_working_on_it_before_another_can_take_it(
    store: Store, time: Time
) -> None:
    first, second = leases(store, time, "first"), leases(store, time, "second")
    first.step()
    before = first.held()
    turn(time, SETTLE_S, second, first)
    taken_too_early: list[int] = []

    def others_look() -> None:
        second.step()
        taken_too_early.extend(second.held())

    first.on_change = others_look
    turn(time, 1, first)
    assert sorted(first.held()) == [0, 1, 2]
    assert taken_too_early == []
    assert second.held() == {}
    writes(store, before[4])
    first.step()
    with pytest.raises(Fenced):
        writes(store, before[4])
    second.step()
    assert sorted(second.held()) == [3, 4]


def test_a_silent_holder_loses_its_shards_after_the_lease_and_is_fenced(store: Store, time: Time) -> None:
    first, second = leases(store, time, "first"), leases(store, time, "second")
    first.step()
    old = first.held()[0]
    turn(time, TTL_S - 1, second)
    assert second.held() == {}
    turn(time, 1, second)
    assert sorted(second.held()) == [0, 1, 2, 3, 4]
    assert second.held()[0].epoch > old.epoch
    with pytest.raises(Fenced):
        writes(store, old)
    writes(store, second.held()[0])
    first.step()
    assert first.held() == {}


def test_the_shards_of_one_of_three_that_dies_go_to_the_others_evenly_and_in_time(
    store: Store, time: Time
) -> None:
    first, second, third = settled(store, time, "first", "second", "third")
    kept = {one: set(one.held()) for one in (second, third)}
    for one in (first, second, third):
        assert len(one.held()) in (1, 2)
    turn(time, TTL_S + STEP_S, second, third)
    assert counts(second, third) == [2, 3]
    assert all(kept[one] <= one.held().keys() for one in kept)
    assert TTL_S + OVERDUE_S + 2 * STEP_S < MOVED_WITHIN_S


def test_a_renewed_lease_stays(store: Store, time: Time) -> None:
    first, second = settled(store, time, "first", "second")
    before = (first.held(), second.held())
    turn(time, 5 * TTL_S, first, second)
    assert (first.held(), second.held()) == before


def test_a_store_that_is_slow_for_seconds_costs_no_lease(store: Store, time: Time) -> None:
    first, second = settled(store, time, "first", "second")
    before = first.held()
    turn(time, TTL_S - RENEW_S - STEP_S, second)
    first.step()
    assert first.held() == before
    writes(store, before[min(before)])


def test_released_shards_are_taken_at_the_next_step_with_a_new_epoch(store: Store, time: Time) -> None:
    first, second = settled(store, time, "first", "second")
    old = next(iter(first.held().values()))
    first.release()
    first.release()
    second.step()
    assert sorted(second.held()) == [0, 1, 2, 3, 4]
    assert first.held() == {}
    with pytest.raises(Fenced):
        writes(store, old)
    with store.read() as connection:
        assert connection.execute(select(fetchers.c.holder)).scalars().all() == ["second"]


def test_in_a_rolling_deploy_each_shard_moves_once(store: Store, time: Time) -> None:
    running = settled(store, time, "a1", "b1", "c1")
    epochs = {shard: lease.epoch for one in running for shard, lease in one.held().items()}
    for name in ("a2", "b2", "c2"):
        running.append(leases(store, time, name))
        turn(time, 4, *running)
        running.pop(0).release()
        turn(time, 4, *running)
    assert counts(*running) == [1, 2, 2]
    now = {shard: lease.epoch for one in running for shard, lease in one.held().items()}
    assert now == {shard: epoch + 1 for shard, epoch in epochs.items()}
    turn(time, 2 * SETTLE_S, *running)
    assert {shard: lease.epoch for one in running for shard, lease in one.held().items()} == now


def test_a_shard_that_the_one_with_room_for_it_does_not_take_is_anybodys(store: Store, time: Time) -> None:
    first = leases(store, time, "first")
    first.step()
    idle = leases(store, time, "idle")
    idle.step()
    with store.write() as connection:
        connection.execute(update(shard_leases).values(holder=None, expires_at=time.clock(connection)))
    first.step()
    assert counts(first) == [3]
    turn(time, OVERDUE_S, first)
    assert counts(first) == [5]


def test_a_lease_found_to_be_over_is_not_counted_on(store: Store, time: Time) -> None:
    first = leases(store, time, "first")
    first.step()
    first.lose(first.held()[2])
    assert sorted(first.held()) == [0, 1, 3, 4]


def test_what_was_dropped_comes_back_under_a_new_epoch_only(store: Store, time: Time) -> None:
    first = leases(store, time, "first")
    first.step()
    dropped = first.held()[2]
    first.lose(dropped)
    first.step()
    assert first.held()[2].epoch == dropped.epoch + 1
    with pytest.raises(Fenced):
        writes(store, dropped)


def test_who_cannot_reach_the_store_for_a_lease_drops_all_and_begins_anew_later(
    store: Store, time: Time
) -> None:
    first = leases(store, time, "first")
    first.step()
    before = first.held()

    def away(*_: object) -> None:
        raise Transient("the store is away")

    event.listen(store.engine, "begin", away)
    try:
        time.elapsed_s = TTL_S - 1
        with pytest.raises(Transient):
            first.step()
        assert first.held() == before
        time.elapsed_s = TTL_S
        with pytest.raises(Transient):
            first.step()
        assert first.held() == {}
    finally:
        event.remove(store.engine, "begin", away)
    first.step()
    assert sorted(first.held()) == [0, 1, 2, 3, 4]
    assert all(lease.epoch == before[shard].epoch + 1 for shard, lease in first.held().items())


def test_many_that_step_at_the_same_time_never_hold_the_same_shard_and_end_up_even(
    store: Store, time: Time
) -> None:
    each = [leases(store, time, f"fetcher {number}") for number in range(3)]
    for _ in range(round(SETTLE_S) + 8):
        time.elapsed_s += STEP_S
        at_once(*each)
        held = [shard for one in each for shard in one.held()]
        assert len(held) == len(set(held))
    assert counts(*each) == [1, 2, 2]


def at_once(*each: Leases) -> None:
    failed: list[Exception] = []

    def step(one: Leases) -> None:
        try:
            one.step()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=step, args=(one,)) for one in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


@pytest.mark.needs("postgresql")
def test_a_transaction_frozen_in_the_middle_does_not_keep_its_shard_from_moving(
    postgresql_store: str, time: Time
) -> None:
    store = Store(postgresql_store)
    migrate(store)
    first, second = leases(store, time, "first"), leases(store, time, "second")
    first.step()
    time.elapsed_s = TTL_S
    with pytest.raises(Transient), store.write() as connection:
        check(connection, first.held()[0])
        second.step()
        assert sorted(second.held()) == [1, 2, 3, 4], "the row of shard 0 is locked, and nobody waits for it"

        def has_moved() -> bool:
            second.step()
            return 0 in second.held()

        wait_until(has_moved, TTL_S, "the frozen transaction to be ended", interval_s=0.2)
        check(connection, first.held()[0])
    store.close()


def test_the_clock_is_the_one_that_all_fetchers_share(store: Store) -> None:
    with store.read() as connection:
        moments = [store_now(connection) for _ in range(3)]
    assert moments == sorted(moments)
    assert all(moment.tzinfo is not None for moment in moments)
    assert abs(moments[0] - datetime.now(UTC)) < timedelta(minutes=1)
