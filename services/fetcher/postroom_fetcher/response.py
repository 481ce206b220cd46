"""Reads what a server answers to FETCH and SEARCH, believing as little of it as possible (pure).

The parts are those of imaplib: a line, or a line up to a literal together with that literal. An answer may
lack a mail (it is gone), lack an item, come in pieces, or hold what nobody asked for (RFC 9051, section 7:
data may come at any time). imapclient's own reader needs five times as long, most of it for every mail anew.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

Items = Mapping[bytes, bytes | None]
"""The items of one mail by name in upper case; NIL and lists are None."""
Answer = Mapping[int, Items]
"""What a FETCH brought, by UID."""

METADATA_ITEMS = ("UID", "RFC822.SIZE", "INTERNALDATE")
BODY_ITEMS = ("UID", "BODY.PEEK[]")
MESSAGE_ID_ITEMS = ("UID", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]")
MAX_SIZE_BYTES = 2**63 - 1

ADDRESSING_BYTES = 4096
ADDRESSING_ITEMS = (
    *METADATA_ITEMS,
    "BODY.PEEK[HEADER.FIELDS (TO CC DELIVERED-TO X-ORIGINAL-TO ENVELOPE-TO REFERENCES IN-REPLY-TO SUBJECT)]"
    f"<0.{ADDRESSING_BYTES}>",
)
"""What shows whether a mail is a reply to one of ours. Bounded: a stranger may name a million recipients."""

_NUMBERS = re.compile(rb"[0-9]+")
_TOKEN = re.compile(rb'[()]|"(?:[^"\\]|\\.)*"|\{[0-9]+\+?\}$|[^\s()"\[{]+(?:\[[^\]]*\](?:<[0-9]+>)?)?')
# What may follow a literal: the end, or the next item. Anything else is the rest of a mail whose length the
# server announced too short.
_AFTER_LITERAL = re.compile(
    rb"\)| +(?:UID|FLAGS|RFC822|INTERNALDATE|MODSEQ|BODY|BINARY|ENVELOPE|EMAILID|THREADID|SAVEDATE|PREVIEW"
    rb"|X-)[^ ]* .*[)}]",
    re.DOTALL | re.IGNORECASE,
)
_DATE = re.compile(
    rb"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"
)
_MONTHS = {
    name: number
    for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)
}


@dataclass(frozen=True)
class Metadata:
    """What the server says about a mail; `arrived_at` is None where it does not say it properly."""

    uid: int
    size_bytes: int
    arrived_at: datetime | None


def part_items(offset: int, length: int) -> tuple[str, str]:
    """The items that ask for a part of a mail, in bytes."""
    return "UID", f"BODY.PEEK[]<{offset}.{length}>"


def head_items(length: int) -> tuple[str, str, str]:
    """The items that ask for the beginning of a mail: of its headers and of its text, in bytes each."""
    return "UID", f"BODY.PEEK[HEADER]<0.{length}>", f"BODY.PEEK[TEXT]<0.{length}>"


def read_search(lines: Iterable[object]) -> list[int]:
    """The UIDs in the answers to a search; there may be none, one or several lines."""
    return [
        int(number)
        for line in lines
        if isinstance(line, bytes)
        # What follows in brackets is no UID: `(MODSEQ 917162500)` (RFC 7162, section 3.1.5).
        for number in _NUMBERS.findall(line.partition(b"(")[0])
    ]


def read_fetch(parts: Iterable[object]) -> Answer:
    """The answers to a FETCH by UID. One that names no UID was not meant for us and is left out.

    So is one with a literal that was announced too short: what follows is no answer, but the rest of a mail.
    """
    answer: dict[int, dict[bytes, bytes | None]] = {}
    for tokens in _responses(parts):
        items = _items(tokens)
        uid = _number(items, b"UID", 2**32 - 1)
        if uid:
            answer.setdefault(uid, {}).update(items)
    return answer


@dataclass(frozen=True, slots=True)
class _Literal:
    """What came as a literal: bytes of the mail, whatever they look like. Not copied: they may be many."""

    data: bytes


_Token = bytes | _Literal


def _responses(parts: Iterable[object]) -> Iterator[list[_Token]]:
    """The tokens of each response; one ends with a line that has no literal after it."""
    tokens: list[_Token] = []
    sound = True
    for part in parts:
        line = part[0] if isinstance(part, tuple) else part
        if tokens and isinstance(line, bytes):
            sound = sound and _AFTER_LITERAL.fullmatch(line) is not None
        if isinstance(part, tuple):
            tokens += _TOKEN.findall(part[0])
            tokens[-1:] = [_Literal(part[1])]
        elif isinstance(part, bytes):
            tokens += _TOKEN.findall(part)
            if sound:
                yield tokens
            tokens, sound = [], True


def _items(tokens: Sequence[_Token]) -> dict[bytes, bytes | None]:
    """Names and values in `n (name value name value)`; what does not follow that form ends it."""
    items: dict[bytes, bytes | None] = {}
    rest = iter(tokens[2:])
    for name in rest:
        if isinstance(name, _Literal) or name == b")":
            break
        items[name.upper()] = _value(rest)
    return items


def _value(rest: Iterator[_Token]) -> bytes | None:
    token = next(rest, None)
    if token is None:
        return None
    if isinstance(token, _Literal):
        return token.data
    if token == b"(":
        _skip_list(rest)
        return None
    if token[:1] == b'"':
        return re.sub(rb"\\(.)", rb"\1", token[1:-1])
    return None if token.upper() == b"NIL" else token


def _skip_list(rest: Iterator[_Token]) -> None:
    depth = 1
    for token in rest:
        if not isinstance(token, _Literal):
            depth += {b"(": 1, b")": -1}.get(token, 0)
        if not depth:
            return


def read_metadata(answer: Answer, asked: Sequence[int]) -> list[Metadata]:
    """The metadata of the mails asked for, in that order, without those the answer lacks."""
    found = []
    for uid in asked:
        items = answer.get(uid, {})
        size = _number(items, b"RFC822.SIZE", MAX_SIZE_BYTES)
        if size is not None:
            found.append(Metadata(uid, size, read_date(items.get(b"INTERNALDATE"))))
    return found


def read_bodies(answer: Answer, asked: Sequence[int]) -> dict[int, bytes]:
    """The whole mails by UID, without those the answer lacks."""
    bodies = {uid: answer.get(uid, {}).get(b"BODY[]") for uid in asked}
    return {uid: body for uid, body in bodies.items() if body is not None}


def read_part(answer: Answer, uid: int, offset: int) -> bytes | None:
    """The part of a mail from an offset on, empty at its end; None if the mail is gone."""
    items = answer.get(uid, {})
    part = f"BODY[]<{offset}>".encode()
    # Past the end some servers answer NIL, which is no bytes and not a missing mail.
    return items[part] or b"" if part in items else None


def read_head(answer: Answer, uid: int) -> bytes | None:
    """The beginning of a mail, headers and text; None if the mail is gone."""
    items = answer.get(uid, {})
    header = items.get(b"BODY[HEADER]<0>")
    return None if header is None else header + (items.get(b"BODY[TEXT]<0>") or b"")


def read_message_id(answer: Answer, uid: int) -> str:
    """The Message-ID in a header block that was fetched alone, unfolded; empty if there is none."""
    _name, _colon, text = read_fields(answer, uid).partition(b":")
    return "".join(text.decode("utf-8", "replace").split())


def read_fields(answer: Answer, uid: int) -> bytes:
    """The header fields that were fetched alone; empty if there are none."""
    fields = (
        value
        for item, value in answer.get(uid, {}).items()
        if item.startswith(b"BODY[HEADER.FIELDS") and value
    )
    return next(fields, b"")


def read_date(text: bytes | None) -> datetime | None:
    """An INTERNALDATE such as `17-Jul-1996 02:44:25 -0700` (RFC 9051, section 9); None if it is none."""
    match = _DATE.fullmatch(text or b"")
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    east = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    try:
        zone = timezone(-east if sign == b"-" else east)
        number = _MONTHS[month.lower()]
        local = datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=zone)
        return local.astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None


def header_block(content: bytes) -> bytes:
    """The header lines at the beginning of a mail, without the empty line that ends them."""
    if content.startswith((b"\r\n", b"\n")):
        return b""
    end = content.find(b"\r\n\r\n")
    # Only before that: the text may be long, and have no such place.
    earlier = content.find(b"\n\n", 0, end if end >= 0 else len(content))
    end = earlier if earlier >= 0 else end
    return content[:end] if end >= 0 else content


def _number(items: Items, name: bytes, most: int) -> int | None:
    value = items.get(name) or b""
    return int(value) if value.isdigit() and len(value) < 20 and int(value) <= most else None
