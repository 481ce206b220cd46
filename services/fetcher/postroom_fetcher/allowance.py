"""How many mails of a folder may be handed on in an interval (pure).

What is over stays on the server until the next interval. Where several fetchers follow one another on an
account, the processor's own window, which is in the store, is the exact one.
"""

from dataclasses import dataclass, replace

UNLIMITED = 2**62


@dataclass(frozen=True)
class Allowance:
    """An interval of `length_s` seconds from `started_s` (monotonic) on; `used` of `limit` are taken."""

    limit: int
    length_s: float
    started_s: float
    used: int = 0

    def at(self, now_s: float, limit: int, length_s: float) -> "Allowance":
        """The allowance that holds at a time, under the account's settings as they are now."""
        if now_s >= self.started_s + length_s:
            return Allowance(limit, length_s, now_s)
        return replace(self, limit=limit, length_s=length_s)

    @property
    def room(self) -> int:
        """How many more mails may be taken."""
        return max(0, self.limit - self.used)

    def taken(self, count: int) -> "Allowance":
        """The allowance after so many more mails."""
        return replace(self, used=self.used + count)

    def ends_in_s(self, now_s: float) -> float:
        """Seconds until the next interval may begin."""
        return max(0.0, self.started_s + self.length_s - now_s)
