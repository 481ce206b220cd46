"""How a request lives: states and events as a table, votes and rules, and what is due when (pure).

A request is `pending` until it is decided, undecided, expired or cancelled; what has ended does not begin
again. `TABLE` says for each state and event what happens; a pair that is missing cannot happen. A vote is
counted by the request's rule:

* The *needed* votes for a choice are 1 (`any`), as many as were asked at first (`all`), or the number given.
* With the default choices a rejection needs as many votes, or as many as make the approval impossible, if
  those are fewer: with `all` the first rejection rejects.
* With other choices a request ends `undecided` as soon as no choice can get the needed votes any more; with
  `all` that is as soon as two differ.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from postroom.addresses import same_address
from postroom.messages import DEFAULT_CHOICES

State = Literal["pending", "decided", "undecided", "expired", "cancelled"]
EventKind = Literal["ask", "change", "vote", "delegate", "cancel", "remind", "escalate", "expire"]
Effect = Literal[
    "tell",  # say once more how it is; nothing changes
    "ask_afresh",  # void tokens and votes, ask everybody anew
    "count",  # record the vote and count: pending, decided or undecided
    "ask_delegate",
    "end",
    "mail",  # remind, or ask those to whom it escalates
    "refuse",  # a command that is too late: the answer names the reason
    "ignore",  # a reply that is too late: recorded with the reason
    "nothing",
]
Role = Literal["first", "escalated", "delegate"]
ENDED: tuple[State, ...] = ("decided", "undecided", "expired", "cancelled")


@dataclass(frozen=True)
class Cell:
    """What an event does to a request in a state: the state after it (None: as counted) and the effect."""

    after: State | None
    effect: Effect


def _ended(state: State) -> dict[tuple[State, EventKind], Cell]:
    again = Cell(state, "tell")
    return {
        (state, "ask"): again,
        (state, "change"): Cell(state, "refuse"),
        (state, "vote"): Cell(state, "ignore"),
        (state, "delegate"): Cell(state, "refuse"),
        (state, "cancel"): again if state == "cancelled" else Cell(state, "refuse"),
        (state, "remind"): Cell(state, "nothing"),
        (state, "escalate"): Cell(state, "nothing"),
        (state, "expire"): Cell(state, "nothing"),
    }


TABLE: Mapping[tuple[State, EventKind], Cell] = {
    ("pending", "ask"): Cell("pending", "tell"),
    ("pending", "change"): Cell("pending", "ask_afresh"),
    ("pending", "vote"): Cell(None, "count"),
    ("pending", "delegate"): Cell("pending", "ask_delegate"),
    ("pending", "cancel"): Cell("cancelled", "end"),
    ("pending", "remind"): Cell("pending", "mail"),
    ("pending", "escalate"): Cell("pending", "mail"),
    ("pending", "expire"): Cell("expired", "end"),
    **_ended("decided"),
    **_ended("undecided"),
    **_ended("expired"),
    **_ended("cancelled"),
}


@dataclass(frozen=True)
class Seat:
    """Somebody who is asked. A delegate takes the place of an approver: they have one vote together."""

    address: str
    role: Role = "first"
    stands_for: str | None = None

    @property
    def name(self) -> str:
        """By what the vote is counted: the address of the approver."""
        return self.stands_for or self.address


@dataclass(frozen=True)
class Vote:
    """What an approver decided, for the seat of that name (their own, or that of whom they stand for).

    `mail_id` and `comment` are for those who are told about it.
    """

    seat: str
    approver: str
    choice: str
    at: datetime
    mail_id: str = ""
    comment: str = ""


@dataclass(frozen=True)
class Terms:
    """What a request asks for: choices, rule (`any`, `all` or a number), who counts, what needs a comment.

    `seats` are all who may decide now; `to_come`: how many more will be asked if it escalates.
    """

    choices: tuple[str, ...] = DEFAULT_CHOICES
    rule: str = "any"
    seats: tuple[Seat, ...] = ()
    to_come: int = 0
    comment_required: tuple[str, ...] = ()

    @property
    def first(self) -> int:
        """How many were asked at first."""
        return sum(seat.role == "first" for seat in self.seats)

    @property
    def has_default_choices(self) -> bool:
        """Whether it is approve or reject, in whatever order and letter case."""
        return {choice.casefold() for choice in self.choices} == set(DEFAULT_CHOICES)

    def needed(self, choice: str) -> int:
        """How many votes for the choice decide."""
        asked = max(1, self.first)
        wanted = {"any": 1, "all": asked}.get(self.rule) or int(self.rule)
        if self.has_default_choices and choice.casefold() == "reject":
            return max(1, min(wanted, asked - wanted + 1))
        return wanted

    def needs_comment(self, choice: str) -> bool:
        """Whether the choice counts only with a comment."""
        return any(choice.casefold() == each.casefold() for each in self.comment_required)


@dataclass(frozen=True)
class Count:
    """What the votes come to."""

    state: State
    decision: str | None = None


def count(terms: Terms, votes: Sequence[Vote]) -> Count:
    """What the votes come to by the rule."""
    got = Counter(vote.choice for vote in votes)
    for choice in terms.choices:
        if got[choice] >= terms.needed(choice):
            return Count("decided", choice)
    if terms.rule == "all" and len(got) > 1:
        return Count("undecided")
    voted = {vote.seat for vote in votes}
    names = {seat.name for seat in terms.seats}
    left = len(names - voted) + terms.to_come
    if all(got[choice] + left < terms.needed(choice) for choice in terms.choices):
        return Count("undecided")
    return Count("pending")


def missing(terms: Terms, votes: Sequence[Vote]) -> tuple[Seat, ...]:
    """Those who are asked and whose vote is not in, neither by themselves nor by the one who shares it."""
    voted = {vote.seat for vote in votes}
    return tuple(seat for seat in terms.seats if seat.name not in voted)


def vote_of(votes: Sequence[Vote], seat: str) -> Vote | None:
    """The vote that the seat has given, or None."""
    return next((vote for vote in votes if vote.seat == seat), None)


@dataclass(frozen=True)
class Ending:
    """How a request stands as far as late replies and commands are told."""

    state: State
    decided_by: str | None = None
    ended_at: datetime | None = None


def late_reason(ending: Ending) -> str:
    """Why an event comes too late for a request that has ended."""
    at = f" at {written(ending.ended_at)}" if ending.ended_at else ""
    if ending.state == "decided":
        return f"already decided by {ending.decided_by}{at}"
    if ending.state == "undecided":
        return f"the request ended undecided{at}"
    return f"the request is {ending.state}"


def voted_reason(vote: Vote, approver: str) -> str:
    """Why a second vote does not count: the first one stays."""
    who = "you" if same_address(vote.approver, approver) else vote.approver
    return f"{who} already voted {vote.choice!r} at {written(vote.at)}; the first vote counts"


def changed_reason(changed_at: datetime) -> str:
    """Why a reply to a request as it was before does not count."""
    return f"this request was changed at {written(changed_at)}; see the new mail"


def written(moment: datetime) -> str:
    """A time as sentences give it: to the minute, in UTC."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True)
