"""The count limit of an account: so many mails in an interval (pure)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Window:
    """An interval of `length_s` seconds that takes `limit` mails, `used` of them taken."""

    started_at: datetime
    length_s: int
    limit: int
    used: int

    @property
    def has_room(self) -> bool:
        """Whether one more mail fits."""
        return self.used < self.limit

    @property
    def ends_at(self) -> datetime:
        """When the next window can begin."""
        return self.started_at + timedelta(seconds=self.length_s)

    def taken(self) -> "Window":
        """The window after one more mail."""
        return replace(self, used=self.used + 1)

    def at(self, now: datetime) -> "Window":
        """The window that holds at a time: this one, or a new one if this is over.

        A clock that jumped back finds this window not over: nothing is opened twice.
        """
        return self if now < self.ends_at else replace(self, started_at=now, used=0)
