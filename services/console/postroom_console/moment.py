"""Times and durations as options have them: `30m`, `2d`, or an ISO 8601 time."""

import re
from datetime import UTC, datetime, timedelta
from typing import Literal

import click

from postroom.clock import utc_now

_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
A_DURATION = "a duration (30s, 15m, 4h, 2d)"
_A_TIME = "a time (2026-01-31T18:00+01:00)"


def read_duration(text: str) -> timedelta | None:
    """The duration, or None if it is none."""
    match = _DURATION.fullmatch(text.strip())
    return timedelta(**{_UNITS[match.group(2)]: int(match.group(1))}) if match else None


class Duration(click.ParamType[int]):
    """A duration such as `30m` or `2d`, in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> int:
        """The seconds."""
        found = read_duration(str(value))
        if found is None:
            self.fail(f"{str(value)!r}: expected {A_DURATION}", param, context)
        return int(found.total_seconds())


class Moment(click.ParamType[datetime]):
    """A duration from now (`sign`: -1 back, 1 forward), or a time; without an offset it is local time."""

    name = "time"

    def __init__(self, sign: Literal[-1, 1]) -> None:
        self._sign = sign

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> datetime:
        """The moment, in UTC."""
        text = str(value).strip()
        try:
            distance = read_duration(text)
            if distance is not None:
                return utc_now() + self._sign * distance
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{text!r}: expected {A_DURATION} or {_A_TIME}", param, context)


SINCE, UNTIL = Moment(-1), Moment(1)