class Plan:
    """When to remind, and when to ask whom else; seconds from the time of asking.

    Either `remind_after_s` or `remind_every_s`, the latter `remind_at_most` times.
    """

    remind_after_s: tuple[int, ...] = ()
    remind_every_s: int | None = None
    remind_at_most: int = 0
    escalate_after_s: int | None = None
    escalate_to: tuple[str, ...] = ()

    def reminder_times(self, asked_at: datetime, deadline: datetime) -> list[datetime]:
        """When to remind: in order, all before the deadline."""
        after = sorted(set(self.remind_after_s))
        if self.remind_every_s:
            after = [self.remind_every_s * number for number in range(1, self.remind_at_most + 1)]
        times = (asked_at + timedelta(seconds=each) for each in after)
        return [each for each in times if each < deadline]

    def escalates_at(self, asked_at: datetime, deadline: datetime) -> datetime | None:
        """When others are asked too, or None."""
        if self.escalate_after_s is None:
            return None
        at = asked_at + timedelta(seconds=self.escalate_after_s)
        return at if at < deadline else None


@dataclass(frozen=True)
class Progress:
    """How far the plan of a pending request has come. `reminded_at`: up to when reminders are done."""

    plan: Plan
    asked_at: datetime
    deadline: datetime
    reminded_at: datetime | None = None
    escalated_at: datetime | None = None


def next_reminder(progress: Progress) -> datetime | None:
    """When the next reminder is due, or None."""
    times = progress.plan.reminder_times(progress.asked_at, progress.deadline)
    done = progress.reminded_at or progress.asked_at
    return next((each for each in times if each > done), None)


def next_escalation(progress: Progress) -> datetime | None:
    """When it escalates, or None."""
    if progress.escalated_at is not None:
        return None
    return progress.plan.escalates_at(progress.asked_at, progress.deadline)


Due = Literal["reminder", "escalation", "expiry"]


def upcoming(progress: Progress) -> tuple[Due, datetime]:
    """What comes next of a pending request if nobody answers, and when."""
    moments: tuple[tuple[Due, datetime | None], ...] = (
        ("reminder", next_reminder(progress)),
        ("escalation", next_escalation(progress)),
        ("expiry", progress.deadline),
    )
    known = [(name, at) for name, at in moments if at is not None]
    return min(known, key=lambda each: each[1])


def next_due(progress: Progress) -> datetime:
    """When a pending request is to be looked at next."""
    return upcoming(progress)[1]


def due(progress: Progress, now: datetime) -> tuple[EventKind, ...]:
    """What is due, in order. Reminders that were missed while nobody looked are one; at the end only that."""
    if progress.deadline < now:
        return ("expire",)
    found: list[EventKind] = []
    reminder, escalation = next_reminder(progress), next_escalation(progress)
    if reminder is not None and reminder <= now:
        found.append("remind")
    if escalation is not None and escalation <= now:
        found.append("escalate")
    return tuple(found)


def after(progress: Progress, done: Sequence[EventKind], now: datetime) -> Progress:
    """The progress once what was due is done."""
    if "remind" in done:
        progress = replace(progress, reminded_at=now)
    if "escalate" in done:
        progress = replace(progress, escalated_at=now)
    return progress
