"""The limits of an account: so many mails in an interval and of one sender, and who goes first (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from postroom.amount import amount

REPLIES_PER_APPROVER = 20
"""Replies with a valid token that an approver may send in an interval beside the account's count."""


@dataclass(frozen=True)
class Window:
    """An interval of `length_s` seconds that takes `limit` mails, `used` of them taken."""

    started_at: datetime
    length_s: int
    limit: int
    used: int

    @property
    def has_room(self) -> bool:
        """Whether one more mail fits."""
        return self.used < self.limit

    @property
    def room(self) -> int:
        """How many more mails fit."""
        return max(0, self.limit - self.used)

    @property
    def ends_at(self) -> datetime:
        """When the next window can begin."""
        return self.started_at + timedelta(seconds=self.length_s)

    def later(self, windows: int) -> datetime:
        """When so many windows more than this one are over."""
        # Bounded: a line of a million mails at one a day is beyond the calendar.
        return self.ends_at + timedelta(seconds=min(windows * self.length_s, _MOST_S))

    def taken(self) -> "Window":
        """The window after one more mail."""
        return replace(self, used=self.used + 1)

    def at(self, now: datetime) -> "Window":
        """The window that holds at a time: this one, or a new one if this is over.

        A clock that jumped back finds this window not over: nothing is opened twice. One that was far ahead
        when the window began does not keep it open for ever either: it ends one length from now, as used as
        it is.
        """
        if now >= self.ends_at:
            return replace(self, started_at=now, used=0)
        if now < self.started_at - timedelta(seconds=self.length_s):
            return replace(self, started_at=now)
        return self


_MOST_S = 366 * 86400


@dataclass(frozen=True)
class Place:
    """Where a mail stands that waits: how many before it, of all and of its own sender."""

    ahead: int
    ahead_of_sender: int


@dataclass(frozen=True)
class Refusal:
    """Why a mail has to wait, and until when, as things stand."""

    reason: str
    until: datetime


@dataclass(frozen=True)
class Line:
    """The mails of an account that wait for room, and what senders have used of the account's window.

    Attributes:
        per_sender: How many mails of one sender a window takes; None: as many as there is room for.
        next_ids: The ids of the mails that go next, in order: all, or more than this batch can let go. What
            waits for room of its own sender is not among them.
        places: Of the mails of this batch that wait since before it.
        length: How many wait in all.
        used: How many mails of a sender (`sender_key`) or replies of an approver (`approver_key`) were taken.
        waiting_of: How many mails of a sender wait.
    """

    per_sender: int | None = None
    next_ids: tuple[str, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    length: int = 0
    used: Mapping[str, int] = field(default_factory=dict)
    waiting_of: Mapping[str, int] = field(default_factory=dict)

    def refusal(self, window: Window, mail_id: str, sender: str) -> Refusal | None:
        """Why the mail has to wait; None if it is its turn.

        Whoever waits longer has the room that there is: a newcomer gets what is left beyond that.
        """
        limited = self._sender_refusal(window, mail_id, sender)
        if limited is not None:
            return limited
        is_next = mail_id in self.next_ids[: window.room]
        is_free = mail_id not in self.places and len(self.next_ids) < window.room
        if is_next or is_free:
            return None
        place = self.places.get(mail_id)
        ahead = place.ahead if place else self.length
        full = f"over the limit of {amount(window.limit, 'mail')} in {window.length_s} s"
        reason = full if not window.has_room else f"{full}: older mails go first"
        return Refusal(reason, window.later(max(0, ahead - window.room) // window.limit))

    def _sender_refusal(self, window: Window, mail_id: str, sender: str) -> Refusal | None:
        if self.per_sender is None:
            return None
        place = self.places.get(mail_id)
        ahead = place.ahead_of_sender if place else self.waiting_of.get(sender, 0)
        left = self.per_sender - self.used.get(sender, 0)
        if ahead < left or mail_id in self.next_ids:
            return None
        reason = f"over the limit of {amount(self.per_sender, 'mail')} of one sender in {window.length_s} s"
        return Refusal(reason, window.later(max(0, ahead - left) // self.per_sender))

    def taken(self, mail_id: str, sender: str) -> "Line":
        """The line after a mail of the sender found room."""
        left = self.left(mail_id, sender)
        if self.per_sender is None:
            return left
        return replace(left, used={**self.used, sender: self.used.get(sender, 0) + 1})

    def left(self, mail_id: str, sender: str) -> "Line":
        """The line without a mail that waits no longer, if it did."""
        if mail_id not in self.places:
            return self
        waiting_of = {**self.waiting_of, sender: max(0, self.waiting_of.get(sender, 0) - 1)}
        next_ids = tuple(each for each in self.next_ids if each != mail_id)
        places = {each: place for each, place in self.places.items() if each != mail_id}
        return replace(
            self, next_ids=next_ids, places=places, length=max(0, self.length - 1), waiting_of=waiting_of
        )

    def joined(self, mail_id: str, sender: str) -> "Line":
        """The line after a mail has to wait: at its end, or where it stood."""
        if mail_id in self.places:
            return self
        of_sender = self.waiting_of.get(sender, 0)
        return replace(
            self,
            places={**self.places, mail_id: Place(self.length, of_sender)},
            length=self.length + 1,
            waiting_of={**self.waiting_of, sender: of_sender + 1},
        )

    def has_reply_room(self, approver: str) -> bool:
        """Whether the approver (`approver_key`) has replies left that need no room of the account."""
        return self.used.get(approver, 0) < REPLIES_PER_APPROVER

    def replied(self, approver: str) -> "Line":
        """The line after a reply that needed no room of the account."""
        return replace(self, used={**self.used, approver: self.used.get(approver, 0) + 1})


def sender_key(canonical: str | None) -> str:
    """Under which the mails of a sender are counted; all without a sender that can be read are one's."""
    return f"from:{canonical or ''}"[:320]


def approver_key(address: str) -> str:
    """Under which the replies of an approver are counted."""
    return f"by:{address.lower()}"[:320]
