"""Bytes that are given out in the order of asking."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom_fetcher.budget import Budget, Reserved, kept_on_success
from tests.waiting import wait_until


def test_what_fits_is_given_at_once_and_what_does_not_waits() -> None:
    budget = Budget(100)
    first, second = budget.reserve(60), budget.reserve(40)
    with ThreadPoolExecutor(1) as pool:
        third = pool.submit(budget.reserve, 50)
        second.release()
        assert not third.done()
        first.release()
        third.result(5).release()
    assert budget.used_bytes == 0


def test_a_large_request_is_not_overtaken_by_small_ones() -> None:
    budget, order = Budget(100), []
    held = budget.reserve(60)

    def ask(size: int) -> None:
        reserved = budget.reserve(size)
        order.append(size)
        reserved.release()

    large = threading.Thread(target=ask, args=(90,))
    large.start()
    wait_until(lambda: budget.waiting == 1, 5, "the large request to wait")
    small = threading.Thread(target=ask, args=(10,))
    small.start()
    wait_until(lambda: budget.waiting == 2, 5, "the small request to wait")
    held.release()
    large.join(5)
    small.join(5)
    assert order == [90, 10]


def test_more_than_there_is_passes_alone() -> None:
    budget = Budget(100)
    held = budget.reserve(1)
    with ThreadPoolExecutor(1) as pool:
        huge = pool.submit(budget.reserve, 10_000)
        held.release()
        reserved = huge.result(5)
        other = pool.submit(budget.reserve, 1)
        assert not other.done()
        reserved.release()
        other.result(5).release()


def test_bytes_are_given_back_once_and_when_the_work_fails() -> None:
    budget = Budget(100)
    reserved = budget.reserve(10)
    with pytest.raises(ValueError, match="no"), kept_on_success(reserved):
        raise ValueError("no")
    reserved.release()
    assert budget.used_bytes == 0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(1, 150), max_size=20), min_size=2, max_size=6))
def test_many_threads_stay_within_it_and_come_to_an_end(asked: list[list[int]]) -> None:
    budget, most = Budget(100), []

    def work(sizes: list[int]) -> None:
        for size in sizes:
            reserved: Reserved = budget.reserve(size)
            most.append((budget.used_bytes, size))
            reserved.release()

    with ThreadPoolExecutor(len(asked)) as pool:
        list(pool.map(work, asked, timeout=20))
    assert all(used in (size, *range(101)) for used, size in most)
    assert budget.used_bytes == 0
