"""What a person decided, read from the text they wrote themselves: pure, no clock, no IO."""

from __future__ import annotations

from dataclasses import dataclass

from postroom_processor.reply_text import OwnText

DEFAULT_CHOICES = ("approve", "reject")


@dataclass(frozen=True)
class Decided:
    """A decision that leaves no doubt.

    Attributes:
        choice: One of the choices that were offered, spelled as the request spells it.
        comment: What the person wrote beside the decision; may be empty.
    """

    choice: str
    comment: str


@dataclass(frozen=True)
class Unclear:
    """No decision.

    Attributes:
        reason_code: Why, a word for metrics and for the table of help sentences.
        understood: The line that was looked at, shortened, for the help mail.
    """

    reason_code: str
    understood: str


Verdict = Decided | Unclear


def read_verdict(own: OwnText, choices: tuple[str, ...] = DEFAULT_CHOICES) -> Verdict:
    """Find the decision in a person's own text, or say why there is none."""
    return Unclear("no-text", own.text[:200])
