"""The one place that asks the system for the time of day."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time of day in UTC."""
    return datetime.now(UTC)
