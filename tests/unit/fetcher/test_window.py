"""Windows of UIDs with a bounded number of mails each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_fetcher.window import WINDOW_MAILS, Window, ascending, descending

folders = st.sets(st.integers(1, 400), max_size=60).map(sorted)
Way = Callable[..., Iterator[Window]]


def _uid_of(uids: list[int]) -> Callable[[int], int | None]:
    return lambda number: uids[number - 1] if 1 <= number <= len(uids) else None


@pytest.mark.parametrize("way", [ascending, descending])
@given(uids=folders, first=st.integers(1, 420), size=st.integers(1, 30))
def test_windows_cover_every_uid_once_with_so_many_mails_at_most(
    way: Way, uids: list[int], first: int, size: int
) -> None:
    found = list(way(first, 400, len(uids), _uid_of(uids), size))
    covered = [uid for begin, end in sorted(found) for uid in range(begin, end + 1)]
    assert covered == list(range(first, 401))
    assert found == sorted(found, reverse=way is descending)
    assert all(sum(begin <= uid <= end for uid in uids) <= size for begin, end in found)


@pytest.mark.parametrize("way", [ascending, descending])
@given(uids=folders, later=folders, size=st.integers(1, 30))
def test_no_uid_is_left_out_when_the_numbers_shift(
    way: Way, uids: list[int], later: list[int], size: int
) -> None:
    found = sorted(way(1, 400, len(uids), _uid_of(later), size))
    assert [uid for begin, end in found for uid in range(begin, end + 1)] == list(range(1, 401))


def test_a_few_mails_among_billions_of_uids_are_one_window() -> None:
    asked: list[int] = []
    assert list(ascending(1, 4_000_000_000, 3, lambda number: asked.append(number))) == [(1, 4_000_000_000)]
    assert asked == []


def test_a_huge_sparse_folder_takes_as_many_windows_as_its_mails_need() -> None:
    mails = 1_000_000
    # Every 4,000th UID; half of the folder has been read.
    asked: list[int] = []

    def uid_of(number: int) -> int:
        asked.append(number)
        return number * 4_000

    found = list(ascending(2_000_000_001, 4_000_000_000, mails, uid_of))
    assert len(found) == mails // 2 // WINDOW_MAILS
    assert len(asked) < 40


def test_a_full_window_of_the_largest_uids_fits_a_line_of_imaplib() -> None:
    assert len(" 4294967295") * WINDOW_MAILS * 1.5 < 1_000_000
