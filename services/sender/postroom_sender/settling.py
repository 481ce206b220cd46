"""What is done about a mail that may have been sent or not (pure)."""

from dataclasses import dataclass
from enum import Enum

from postroom.account import Account
from postroom.sent_copies import can_look
from postroom_sender.patience import Patience

REPEATABLE = frozenset({"approval", "help", "confirm"})
"""Kinds of mail of which two copies do no harm: they ask the same, and decide once."""


class Step(Enum):
    """What comes next."""

    LOOK = "look"
    REPEAT = "repeat"
    PARK = "park"


@dataclass(frozen=True)
class Means:
    """How a mail's fate can be settled.

    Attributes:
        looks_at_most: How often the folder for sent mail is looked into; 0 where that says nothing.
        may_repeat: Whether it may be sent again without an answer.
        tries_at_most: How often it is sent whose fate stays unknown each time.
    """

    looks_at_most: int
    may_repeat: bool
    tries_at_most: int


def means_of(account: Account, kind: str, patience: Patience) -> Means:
    """How mails of this kind are settled for the account."""
    may_repeat = account.uncertain == "resend" or (account.uncertain == "auto" and kind in REPEATABLE)
    looks = len(patience.look_delays_s) if can_look(account) else 0
    return Means(looks, may_repeat, patience.blind_tries)


def next_step(means: Means, looks: int, tries: int) -> Step:
    """What is done after so many looks and tries."""
    if looks < means.looks_at_most:
        return Step.LOOK
    return Step.REPEAT if may_repeat(means, tries) else Step.PARK


def may_repeat(means: Means, tries: int) -> bool:
    """Whether it will be sent again if nothing is found out."""
    return means.may_repeat and tries < means.tries_at_most
