"""Windows of UIDs for searches, each with a bounded number of mails, however many UIDs it spans (pure).

A search answers with one line, which has its limit. A window of so many UIDs never has more mails; where the
UIDs are sparse there would be no end of such windows, so they are then cut by message sequence numbers, which
have no holes (RFC 9051, section 2.3.1.2). Other clients may remove mails meanwhile, which shifts the numbers:
a window then has somewhat more or fewer mails, and none is left out, since windows are of UIDs all the same.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator

WINDOW_MAILS = 50_000
"""The UIDs of so many mails, 11 bytes each, fit imaplib's line limit of 1,000,000 bytes; so do those of half
as many again, as it may be after removals by others."""

Window = tuple[int, int]
"""The first and the last UID, both inclusive."""
UidOf = Callable[[int], int | None]
"""The UID of the mail with a sequence number; None if there is none."""


def ascending(
    first: int, last: int, exists: int, uid_of: UidOf, size: int = WINDOW_MAILS
) -> Iterator[Window]:
    """The UIDs from `first` to `last` as windows, the lowest one first, in a folder of `exists` mails."""
    below = -1
    while first <= last:
        end = last
        if last - first >= size and exists > size:
            below = below if below >= 0 else _count_below(first, exists, uid_of)
            below += size
            end = _between(uid_of(below) if below < exists else None, first, last, otherwise=last)
        yield first, end
        first = end + 1


def descending(
    first: int, last: int, exists: int, uid_of: UidOf, size: int = WINDOW_MAILS
) -> Iterator[Window]:
    """The same windows from the highest one down."""
    below = -1
    while first <= last:
        begin = first
        if last - first >= size and exists > size:
            below = below if below >= 0 else _count_below(last + 1, exists, uid_of)
            below -= size
            begin = _between(uid_of(below + 1) if below > 0 else None, first, last, otherwise=first)
        yield begin, last
        last = begin - 1


def _count_below(uid: int, exists: int, uid_of: UidOf) -> int:
    """How many mails have a lower UID. A mail that is gone meanwhile counts as a high one."""
    if uid <= 1:
        return 0
    return bisect_left(range(1, exists + 1), uid, key=lambda number: uid_of(number) or 2**32)


def _between(uid: int | None, first: int, last: int, *, otherwise: int) -> int:
    return uid if uid is not None and first <= uid <= last else otherwise
