"""Why a server is not there."""

from __future__ import annotations


class Missing(Exception):
    """A step did not lead to a server; the text says why."""


class NotFound(Exception):
    """No step led to the server. `reasons` has one pair of step and reason for each step tried."""

    def __init__(self, server: str, reasons: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{step}: {reason}" for step, reason in reasons))
        self.server = server
        self.reasons = reasons
