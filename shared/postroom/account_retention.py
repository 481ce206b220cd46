"""How long an account's mail and what was made of it are kept (pure)."""

from typing import Annotated

from pydantic import Field

from postroom.account_values import DurationS, Section

_DAY_S = 86_400
_LONGEST_S = 36_500 * _DAY_S


class Retention(Section):
    """How long is kept what there is of an account. What a pending request needs stays in any case."""

    raw_s: Annotated[DurationS, Field(ge=_DAY_S, le=_LONGEST_S)] = Field(
        90 * _DAY_S,
        alias="raw",
        description="Raw mail, as it came: 1d to 36500d. The text of conversations does not need it.",
    )
    conversations_s: Annotated[DurationS, Field(ge=_DAY_S, le=_LONGEST_S)] = Field(
        730 * _DAY_S,
        alias="conversations",
        description="Conversations, after their last mail, with their messages: 1d to 36500d.",
    )
    evidence_s: Annotated[DurationS, Field(ge=_DAY_S, le=_LONGEST_S)] | None = Field(
        None,
        alias="evidence",
        description="Evidence of requests, after its last entry. Default: `POSTROOM_EVIDENCE_DAYS`, and "
        "without that for ever.",
    )
    logs_s: Annotated[DurationS, Field(ge=30 * _DAY_S, le=_LONGEST_S)] = Field(
        365 * _DAY_S,
        alias="logs",
        description="What became of each mail that came or went: 30d to 36500d. A mail that comes again "
        "later counts as new.",
    )
