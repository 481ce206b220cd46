"""UID sets as IMAP writes them (RFC 9051, section 9, `sequence-set`) (pure)."""

from collections.abc import Iterable, Iterator

MAX_SET_BYTES = 7000
"""Servers may refuse lines over 8,192 bytes (RFC 7162, section 4); the rest of the line needs room."""


def uid_sets(uids: Iterable[int], max_bytes: int = MAX_SET_BYTES) -> list[str]:
    """The UIDs as compressed sets such as `1:50,60`, ascending, none longer than `max_bytes`."""
    sets: list[str] = []
    for part in map(_written, _ranges(uids)):
        if sets and len(sets[-1]) + 1 + len(part) <= max_bytes:
            sets[-1] += f",{part}"
        else:
            sets.append(part)
    return sets


def _ranges(uids: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = 0
    for uid in sorted(set(uids)):
        if first and uid == last + 1:
            last = uid
            continue
        if first:
            yield first, last
        first = last = uid
    if first:
        yield first, last


def _written(bounds: tuple[int, int]) -> str:
    first, last = bounds
    return str(first) if first == last else f"{first}:{last}"
