"""A message has its effect once, however many take it and however often it comes."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from postroom.store import Store
from postroom.store.attempts import StoredAttempts, forget_before
from postroom.store.inbox import forget_before as forget_messages_before
from postroom.store.inbox import take_new
from tests.integration.store.processes import finish, start

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def take(store: Store, *ids: str, service: str = "processor", now: datetime = NOW) -> set[str]:
    with store.write() as connection:
        return take_new(connection, service, ids, now)


def test_a_message_is_new_once_for_each_service(store: Store) -> None:
    assert take(store, "a", "b", "a") == {"a", "b"}
    assert take(store, "b", "c") == {"c"}
    assert take(store) == set()
    assert take(store, "a", service="sender") == {"a"}


def test_a_transaction_that_fails_has_taken_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as connection:
        assert take_new(connection, "processor", ["a"], NOW) == {"a"}
        raise ZeroDivisionError
    assert take(store, "a") == {"a"}


def test_of_concurrent_takers_exactly_one_gets_each_message(store: Store) -> None:
    ids = [f"message-{number}" for number in range(200)]
    everyone_is_here = threading.Barrier(4)

    def work(seed: int) -> list[str]:
        order = random.Random(seed).sample(ids, len(ids))
        everyone_is_here.wait(30)
        return [each for start in range(0, 200, 20) for each in take(store, *order[start : start + 20])]

    with ThreadPoolExecutor(4) as pool:
        taken = Counter(each for mine in pool.map(work, range(4)) for each in mine)
    assert taken == Counter(ids)


def test_what_was_handled_long_ago_is_forgotten(store: Store) -> None:
    take(store, "old")
    take(store, "old", service="sender")
    take(store, "new", now=NOW + timedelta(days=1))
    with store.write() as connection:
        assert forget_messages_before(connection, "processor", NOW + timedelta(hours=1)) == 1
    assert take(store, "old", "new") == {"old"}
    assert take(store, "old", service="sender") == set()


def test_attempts_are_counted_for_each_message_and_queue_until_they_end(store: Store) -> None:
    attempts = StoredAttempts(store)
    assert [attempts.begin("a", "q"), attempts.begin("a", "q"), attempts.begin("a", "other")] == [1, 2, 1]
    attempts.end("a", "q")
    attempts.end("never begun", "q")
    assert [attempts.begin("a", "q"), attempts.begin("a", "other")] == [1, 2]


def test_an_attempt_that_kills_its_worker_is_counted(store: Store, store_url: str) -> None:
    assert finish(start("begin_and_die", store_url)) == [(-9, "")]
    assert StoredAttempts(store).begin("killer", "queue") == 2


def test_counts_of_messages_that_never_came_back_are_forgotten(store: Store) -> None:
    StoredAttempts(store, lambda: NOW).begin("old", "q")
    StoredAttempts(store, lambda: NOW + timedelta(days=1)).begin("new", "q")
    with store.write() as connection:
        assert forget_before(connection, NOW + timedelta(hours=1)) == 1
    assert StoredAttempts(store).begin("new", "q") == 2
