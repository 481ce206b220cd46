"""UIDs that a cursor went past while there was no mail to see: they are looked at again for a while (pure).

A UID is given out before its mail can be seen, by concurrent APPENDs or on a replicated server much before.
So a mail may appear below others that were handed on already. A UID below a UIDNEXT that was seen `SETTLE`
ago, and still without a mail, will not get one: that far everything is settled.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from postroom_fetcher.cursor import Cursor, Gap
from postroom_fetcher.uid_set import MAX_SET_BYTES

SETTLE = timedelta(minutes=10)
MAX_GAPS = 250
"""So many ranges are remembered, the newest: they fit one search."""
REACH_UIDS = 50_000
"""And so far below the last UID handed on, so that what a search for them finds fits a line."""


def passed(cursor: Cursor, uid: int, seen: Sequence[int]) -> Cursor:
    """The cursor after everything up to `uid` was dealt with; `seen` are the UIDs found there, ascending."""
    if uid <= cursor.last_uid:
        return cursor
    new = holes(cursor.last_uid, uid, seen)
    moved = replace(
        cursor,
        last_uid=uid,
        scanned_after_uid=max(cursor.scanned_after_uid, uid),
        scanned_uid=max(cursor.scanned_uid, uid),
    )
    return replace(moved, gaps=_bounded((*cursor.gaps, *new), max(cursor.settled_uid, uid - REACH_UIDS)))


def appeared(cursor: Cursor, uids: Collection[int]) -> Cursor:
    """The cursor after these mails, that had appeared in its gaps, were dealt with."""
    left: list[Gap] = []
    ordered = sorted(uids)
    for first, last in cursor.gaps:
        left += holes(first - 1, last, ordered)
    return replace(cursor, gaps=_bounded(left, cursor.settled_uid))


def settled(cursor: Cursor, uidnext: int, now: datetime) -> Cursor:
    """The cursor after a look into all its gaps: what has been open for long enough is closed.

    The mark is a UIDNEXT as it was at a time; what was given out later is a matter of the next mark.
    """
    marked_at = cursor.marked_at
    if marked_at is not None and now - marked_at < SETTLE:
        return cursor
    if not cursor.gaps and cursor.settled_uid == cursor.marked_uid == uidnext - 1:
        return cursor
    closed = max(cursor.settled_uid, cursor.marked_uid)
    return replace(
        cursor,
        settled_uid=closed,
        marked_uid=max(closed, uidnext - 1),
        marked_at=now,
        gaps=_bounded(cursor.gaps, closed),
    )


def holes(after: int, last: int, seen: Sequence[int]) -> list[Gap]:
    """The ranges of UIDs after `after` and up to `last` that are not among those seen (ascending)."""
    found: list[Gap] = []
    for uid in seen[bisect_right(seen, after) : bisect_right(seen, last)]:
        if uid > after + 1:
            found.append((after + 1, uid - 1))
        after = uid
    if last > after:
        found.append((after + 1, last))
    return found


def within(cursor: Cursor, uids: Iterable[int]) -> list[int]:
    """Those of the UIDs that lie in a gap, ascending, each once."""
    starts = [first for first, _last in cursor.gaps]
    return sorted(
        {uid for uid in uids if (at := bisect_right(starts, uid)) and uid <= cursor.gaps[at - 1][1]}
    )


def written(gaps: Iterable[Gap]) -> str:
    """The gaps as a UID set; empty if there are none."""
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in gaps)


def read(text: str) -> tuple[Gap, ...]:
    """The gaps in a text that `written` made."""
    bounds = (part.partition(":") for part in text.split(",") if part)
    return tuple((int(first), int(last or first)) for first, _colon, last in bounds)


def _bounded(gaps: Sequence[Gap], floor: int) -> tuple[Gap, ...]:
    """The newest gaps above the floor; two that touch are one."""
    lasts = [last for _first, last in gaps]
    above = [(max(first, floor + 1), last) for first, last in gaps[bisect_right(lasts, floor) :]]
    joined: list[Gap] = []
    for first, last in above:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    kept = joined[-MAX_GAPS:]
    # Two UIDs of ten digits and two marks each: the set stays under MAX_SET_BYTES.
    assert len(kept) * 22 <= MAX_SET_BYTES
    return tuple(kept)
