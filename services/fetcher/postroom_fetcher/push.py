"""Whether a mailbox is watched by IDLE: not where its server ends that again and again (pure)."""

from dataclasses import dataclass

SHORT_S = 30.0
"""An IDLE that ends sooner with the connection is no use."""
SHORT_ONES = 3
PAUSE_S = 3600.0
"""So long the mailbox is only polled, after that many short ones in a row, or where IDLE is refused."""


@dataclass
class Push:
    """How IDLE went so far. All times are monotonic seconds."""

    off_until: float = 0.0
    began: float | None = None
    short: int = 0

    def is_wanted(self, now: float) -> bool:
        """Whether to begin IDLE."""
        return now >= self.off_until

    def begun(self, now: float) -> None:
        """The server took it."""
        self.began = now

    def ended(self) -> None:
        """It ended as it should."""
        self.began, self.short = None, 0

    def lost(self, now: float) -> None:
        """The connection ended during IDLE, or on the way into it."""
        if self.began is None or now - self.began < SHORT_S:
            self.short += 1
        else:
            self.short = 0
        self.began = None
        if self.short >= SHORT_ONES:
            self.refused(now)

    def refused(self, now: float) -> None:
        """The server does not take it."""
        self.off_until, self.short, self.began = now + PAUSE_S, 0, None
