"""The pause before a mailbox that failed is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.errors import Misconfigured, Transient
from postroom_fetcher.pause import MISCONFIGURED_S, TRANSIENT_S, pause_s


@given(st.integers(1, 5000), st.floats(0, 1))
def test_a_pause_is_never_longer_than_the_longest_nor_shorter_than_half_the_first(
    failures: int, jitter: float
) -> None:
    for error, (first, longest) in (
        (Transient("x"), TRANSIENT_S),
        (Misconfigured("auth_failed", "x"), MISCONFIGURED_S),
    ):
        assert first / 2 <= pause_s(error, failures, jitter) <= longest


def test_pauses_double() -> None:
    assert [pause_s(Transient("x"), failures, 1.0) for failures in (1, 2, 3, 4)] == [1, 2, 4, 8]


def test_a_wrong_password_is_tried_less_often() -> None:
    assert pause_s(Misconfigured("auth_failed", "x"), 1, 1.0) == 10


@pytest.mark.parametrize(("wished", "expected"), [(90.0, 90.0), (0.2, 1.0)])
def test_a_wait_the_server_asked_for_is_kept(wished: float, expected: float) -> None:
    assert pause_s(Transient("x", retry_after_s=wished), 1, 1.0) == expected
