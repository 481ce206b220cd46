"""FETCH over mails that may be huge: answers leave in pieces (RFC 3501, sections 6.4.5 and 7.4.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.servers.imap_folder import PIECE_BYTES, Folder
from tests.servers.imap_grammar import Refusal, Token, written_date
from tests.servers.imap_search import head, header_fields

_BODY = re.compile(
    r"BODY(\.PEEK)?\[(|HEADER|TEXT|HEADER\.FIELDS(?:\.NOT)? \(([^)]*)\))\](?:<([0-9]+)\.([0-9]+)>)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Part:
    """Some bytes of a mail, to be sent as a literal."""

    label: bytes
    read: Callable[[int, int], bytes]
    start: int
    stop: int


@dataclass(frozen=True)
class Items:
    """What a FETCH asks for, by item name."""

    names: tuple[str, ...]

    @classmethod
    def read(cls, token: Token, *, with_uid: bool) -> Items:
        """The items in the argument of a FETCH.

        Raises:
            Refusal: One is not known to this server.
        """
        tokens = token if isinstance(token, list) else [token]
        names = [item.decode("ascii", "replace") for item in tokens if not isinstance(item, list)]
        if with_uid and "UID" not in map(str.upper, names):
            names.insert(0, "UID")
        for name in names:
            if name.upper() not in _SIMPLE and not _BODY.fullmatch(_ALIASES.get(name.upper(), name)):
                raise Refusal(f"BAD this server does not fetch {name}")
        return cls(tuple(names))

    @property
    def marks_read(self) -> bool:
        """Whether the answer sets `\\Seen`."""
        bodies = (_BODY.fullmatch(_ALIASES.get(name.upper(), name)) for name in self.names)
        return any(body is not None and not body[1] for body in bodies)


def answers(folder: Folder, uids: Iterator[int], items: Items) -> Iterator[bytes]:
    """The untagged answers for these mails; a piece is some whole answers, or a part of a large one."""
    waiting = bytearray()
    for uid in uids:
        for piece in _answer(folder, uid, items):
            waiting += piece
            if len(waiting) >= PIECE_BYTES:
                yield bytes(waiting)
                waiting.clear()
    yield bytes(waiting)


def _answer(folder: Folder, uid: int, items: Items) -> Iterator[bytes]:
    if not folder.has(uid):
        return
    yield b"* %d FETCH (" % folder.number(uid)
    for position, name in enumerate(items.names):
        yield b" " if position else b""
        yield from _item(folder, uid, name)
    yield b")\r\n"


def _item(folder: Folder, uid: int, name: str) -> Iterator[bytes]:
    if name.upper() in _SIMPLE:
        yield f"{name.upper()} {_SIMPLE[name.upper()](folder, uid)}".encode()
        return
    part = _part(folder, uid, name)
    yield b"%b {%d}\r\n" % (part.label, part.stop - part.start)
    for start in range(part.start, part.stop, PIECE_BYTES):
        yield part.read(start, min(start + PIECE_BYTES, part.stop))


def _part(folder: Folder, uid: int, name: str) -> _Part:
    match = _BODY.fullmatch(_ALIASES.get(name.upper(), name))
    assert match is not None, "Items.read refuses other names"
    _peek, section, fields, offset, length = match.groups()
    label = name.upper() if name.upper() in _ALIASES else f"BODY[{section.upper()}]"
    read, first, last = _section(folder, uid, section.upper(), (fields or "").split())
    if offset is not None:
        label += f"<{offset}>"
        first = min(first + int(offset), last)
        last = min(first + int(length), last)
    return _Part(label.encode(), read, first, last)


def _section(
    folder: Folder, uid: int, section: str, fields: Sequence[str]
) -> tuple[Callable[[int, int], bytes], int, int]:
    """What reads a section, where it begins and where it ends there."""
    content = folder.mail(uid).content
    if section.startswith("HEADER.FIELDS"):
        chosen = _chosen(head(folder, uid), fields, without=section.startswith("HEADER.FIELDS.NOT"))
        return (lambda start, stop: chosen[start:stop]), 0, len(chosen)
    ends = {
        "": (0, content.size_bytes),
        "HEADER": (0, content.header_bytes),
        "TEXT": (content.header_bytes, content.size_bytes),
    }
    return content.part, *ends[section]


def _chosen(header: bytes, fields: Sequence[str], *, without: bool) -> bytes:
    names = {field.strip('"').lower().encode() for field in fields}
    lines = [
        name + b":" + value for name, value in header_fields(header) if (name.lower() in names) is not without
    ]
    return b"\r\n".join([*lines, b"", b""]) if lines else b"\r\n"


_ALIASES = {"RFC822": "BODY[]", "RFC822.HEADER": "BODY.PEEK[HEADER]", "RFC822.TEXT": "BODY[TEXT]"}
_SIMPLE: Mapping[str, Callable[[Folder, int], object]] = {
    "UID": lambda _folder, uid: uid,
    "FLAGS": lambda folder, uid: f"({' '.join(sorted(folder.flags(uid)))})",
    "INTERNALDATE": lambda folder, uid: written_date(folder.mail(uid).arrived_at),
    "RFC822.SIZE": lambda folder, uid: folder.mail(uid).content.size_bytes,
}
