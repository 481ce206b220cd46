"""Folders in memory that may pretend to hold millions of mails, and mails of any size made on the fly."""

from __future__ import annotations

import datetime
import hashlib
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from imapclient import imap_utf7

from tests.servers.imap_grammar import Ranges

EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
PIECE_BYTES = 64 * 1024
_LINE = b"0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789\r\n"
_BLOCK = _LINE * (PIECE_BYTES // len(_LINE) + 2)


class Content(Protocol):
    """The bytes of a mail, which need not be in memory."""

    @property
    def size_bytes(self) -> int:
        """How many there are."""

    @property
    def header_bytes(self) -> int:
        """How many of them are header, with the empty line that ends it."""

    def part(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`."""


@dataclass(frozen=True)
class Whole:
    """A mail that is in memory."""

    data: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    @property
    def header_bytes(self) -> int:
        end = self.data.find(b"\r\n\r\n")
        return len(self.data) if end < 0 else end + 4

    def part(self, start: int, stop: int) -> bytes:
        return self.data[start:stop]


@dataclass(frozen=True)
class Generated:
    """A mail of any size: a header (ended by an empty line) and lines of text made when they are read."""

    header: bytes
    size_bytes: int

    @property
    def header_bytes(self) -> int:
        return len(self.header)

    def part(self, start: int, stop: int) -> bytes:
        start, stop = (min(at, self.size_bytes) for at in (start, stop))
        head = self.header[start:stop]
        return head + self._text(start + len(head) - len(self.header), stop - start - len(head))

    def sha256(self) -> str:
        """The hash of the whole mail, in hexadecimal digits; takes a second per gigabyte."""
        digest = hashlib.sha256()
        for start in range(0, self.size_bytes, PIECE_BYTES):
            digest.update(self.part(start, start + PIECE_BYTES))
        return digest.hexdigest()

    def _text(self, start: int, length: int) -> bytes:
        if length <= 0:
            return b""
        skip = start % len(_LINE)
        block = _BLOCK if skip + length <= len(_BLOCK) else _LINE * ((skip + length) // len(_LINE) + 1)
        return block[skip : skip + length]


@dataclass(frozen=True)
class Mail:
    """A mail as it comes into a folder."""

    content: Content
    flags: frozenset[str] = frozenset()
    arrived_at: datetime.datetime = EPOCH


def mail(content: bytes, *flags: str, arrived_at: datetime.datetime = EPOCH) -> Mail:
    """A mail that is in memory."""
    return Mail(Whole(content), frozenset(flags), arrived_at)


def large_mail(size_bytes: int, *header_lines: bytes) -> Mail:
    """A mail of this size that is in memory nowhere."""
    lines = header_lines or (b"From: large@example.net", b"Message-ID: <large@example.net>")
    return Mail(Generated(b"\r\n".join((*lines, b"", b"")), size_bytes))


def small_mail(uid: int) -> Mail:
    """The mail with this UID in a folder that was filled."""
    return mail(
        b"From: sender@example.net\r\nTo: user@example.org\r\nSubject: mail %d\r\n"
        b"Message-ID: <%d@bulk.example.net>\r\n\r\nThe text of mail %d.\r\n" % (uid, uid, uid)
    )


Make = Callable[[int], Mail]


class Listener(Protocol):
    """A connection that has the folder open. May be called by any thread."""

    def news(self, line: bytes) -> None:
        """Take an untagged answer to tell the client: `3 EXISTS`, `2 EXPUNGE`, `2 FETCH (…)`."""


@dataclass
class _Run:
    """UIDs without a gap, and what makes their mails; single mails are kept instead."""

    uids: range
    make: Make | None


@dataclass(eq=False)
class Folder:
    """A folder; every method may be called by any thread, and tells those who have it open.

    `name` is as on the wire (modified UTF-7), `attributes` such as `\\Sent`.
    """

    name: str
    uidvalidity: int = 1
    attributes: tuple[str, ...] = ()
    uidnext: int = 1
    _runs: list[_Run] = field(default_factory=list)
    _mails: dict[int, Mail] = field(default_factory=dict)
    _flags: dict[int, frozenset[str]] = field(default_factory=dict)
    # UIDs that are in a run and have no visible mail, ascending.
    _hidden: list[int] = field(default_factory=list)
    _listeners: list[Listener] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # For tests

    def add(self, new: Mail | bytes, *, uid: int | None = None) -> int:
        """Put a mail into the folder, at a UID that was reserved or at the next one; returns the UID."""
        with self._lock:
            number = self.reserve() if uid is None else uid
            assert self._is_hidden(number), f"UID {number} was not reserved"
            del self._hidden[bisect_left(self._hidden, number)]
            self._mails[number] = new if isinstance(new, Mail) else mail(new)
            self._tell(b"%d EXISTS" % self.exists)
            return number

    def reserve(self) -> int:
        """Give out the next UID, whose mail is not visible before `add(…, uid=…)`."""
        with self._lock:
            uid = self.uidnext
            self._extend(range(uid, uid + 1), None)
            self._hidden.append(uid)
            return uid

    def fill(self, count: int, make: Make = small_mail) -> range:
        """Put this many mails into the folder, each made from its UID whenever it is read."""
        with self._lock:
            uids = range(self.uidnext, self.uidnext + count)
            self._extend(uids, make)
            self._tell(b"%d EXISTS" % self.exists)
            return uids

    def skip(self, uids: int) -> None:
        """Leave out this many UIDs, for ever."""
        with self._lock:
            self.uidnext += uids

    def remove(self, uid: int) -> None:
        """Remove a mail, as another client does."""
        with self._lock:
            number = self.number(uid)
            insort(self._hidden, uid)
            self._mails.pop(uid, None)
            self._flags.pop(uid, None)
            self._tell(b"%d EXPUNGE" % number)

    def set_flags(self, uid: int, flags: Iterable[str], *, besides: Listener | None = None) -> None:
        """Give a mail these flags instead of those it had; `besides` is not told."""
        with self._lock:
            self._flags[uid] = frozenset(flags)
            told = " ".join(sorted(self._flags[uid]))
            line = f"{self.number(uid)} FETCH (UID {uid} FLAGS ({told}))".encode()
            self._tell(line, besides)

    # Reading

    @property
    def exists(self) -> int:
        """How many mails there are."""
        return self._count(self.uidnext - 1)

    def has(self, uid: int) -> bool:
        """Whether there is a mail with this UID."""
        with self._lock:
            return not self._is_hidden(uid) and self._run_of(uid) is not None

    def number(self, uid: int) -> int:
        """The message sequence number of a mail."""
        assert self.has(uid), f"there is no UID {uid}"
        return self._count(uid)

    def uid(self, number: int) -> int:
        """The UID of the mail with this sequence number."""
        return bisect_left(range(self.uidnext), number, key=self._count)

    def mail(self, uid: int) -> Mail:
        """A mail as it came in."""
        with self._lock:
            kept = self._mails.get(uid)
            run = self._run_of(uid)
            assert kept or (run and run.make), f"there is no UID {uid}"
            return kept or run.make(uid)  # type: ignore[union-attr, misc]  # asserted above

    def flags(self, uid: int) -> frozenset[str]:
        """The flags of a mail."""
        flags = self._flags.get(uid)
        return self.mail(uid).flags if flags is None else flags

    def uids(self, wanted: Ranges | None = None) -> Iterator[int]:
        """The UIDs of the mails in these ranges, ascending, without holding them."""
        for first, last in wanted or [(1, self.uidnext)]:
            for run in list(self._runs):
                yield from self._visible(range(max(first, run.uids.start), min(last + 1, run.uids.stop)))

    def _visible(self, uids: range) -> Iterator[int]:
        if not uids:
            return
        hidden = set(
            self._hidden[bisect_left(self._hidden, uids.start) : bisect_left(self._hidden, uids.stop)]
        )
        yield from (uid for uid in uids if uid not in hidden) if hidden else uids

    # Being told

    def open(self, listener: Listener) -> int:
        """Tell this connection from now on; returns how many mails there are."""
        with self._lock:
            self._listeners.append(listener)
            return self.exists

    def close(self, listener: Listener) -> None:
        """Tell this connection no more."""
        with self._lock:
            self._listeners.remove(listener)

    def _tell(self, line: bytes, besides: Listener | None = None) -> None:
        for listener in self._listeners:
            if listener is not besides:
                listener.news(line)

    def _extend(self, uids: range, make: Make | None) -> None:
        self.uidnext = uids.stop
        last = self._runs[-1] if self._runs else None
        if last and last.make is make and last.uids.stop == uids.start:
            last.uids = range(last.uids.start, uids.stop)
        else:
            self._runs.append(_Run(uids, make))

    def _run_of(self, uid: int) -> _Run | None:
        return next((run for run in self._runs if uid in run.uids), None)

    def _is_hidden(self, uid: int) -> bool:
        at = bisect_left(self._hidden, uid)
        return at < len(self._hidden) and self._hidden[at] == uid

    def _count(self, uid: int) -> int:
        """How many mails have at most this UID."""
        with self._lock:
            reached = sum(max(0, min(uid + 1, run.uids.stop) - run.uids.start) for run in self._runs)
            return reached - bisect_right(self._hidden, uid)


SPECIAL = {"INBOX": (), "Sent": ("\\Sent",), "Trash": ("\\Trash",)}


class Mailbox:
    """The folders of one user, and the password. A folder's name is as a person writes it."""

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self.password = password
        self.folders: dict[str, Folder] = {}
        self._uidvalidities = iter(range(1_000, 2**32))
        for name, attributes in SPECIAL.items():
            self.create(name, *attributes)

    @property
    def inbox(self) -> Folder:
        """The folder that is always there."""
        return self.folders["INBOX"]

    def folder(self, name: str) -> Folder:
        """The folder with this name."""
        return self.folders[wire_name(name)]

    def create(self, name: str, *attributes: str) -> Folder:
        """Make a folder, with a UIDVALIDITY no folder had before."""
        return self.create_wire(wire_name(name), *attributes)

    def create_wire(self, name: str, *attributes: str) -> Folder:
        """Make a folder whose name is given as on the wire, and may be nonsense."""
        self.folders[name] = Folder(name, next(self._uidvalidities), attributes)
        return self.folders[name]

    def delete(self, name: str) -> None:
        """Delete a folder; who has it open keeps it."""
        del self.folders[wire_name(name)]


def wire_name(name: str) -> str:
    """A folder's name in modified UTF-7 (RFC 3501, section 5.1.3)."""
    encoded: bytes = imap_utf7.encode(name)
    return encoded.decode("ascii")
