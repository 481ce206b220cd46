"""Mails that a server lists and does not give: when such a one is set aside, and tried again (pure).

The first failures are the mailbox's, which pauses and tries again: servers and networks have bad moments. A
mail that fails again and again, where another one of its folder comes whole, is at fault itself: it is set
aside, the rest goes on, and it is tried again now and then for as long as it is listed.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from postroom.amount import amount

TRIES = 3
"""So often a mail is tried before it may be set aside."""
MOST_SET_ASIDE = 100
"""Of one folder. Where there are more, it is the server that is at fault, and the mailbox stays red."""
FIRST_PAUSE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(hours=6)
BLAMED = frozenset({"incomplete_answer", "refused", "protocol_error", "disconnected", "too_slow"})
"""The reasons for which the mail that was asked for may be what is wrong."""
MAX_SENTENCE_CHARS = 500


@dataclass(frozen=True)
class Trouble:
    """A mail that did not come. `set_aside_at`, `next_try_at`: None as long as it may hold up its folder."""

    uid: int
    tries: int
    reason_code: str
    sentence: str
    first_at: datetime
    last_at: datetime
    set_aside_at: datetime | None = None
    next_try_at: datetime | None = None

    @property
    def may_be_set_aside(self) -> bool:
        """Whether it failed often enough, and is not set aside yet."""
        return self.set_aside_at is None and self.tries >= TRIES


def failed(before: Trouble | None, uid: int, reason_code: str, sentence: str, now: datetime) -> Trouble:
    """The trouble after one more try."""
    sentence = sentence[:MAX_SENTENCE_CHARS]
    if before is None:
        return Trouble(uid, 1, reason_code, sentence, now, now)
    again = replace(before, tries=before.tries + 1, reason_code=reason_code, sentence=sentence, last_at=now)
    return again if again.set_aside_at is None else replace(again, next_try_at=now + _pause(again.tries))


def set_aside(trouble: Trouble, now: datetime) -> Trouble:
    """The trouble of a mail that holds up its folder no more."""
    return replace(trouble, set_aside_at=now, next_try_at=now + _pause(trouble.tries))


def _pause(tries: int) -> timedelta:
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(max(0, tries - TRIES), 10)))


def due(troubles: Iterable[Trouble], now: datetime) -> list[int]:
    """The UIDs of those set aside that are to be tried again."""
    return sorted(each.uid for each in troubles if each.next_try_at is not None and each.next_try_at <= now)


def told(troubles: Collection[Trouble], folder: str) -> str:
    """What a person needs to know of the mails set aside; empty if there are none."""
    if not troubles:
        return ""
    first = min(troubles, key=lambda each: each.uid)
    mails = amount(len(troubles), "mail is", "mails are")
    return (
        f"{mails} set aside, since the server lists and does not give what is under UID {first.uid} of "
        f"{folder!r} ({first.reason_code}, {first.tries} tries): {first.sentence.rstrip('.')}"
    )
