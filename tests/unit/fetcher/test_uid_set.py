"""UID sets as IMAP writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_fetcher.uid_set import uid_sets


@pytest.mark.parametrize(
    ("uids", "expected"),
    [([], []), ([7], ["7"]), ([1, 2], ["1:2"]), ([60, 3, 2, 1, 3], ["1:3,60"]), ([1, 3, 5], ["1,3,5"])],
)
def test_neighbours_become_ranges(uids: list[int], expected: list[str]) -> None:
    assert uid_sets(uids) == expected


@given(st.sets(st.integers(1, 2**32 - 1) | st.integers(1, 300), max_size=200), st.integers(21, 200))
def test_sets_hold_exactly_the_uids_and_stay_short(uids: set[int], max_bytes: int) -> None:
    sets = uid_sets(uids, max_bytes)
    assert all(len(each) <= max_bytes for each in sets)
    read = [uid for each in sets for part in each.split(",") for uid in _range(part)]
    assert read == sorted(uids)


def _range(part: str) -> range:
    first, _, last = part.partition(":")
    return range(int(first), int(last or first) + 1)
