"""Reads what a server answers to FETCH and SEARCH, believing as little of it as possible (pure).

The answers are those of imapclient: by UID, a mapping of item to value. An answer may lack a mail (it is
gone), lack an item, or hold one that nobody asked for (RFC 9051, section 7: data may come at any time).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Answer = Mapping[int, Mapping[bytes, Any]]

METADATA_ITEMS = ("UID", "RFC822.SIZE", "INTERNALDATE")
BODY_ITEMS = ("UID", "BODY.PEEK[]")
_NUMBERS = re.compile(rb"[0-9]+")


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


def read_search(lines: Iterable[bytes | None]) -> list[int]:
    """The UIDs in the answers to a search; there may be none, one or several lines."""
    return [
        int(number)
        for line in lines
        if line
        # What follows in brackets is no UID: `(MODSEQ 917162500)` (RFC 7162, section 3.1.5).
        for number in _NUMBERS.findall(line.partition(b"(")[0])
    ]


def read_metadata(answer: Answer, asked: Sequence[int]) -> list[Metadata]:
    """The metadata of the mails asked for, in that order, without those the answer lacks."""
    found = []
    for uid in asked:
        items = answer.get(uid, {})
        size = items.get(b"RFC822.SIZE")
        if isinstance(size, int):
            found.append(Metadata(uid, size, _moment(items.get(b"INTERNALDATE"))))
    return found


def read_bodies(answer: Answer, asked: Sequence[int]) -> dict[int, bytes]:
    """The whole mails by UID, without those the answer lacks."""
    bodies = {uid: _bytes(answer.get(uid, {}), b"BODY[]") for uid in asked}
    return {uid: body for uid, body in bodies.items() if body is not None}


def read_part(answer: Answer, uid: int, offset: int) -> bytes | None:
    """The part of a mail from an offset on, empty at its end; None if the mail is gone."""
    items = answer.get(uid)
    if items is None:
        return None
    part = f"BODY[]<{offset}>".encode()
    # Past the end some servers answer NIL, which is no bytes and not a missing mail.
    return _bytes(items, part) if items.get(part) is not None or part not in items else b""


def read_head(answer: Answer, uid: int) -> bytes | None:
    """The beginning of a mail, headers and text; None if the mail is gone."""
    items = answer.get(uid, {})
    header, text = _bytes(items, b"BODY[HEADER]<0>"), _bytes(items, b"BODY[TEXT]<0>")
    return None if header is None else header + (text or b"")


def read_message_id(answer: Answer, uid: int) -> str:
    """The Message-ID in a header block that was fetched alone, unfolded; empty if there is none."""
    for item, value in answer.get(uid, {}).items():
        if item.upper().startswith(b"BODY[HEADER.FIELDS") and isinstance(value, bytes):
            _name, _colon, text = value.partition(b":")
            return "".join(text.decode("utf-8", "replace").split())
    return ""


def header_block(content: bytes) -> bytes:
    """The header lines at the beginning of a mail, without the empty line that ends them."""
    ends = [end for end in (content.find(b"\r\n\r\n"), content.find(b"\n\n")) if end >= 0]
    return content[: min(ends)] if ends else content


def _bytes(items: Mapping[bytes, Any], item: bytes) -> bytes | None:
    value = items.get(item)
    # imapclient turns a quoted string of digits into a number, and a mail may be just that.
    return str(value).encode() if isinstance(value, int) else value if isinstance(value, bytes) else None


def _moment(value: object) -> datetime | None:
    return value if isinstance(value, datetime) and value.tzinfo is not None else None
