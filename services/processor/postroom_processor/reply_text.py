"""The part of a reply that its author wrote: quotes, signatures and banners cut off."""

from __future__ import annotations

from dataclasses import dataclass

from postroom_processor.mail import Mail


@dataclass(frozen=True)
class Cut:
    """Lines that were left out.

    Attributes:
        kind: What they were, for example ``quote``, ``attribution``, ``signature``.
        reason: The rule that said so, for people.
        text: The lines themselves.
    """

    kind: str
    reason: str
    text: str


@dataclass(frozen=True)
class OwnText:
    """What the person wrote.

    Attributes:
        text: The lines joined, blank lines at both ends removed.
        lines: The same, line by line.
        cut: What was left out, in the order of the mail.
        doubts: Codes of what makes the reading unsafe; with any of them nothing is decided.
    """

    text: str
    lines: tuple[str, ...]
    cut: tuple[Cut, ...]
    doubts: tuple[str, ...]


def own_text(mail: Mail) -> OwnText:
    """Cut everything from a mail's text that its author did not write for this reply."""
    return OwnText(mail.text or "", (), (), ("unread",))
