"""Which mails come next: where a folder is begun, windows of UIDs, chunks to fetch (pure).

A cursor says up to which UID a folder has been handed on, under one UIDVALIDITY (RFC 9051, section 2.3.1.1).
"""

import datetime
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from postroom.account_servers import Imap
from postroom_fetcher.response import Metadata

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Selected:
    """A folder as the server shows it when it is opened."""

    uidvalidity: int
    uidnext: int
    exists: int


Gap = tuple[int, int]
"""The first and the last UID of a range without mail, both inclusive."""


@dataclass(frozen=True)
class Cursor:
    """How far a folder has been handed on.

    Attributes:
        updated_at: When `last_uid` was last moved; whatever arrived later was not dealt with then.
        last_uid: Every mail up to here that could be seen was dealt with.
        since: Only mail from that day on, where a change of UIDVALIDITY made older mail look new.
        settled_uid, marked_uid, marked_at, gaps: What may still appear below `last_uid`, see
            `postroom_fetcher.gaps`.
        scanned_after_uid, scanned_uid: The mails after the one up to the other were looked at for replies,
            which were handed on; the others among them wait for their turn.
    """

    uidvalidity: int
    last_uid: int
    updated_at: datetime.datetime
    since: datetime.date | None = None
    settled_uid: int = 0
    marked_uid: int = 0
    marked_at: datetime.datetime | None = None
    gaps: tuple[Gap, ...] = ()
    scanned_after_uid: int = 0
    scanned_uid: int = 0


@dataclass(frozen=True)
class Start:
    """Where to go on. `fresh`: the cursor is not in the store yet. `since`: only mail from that day on."""

    cursor: Cursor
    fresh: bool
    since: datetime.date | None


def start(
    imap: Imap,
    selected: Selected,
    stored: Cursor | None,
    now: datetime.datetime,
    waiting_since: datetime.datetime | None = None,
) -> Start:
    """Where to go on in a folder.

    A folder seen for the first time begins where the account's `since` says. One whose UIDVALIDITY changed
    begins anew; with `since: now` at the day before its last mail, so that its past stays past, and before
    `waiting_since`, where mail waited for its turn or was set aside, so that none of it is taken for past.
    """
    given = imap.since if isinstance(imap.since, datetime.date) else None
    if stored is not None and stored.uidvalidity == selected.uidvalidity:
        return Start(stored, fresh=False, since=given or stored.since)
    highest = selected.uidnext - 1
    if imap.since != "now":
        return Start(_begin(selected, now, marked_uid=highest), fresh=True, since=given)
    if stored is None:
        cursor = _begin(selected, now, last_uid=highest, settled_uid=highest, marked_uid=highest)
        return Start(cursor, fresh=True, since=None)
    # SEARCH SINCE knows days only, in the server's time zone.
    done = min(stored.updated_at, waiting_since or stored.updated_at)
    day_before = (done - datetime.timedelta(days=1)).date()
    cursor = _begin(selected, now, marked_uid=highest, since=day_before)
    return Start(replace(cursor, updated_at=stored.updated_at), fresh=True, since=day_before)


def _begin(
    selected: Selected,
    now: datetime.datetime,
    *,
    last_uid: int = 0,
    settled_uid: int = 0,
    marked_uid: int,
    since: datetime.date | None = None,
) -> Cursor:
    return Cursor(
        selected.uidvalidity,
        last_uid,
        now,
        since,
        settled_uid=settled_uid,
        marked_uid=marked_uid,
        marked_at=now,
        scanned_after_uid=last_uid,
        scanned_uid=last_uid,
    )


def criteria(imap: Imap, uids: str, since: datetime.date | None) -> str:
    """The search among these UIDs (a UID set) for what the account reads (RFC 9051, section 6.4.4)."""
    keys = [f"UID {uids}"]
    if imap.messages == "unread":
        keys.append("UNSEEN")
    if since is not None:
        keys.append(f"SINCE {since.day}-{MONTHS[since.month - 1]}-{since.year}")
    return " ".join(keys)


def within(found: Iterable[int], window: tuple[int, int]) -> list[int]:
    """What a search found, ascending, each once, and nothing that was not asked for."""
    return sorted({uid for uid in found if window[0] <= uid <= window[1]})


@dataclass(frozen=True)
class Limits:
    """How much is fetched at once (counts and bytes), and what is small enough to travel in a message."""

    inline_bytes: int
    max_size_bytes: int
    chunk_mails: int = 100
    chunk_bytes: int = 1024 * 1024


@dataclass(frozen=True)
class Chunk:
    """Mails that are fetched by one command: several that travel in messages, or one that does not."""

    mails: tuple[Metadata, ...]
    inline: bool


def chunks(mails: Sequence[Metadata], limits: Limits, alone: Container[int] = ()) -> Iterator[Chunk]:
    """The mails in their order as chunks, so that the cursor can follow chunk by chunk.

    Those whose UIDs are in `alone` share theirs with no other.
    """
    taken: list[Metadata] = []
    taken_bytes = 0
    for mail in mails:
        large = mail.size_bytes > limits.inline_bytes
        full = len(taken) == limits.chunk_mails or taken_bytes + mail.size_bytes > limits.chunk_bytes
        apart = large or mail.uid in alone
        if taken and (apart or full):
            yield Chunk(tuple(taken), inline=True)
            taken, taken_bytes = [], 0
        if apart:
            yield Chunk((mail,), inline=not large)
        else:
            taken.append(mail)
            taken_bytes += mail.size_bytes
    if taken:
        yield Chunk(tuple(taken), inline=True)
