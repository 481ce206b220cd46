"""Why an address gets no mail any more, from which lanes that keeps it, and for how long (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from postroom.addresses import fold_case, normal_address
from postroom.messages import SendLane

Reason = Literal["hard", "soft", "complaint", "unsubscribe", "manual"]
SOFT_BOUNCES = 3
SOFT_WITHIN = timedelta(days=14)
"""So many mails of an account to an address that came back in this time suppress it."""


@dataclass(frozen=True)
class Rule:
    """What a reason comes to. `lanes`: which mail is not sent; `lasts`: None is until somebody removes it."""

    told: str
    lanes: frozenset[SendLane]
    lasts: timedelta | None = None

    def until(self, now: datetime) -> datetime | None:
        """When a suppression that begins now ends; None: never by itself."""
        return None if self.lasts is None else now + self.lasts


_ALL: frozenset[SendLane] = frozenset({"transactional", "bulk"})
_BULK: frozenset[SendLane] = frozenset({"bulk"})
# Approvals go to full mailboxes and to those who want no newsletters: whoever waits for an answer is better
# served by a try than by silence. An address that is not there gets nothing.
RULES: Mapping[Reason, Rule] = {
    "hard": Rule("mail to it came back for good", _ALL, timedelta(days=180)),
    "soft": Rule("mail to it came back several times", _BULK, timedelta(days=14)),
    "complaint": Rule("mail to it was reported as spam", _BULK),
    "unsubscribe": Rule("it was unsubscribed", _BULK),
    "manual": Rule("it was suppressed by hand", _ALL),
}


def key_of(address: str) -> str:
    """The form in which addresses are compared: A-labels, ASCII letters in lower case; tags count.

    Raises:
        ValueError: it is no address; the sentence says why.
    """
    return fold_case(normal_address(address))


def stops(reason: str, lane: SendLane) -> bool:
    """Whether a suppression for this reason keeps mail of the lane from being sent."""
    rule = next((rule for name, rule in RULES.items() if name == reason), None)
    return rule is not None and lane in rule.lanes
