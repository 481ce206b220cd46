"""How many mails an account may hand over in a window: `30 per 1m` (pure)."""

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

_FORM = "must be a number and a duration such as 30 per 1m, 500 per 1h or 2000 per 1d"
_RATE = re.compile(r"([0-9]{1,7}) per ([0-9]{1,5})(s|m|h|d)")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_S = 31 * 86400
BULK_SHARE = 0.8
"""Of a window, how much bulk mail may use at most; the rest is kept for mail that people wait for."""


@dataclass(frozen=True)
class Rate:
    """`count` mails in a window of this length; a window begins with its first mail."""

    count: int
    window: timedelta

    @property
    def for_bulk(self) -> int:
        """How many mails a window must not have had yet for one of bulk to go: some room is always kept."""
        return self.count if self.count == 1 else min(math.ceil(self.count * BULK_SHARE), self.count - 1)


@lru_cache(maxsize=1024)
def parse_rate(text: str) -> Rate:
    """The rate that a text gives. Raises ValueError with what is allowed."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(_FORM)
    count, window_s = int(match[1]), int(match[2]) * _UNIT_S[match[3]]
    if not count or not 1 <= window_s <= _LONGEST_S:
        raise ValueError(f"{_FORM}; one mail at least, and a window of 1s to 31d")
    return Rate(count, timedelta(seconds=window_s))


def _tidied(value: object) -> object:
    return " ".join(value.lower().split()) if isinstance(value, str) else value


def _checked(text: str) -> str:
    parse_rate(text)
    return text


RateText = Annotated[
    str,
    BeforeValidator(_tidied),
    AfterValidator(_checked),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+ per [0-9]+(s|m|h|d)$"}),
]
