"""Tells the mails that were handed on from others under their UIDs, before one of them is removed.

A UID means the same mail as long as UIDVALIDITY is the same (RFC 9051, section 2.3.1.1); that is the server's
promise, and not all restores and migrations keep it. Size and header are asked for many mails in one command.
Where they differ the whole mail is read: some servers say sizes that are not exact.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from postroom_fetcher import response
from postroom_fetcher.download import PART_BYTES, must_be_gone
from postroom_fetcher.fingerprint import HEADER_BYTES, Fingerprint, header_sha256
from postroom_fetcher.session import Session

MAILS_AT_ONCE = 250
"""With the headers' most that makes 4 MiB of answer at most."""
MOST_COPIES = 1000
_ITEMS = ("UID", "RFC822.SIZE", f"BODY.PEEK[HEADER]<0.{HEADER_BYTES}>")

Look = tuple[int, str]
"""Size and header hash of a mail, as the server shows them."""


@dataclass(frozen=True)
class Sorted:
    """The mails asked for: the same as were handed on, others, not in the ledger, or gone."""

    same: Mapping[int, Look]
    changed: frozenset[int]
    unknown: frozenset[int]
    gone: frozenset[int]


def sort(session: Session, uids: Sequence[int], known: Mapping[int, Fingerprint]) -> Sorted:
    """Compare the mails of the open folder with what the ledger knows of them.

    Raises:
        Unavailable: The connection broke, or the server did not show a mail that is there.
    """
    looks = {uid: look for group in _groups(uids) for uid, look in _looks(session, group).items()}
    gone = [uid for uid in uids if uid not in looks]
    must_be_gone(session, gone)
    found = {uid: look for uid, look in looks.items() if uid in known}
    same = {uid: look for uid, look in found.items() if _is_same(session, uid, look, known[uid])}
    return Sorted(
        same=same,
        changed=frozenset(found.keys() - same.keys()),
        unknown=frozenset(looks.keys() - known.keys()),
        gone=frozenset(gone),
    )


def copies(session: Session, looks: Mapping[int, Look]) -> frozenset[int]:
    """Those of the mails (UIDs of another folder) that the open folder has as well, as many as it has."""
    there = Counter(
        look for size in {size for size, _header in looks.values()} for look in _of_size(session, size)
    )
    found = set()
    for uid, look in sorted(looks.items()):
        if there[look]:
            there[look] -= 1
            found.add(uid)
    return frozenset(found)


def _of_size(session: Session, size: int) -> Iterator[Look]:
    # RFC 9051, section 6.4.4: both bounds are exclusive.
    smaller_too = f"LARGER {size - 1} " if size else ""
    for group in _groups(session.search(f"{smaller_too}SMALLER {size + 1}")[-MOST_COPIES:]):
        yield from _looks(session, group).values()


def _looks(session: Session, uids: Sequence[int]) -> dict[int, Look]:
    answer = session.fetch(uids, _ITEMS)
    sizes = {mail.uid: mail.size_bytes for mail in response.read_metadata(answer, uids)}
    headers = {uid: answer[uid].get(b"BODY[HEADER]<0>") for uid in uids if uid in answer}
    return {uid: (sizes.get(uid, -1), header_sha256(header or b"")) for uid, header in headers.items()}


def _is_same(session: Session, uid: int, look: Look, known: Fingerprint) -> bool:
    return look == (known.size_bytes, known.header_sha256) or _has_content(session, uid, known)


def _has_content(session: Session, uid: int, known: Fingerprint) -> bool:
    """Whether the mail has exactly the bytes that were handed on."""
    if known.truncated:
        return False
    digest, length = hashlib.sha256(), 0
    for part in _parts(session, uid):
        digest.update(part)
        length += len(part)
        if length > known.size_bytes:
            return False
    return digest.hexdigest() == known.sha256


def _parts(session: Session, uid: int) -> Iterator[bytes]:
    offset = 0
    while part := _part(session, uid, offset):
        yield part
        offset += len(part)


def _part(session: Session, uid: int, offset: int) -> bytes | None:
    answer = session.fetch([uid], response.part_items(offset, PART_BYTES))
    return response.read_part(answer, uid, offset)


def _groups(uids: Iterable[int]) -> Iterator[list[int]]:
    rest = list(uids)
    return (rest[start : start + MAILS_AT_ONCE] for start in range(0, len(rest), MAILS_AT_ONCE))
