"""Shards change hands, and the old hand writes nothing any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from postroom.store import Store
from postroom.store.migrate import migrate
from postroom_fetcher.lease import TTL_S, Fenced, Leases, check

SHARDS = 3


class Time:
    """A clock that goes when told to."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0

    def clock(self) -> datetime:
        return datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        return 1000 + self.elapsed_s


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/store.sqlite3"
        if request.param == "postgresql":
            url = request.getfixturevalue("postgresql_database")
        store = Store(url)
        stack.callback(store.close)
        migrate(store)
        yield store


@pytest.fixture
def time() -> Time:
    return Time()


def leases(store: Store, time: Time, holder: str) -> Leases:
    return Leases(store, SHARDS, holder, clock=time.clock, monotonic=time.monotonic)


def test_the_first_takes_all_and_the_second_none(store: Store, time: Time) -> None:
    first, second = leases(store, time, "first"), leases(store, time, "second")
    changes: list[int] = []
    first.on_change = lambda: changes.append(len(first.held()))
    first.step()
    second.step()
    assert sorted(first.held()) == [0, 1, 2]
    assert second.held() == {}
    assert changes == [3]


def test_a_silent_holder_loses_its_shards_after_the_lease_and_is_fenced(store: Store, time: Time) -> None:
    first, second = leases(store, time, "first"), leases(store, time, "second")
    first.step()
    old = first.held()[0]
    time.elapsed_s = TTL_S - 1
    second.step()
    assert second.held() == {}
    time.elapsed_s = TTL_S
    second.step()
    assert sorted(second.held()) == [0, 1, 2]
    assert second.held()[0].epoch > old.epoch
    with store.write() as connection, pytest.raises(Fenced):
        check(connection, old)
    with store.write() as connection:
        check(connection, second.held()[0])
    first.step()
    assert first.held() == {}


def test_a_renewed_lease_stays(store: Store, time: Time) -> None:
    first, second = leases(store, time, "first"), leases(store, time, "second")
    first.step()
    before = first.held()
    for _ in range(10):
        time.elapsed_s += 5
        first.step()
        second.step()
    assert first.held() == before
    assert second.held() == {}


def test_released_shards_are_taken_at_once_with_a_new_epoch(store: Store, time: Time) -> None:
    first, second = leases(store, time, "first"), leases(store, time, "second")
    first.step()
    old = first.held()[1]
    first.release()
    second.step()
    assert sorted(second.held()) == [0, 1, 2]
    assert first.held() == {}
    with store.write() as connection, pytest.raises(Fenced):
        check(connection, old)


def test_a_lease_found_to_be_over_is_not_counted_on(store: Store, time: Time) -> None:
    first = leases(store, time, "first")
    first.step()
    first.lose(first.held()[2])
    assert sorted(first.held()) == [0, 1]
