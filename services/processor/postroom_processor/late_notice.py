"""Who is told that a reply changed nothing, since it came too late or second, and why somebody is not (pure).

It goes to the registered address and once for each request and person, so nothing that answers by itself
can keep it going. Rules are asked in the order of `RULES`; the first that has an answer refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postroom.addresses import same_address
from postroom.amount import amount
from postroom_processor.automatic import seems_away
from postroom_processor.decide import TokenRecord
from postroom_processor.examine import Examined
from postroom_processor.lifecycle import vote_of
from postroom_processor.verdict import Decided, read_verdict

MAX_A_DAY = 10
"""Notices to one person a day (UTC), over all requests and accounts."""


@dataclass(frozen=True)
class Told:
    """How many notices this person has had: about this request, and today (UTC) about whatever request."""

    about: int
    today: int


Rule = Callable[[Examined, TokenRecord, Told], str | None]


def addressee(examined: Examined, record: TokenRecord) -> str:
    """The registered address that is told: of whoever wrote, or the one that was asked."""
    return record.answerer(examined.sender) or record.answerers[0]


def refusal(
    examined: Examined, record: TokenRecord, told: Told, rules: tuple[Rule, ...] | None = None
) -> str | None:
    """Why the author of this late or second reply is told nothing; None if told.

    Args:
        examined: The reply.
        record: Of its token.
        told: What its author was told before.
        rules: What is asked, in order, if not `RULES`; a test leaves one out to see that it is needed.
    """
    answers = (rule(examined, record, told) for rule in rules or RULES)
    return next((answer for answer in answers if answer is not None), None)


def _unread(examined: Examined, _record: TokenRecord, _told: Told) -> str | None:
    is_whole = examined.mail.limited is None and not examined.received.truncated
    return None if is_whole else "it was not read whole"


def _away(examined: Examined, _record: TokenRecord, _told: Told) -> str | None:
    away = seems_away(examined.mail.subject) or seems_away(examined.own.text)
    return "it reads like an out-of-office reply" if away else None


def _nothing_new(examined: Examined, record: TokenRecord, _told: Told) -> str | None:
    """Who has voted already writes thanks, or the same again: only another choice is worth an answer."""
    vote = vote_of(record.votes, record.seat)
    if vote is None or not same_address(vote.approver, addressee(examined, record)):
        return None
    verdict = read_verdict(examined.own, record.choices)
    is_other = isinstance(verdict, Decided) and verdict.choice != vote.choice
    return None if is_other else "its author has voted, and says nothing else"


def _before(_examined: Examined, _record: TokenRecord, told: Told) -> str | None:
    return "its author was told before" if told.about else None


def _flood(_examined: Examined, _record: TokenRecord, told: Told) -> str | None:
    return None if told.today < MAX_A_DAY else f"its author was told {amount(told.today, 'time')} today"


RULES: tuple[Rule, ...] = (_unread, _away, _nothing_new, _before, _flood)
