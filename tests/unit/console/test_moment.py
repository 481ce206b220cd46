"""Times and durations of options: the same is allowed for all of them, and said in the same words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest

from postroom.clock import utc_now
from postroom_console.app import main
from postroom_console.moment import SINCE, UNTIL, Duration, Moment
from postroom_console.tokens import Lifetime


def test_a_duration_is_in_seconds() -> None:
    assert [Duration().convert(text, None, None) for text in ("30s", " 15m ", "4h", "2d")] == [
        *(30, 900, 14_400, 172_800)
    ]


def test_a_duration_leads_back_or_forward_from_now() -> None:
    for kind, distance in ((SINCE, timedelta(hours=-2)), (UNTIL, timedelta(hours=2))):
        before = utc_now()
        assert before <= kind.convert("2h", None, None) - distance <= utc_now()


@pytest.mark.parametrize("kind", [SINCE, UNTIL])
def test_a_time_is_that_time_whatever_its_offset(kind: Moment) -> None:
    assert kind.convert("2026-01-31T18:00+01:00", None, None) == datetime(2026, 1, 31, 17, tzinfo=UTC)
    local = datetime(2026, 1, 31, 18).astimezone()
    assert kind.convert("2026-01-31T18:00", None, None) == local
    assert kind.convert("2026-01-31", None, None).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["soon", "", "2", "2w", "\u0662d", "-2d", "2026-13-01", "0001-01-01T00:00+14:00"]
)
@pytest.mark.parametrize("kind", [Duration(), SINCE, UNTIL, Lifetime()])
def test_what_is_neither_is_refused_and_what_is_allowed_is_said(
    kind: click.ParamType[Any], text: str
) -> None:
    with pytest.raises(click.BadParameter, match=r": expected a duration \(30s, 15m, 4h, 2d\)"):
        kind.convert(text, None, None)


def test_what_is_before_all_times_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="expected a duration"):
        SINCE.convert("999999d", None, None)


def test_every_option_with_a_time_is_read_the_same_way() -> None:
    kinds = {
        f"{name} {each.name}": each.type
        for name, each in _options(main)
        if each.name in ("since", "deadline")
    }
    assert len(kinds) >= 5
    assert [name for name, kind in kinds.items() if not isinstance(kind, Moment)] == []


def _options(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Parameter]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _options(command, f"{before}{name} ")
        else:
            yield from ((f"{before}{name}", each) for each in command.params)
