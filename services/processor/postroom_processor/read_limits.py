"""How much of one mail is read: bounds, and a scan that finds a mail over them without parsing it.

A parser may spend memory and time out of all proportion to a mail's size. Every bound is therefore
looked for in the bytes first; what the parser finds is checked once more where the parts are walked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

HEADER_BYTES = 262_144
HEADER_COUNT = 1_000
PART_HEADER_BYTES = 65_536
PARTS = 500
DEPTH = 30
ATTACHED_MAILS = 100
COPIED_BYTES = 100_000_000
LINE_BYTES = 1_000_000
ENCODED_WORDS = 4_000
TEXT_CHARS = 300_000


@dataclass(frozen=True)
class Limits:
    """Bounds on what is read of one mail. Reaching one is a problem of the mail, not an error.

    Attributes:
        header_bytes: Size of the mail's header section.
        header_count: Number of its header fields.
        part_header_bytes: Size of the header section of a part or of an attached mail.
        parts: Number of MIME parts.
        depth: Nesting of multiparts.
        attached_mails: Number of attached mails, side by side or one in the other.
        copied_bytes: Attached mails times size of the mail: the parser copies each for all around it.
        line_bytes: Length of the longest line.
        encoded_words: Starts of encoded words; the parser takes time by the square of their number.
        text_chars: Characters kept of all text parts together, and of all HTML parts together.
    """

    header_bytes: int = HEADER_BYTES
    header_count: int = HEADER_COUNT
    part_header_bytes: int = PART_HEADER_BYTES
    parts: int = PARTS
    depth: int = DEPTH
    attached_mails: int = ATTACHED_MAILS
    copied_bytes: int = COPIED_BYTES
    line_bytes: int = LINE_BYTES
    encoded_words: int = ENCODED_WORDS
    text_chars: int = TEXT_CHARS


DEFAULT_LIMITS = Limits()

UNREAD = "unread"
"""Stands for no limit: nobody has looked at the body."""
REASONS = {
    "header-bytes": "the header section is too large",
    "header-count": "there are too many header fields",
    "part-header-bytes": "the header section of a part is too large",
    "parts": "there are too many parts",
    "depth": "parts are nested too deeply",
    "attached-mails": "there are too many attached mails",
    "copied-bytes": "the attached mails are too large together",
    "line-bytes": "a line is too long",
    "encoded-words": "there are too many encoded words",
    "text-chars": "the text is too long",
}
"""What each limit is called, and what reaching it means, for people."""

_BOUNDARY = re.compile(
    rb"boundary(?:\*0?\*?)?\s{0,9}=\s{0,9}(?:\"([^\"\r\n]{1,200})\"|([^\s\";]{1,200}))"
    rb"|^--([^\r\n]{1,200})",
    re.M,
)
_ATTACHED_MAIL = re.compile(rb"message/(?:rfc822|global|news|external-body|partial)")
_HEADER_END = re.compile(rb"\n\r?\n")
_FIELD = re.compile(rb"[!-9;-~]{1,80}[ \t]{0,9}:")
# Lines that look like delimiters and are none: a person's "-- ", a PGP block.
_DELIMITERS_PER_PART = 4


def reached(raw: bytes, limits: Limits) -> str | None:
    """Return the code of the first limit that the bytes of a mail reach; None if none does.

    Looks at the header section's size and count nowhere: who reads the fields finds out.
    Linear in the size of the mail, and a copy of it is all the memory it takes.
    """
    lower = raw.lower()
    return next((code for code, is_over in _SCANS if is_over(lower, limits)), None)


# Each takes the mail in lower case.


def _line_is_too_long(raw: bytes, limits: Limits) -> bool:
    start = 0
    while len(raw) - start > limits.line_bytes:
        end = raw.rfind(b"\n", start, start + limits.line_bytes + 1)
        if end < 0:
            return True
        start = end + 1
    return False


def _has_too_many_encoded_words(raw: bytes, limits: Limits) -> bool:
    return raw.count(b"=?") > limits.encoded_words


def _has_too_many_parts(raw: bytes, limits: Limits) -> bool:
    return raw.count(b"\n--") > _DELIMITERS_PER_PART * limits.parts and b"boundary" in raw


def _has_too_many_mails(raw: bytes, limits: Limits) -> bool:
    return _attached_mails(raw) > limits.attached_mails


def _copies_too_much(raw: bytes, limits: Limits) -> bool:
    return len(raw) * raw.count(b"message/") > limits.copied_bytes < len(raw) * _attached_mails(raw)


def _attached_mails(raw: bytes) -> int:
    # Counting first saves most mails the search.
    return sum(1 for _ in _ATTACHED_MAIL.finditer(raw)) if b"message/" in raw else 0


def _nests_too_deeply(raw: bytes, limits: Limits) -> bool:
    if raw.count(b"boundary") <= limits.depth:
        return False
    declared: set[bytes] = set()
    open_boundaries: list[bytes] = []
    for match in _BOUNDARY.finditer(raw):
        quoted, bare, line = match.groups()
        if line is None:
            declared.add(quoted or bare)
            continue
        name, closes = _delimiter(line.rstrip(), declared)
        if name is None:
            continue
        if name in open_boundaries:
            del open_boundaries[open_boundaries.index(name) + (not closes) :]
        elif not closes:
            open_boundaries.append(name)
        if len(open_boundaries) > limits.depth:
            return True
    return False


def _delimiter(line: bytes, declared: set[bytes]) -> tuple[bytes | None, bool]:
    """The boundary that a line after its two dashes names, and whether it is the closing one."""
    if line in declared:
        return line, False
    name = line.removesuffix(b"--")
    return (name, True) if name in declared else (None, False)


def _part_header_is_too_large(raw: bytes, limits: Limits) -> bool:
    return any(
        _FIELD.match(raw, start) is not None
        and len(raw) - start > limits.part_header_bytes
        and _HEADER_END.search(raw, start, start + limits.part_header_bytes) is None
        for start in _inner_headers(raw)
    )


def _inner_headers(raw: bytes) -> Iterator[int]:
    """Where the header section of a part or of an attached mail may start."""
    line = raw.find(b"\n--")
    while line >= 0:
        end = raw.find(b"\n", line + 1)
        if end < 0:
            break
        yield end + 1
        line = raw.find(b"\n--", end)
    for match in _ATTACHED_MAIL.finditer(raw) if b"message/" in raw else ():
        header_end = _HEADER_END.search(raw, match.end(), match.end() + PART_HEADER_BYTES)
        if header_end is not None:
            yield header_end.end()


# The counts come first: they bound how often the later scans look ahead.
_SCANS: tuple[tuple[str, Callable[[bytes, Limits], bool]], ...] = (
    ("line-bytes", _line_is_too_long),
    ("encoded-words", _has_too_many_encoded_words),
    ("parts", _has_too_many_parts),
    ("attached-mails", _has_too_many_mails),
    ("copied-bytes", _copies_too_much),
    ("depth", _nests_too_deeply),
    ("part-header-bytes", _part_header_is_too_large),
)
