"""How long is waited between tries, and when trying ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postroom_sender.patience import Patience

WRITTEN_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tries", "jitter", "delay_s"),
    [(1, 0.5, 10), (2, 0.5, 60), (4, 0.5, 600), (7, 0.5, 3600), (99, 0.5, 3600), (1, 0, 7.5), (7, 1, 4500)],
)
def test_a_mail_waits_longer_each_time_and_not_just_as_long_as_the_others(
    tries: int, jitter: float, delay_s: float
) -> None:
    assert Patience().mail_delay_s(tries, jitter) == delay_s


def test_a_server_is_left_alone_longer_each_time() -> None:
    delays = [Patience().account_delay_s(failures, 0.5) for failures in range(1, 8)]
    assert delays == [10, 20, 60, 120, 300, 600, 600]


def test_a_mail_is_given_up_after_two_days() -> None:
    nearly = WRITTEN_AT + timedelta(hours=48) - timedelta(seconds=1)
    assert not Patience().is_over(WRITTEN_AT, nearly)
    assert Patience().is_over(WRITTEN_AT, WRITTEN_AT + timedelta(hours=48))
