"""Mail that no person wrote: auto-replies, bounces, lists, receipts, our own mail."""

from __future__ import annotations

from postroom_processor.mail import Mail


def automatic_kind(mail: Mail) -> str | None:
    """Return own, bounce, report, receipt, calendar, auto-reply or list; None for a person's."""
    return "own" if mail.header_values("x-postroom-id") else None
