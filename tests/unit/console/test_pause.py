"""The pauses before a program is started again."""

from __future__ import annotations

import pytest

from postroom_console.supervisor import FIRST_PAUSE_S, LONGEST_PAUSE_S, ending, pause_s


def test_the_pause_doubles_with_each_failure_up_to_a_limit() -> None:
    pauses = [pause_s(failures, 1.0) for failures in range(1, 12)]
    assert pauses[:4] == [FIRST_PAUSE_S, 1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert pause_s(10_000, 1.0) == LONGEST_PAUSE_S


def test_jitter_takes_half_of_the_pause_at_most() -> None:
    assert pause_s(3, 0.0) == pause_s(3, 1.0) / 2


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "ended with exit code 0"), (2, "ended with exit code 2"), (-9, "was killed by SIGKILL")],
)
def test_an_ending_is_told_in_words(code: int, words: str) -> None:
    assert ending(code) == words
