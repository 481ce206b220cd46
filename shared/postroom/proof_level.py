"""How well a reply must be proven before it decides: a closed list, as a table (pure).

Every level needs a reply token of ours. A level that ends in `+confirm` needs a second mail too: the reply
to a question that goes to the approver's registered address and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ProofLevel = Literal[
    "token",
    "token+from",
    "token+from+dmarc",
    "token+confirm",
    "token+from+confirm",
    "token+from+dmarc+confirm",
]
DEFAULT_LEVEL: ProofLevel = "token+from"


@dataclass(frozen=True)
class Needs:
    """What a level needs besides the token.

    `sender`: the mail's only sender is the approver or a delegate; `domain`: the sender's domain vouches for
    the mail (DMARC as our mail server found it, or an aligned DKIM signature that we verified ourselves);
    `confirmation`: whoever reads the registered mailbox says it again.
    """

    sender: bool
    domain: bool
    confirmation: bool

    def covers(self, other: "Needs") -> bool:
        """Whether nothing that the other needs is missing here."""
        return (
            self.sender >= other.sender
            and self.domain >= other.domain
            and self.confirmation >= other.confirmation
        )


LEVELS: Mapping[ProofLevel, Needs] = {
    "token": Needs(sender=False, domain=False, confirmation=False),
    "token+from": Needs(sender=True, domain=False, confirmation=False),
    "token+from+dmarc": Needs(sender=True, domain=True, confirmation=False),
    "token+confirm": Needs(sender=False, domain=False, confirmation=True),
    "token+from+confirm": Needs(sender=True, domain=False, confirmation=True),
    "token+from+dmarc+confirm": Needs(sender=True, domain=True, confirmation=True),
}


def is_below(level: ProofLevel, least: ProofLevel) -> bool:
    """Whether a level lacks anything of what the least one needs."""
    return not LEVELS[level].covers(LEVELS[least])


def level_for(asked: ProofLevel | None, least: ProofLevel) -> ProofLevel:
    """The level of a request: the one asked for, else the weakest that covers the default and the least.

    Whether the one asked for is allowed says `is_below`.
    """
    if asked is not None:
        return asked
    return next(
        level for level in LEVELS if not is_below(level, DEFAULT_LEVEL) and not is_below(level, least)
    )
