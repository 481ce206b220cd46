"""The header section of a mail as it stands: every field, in order, duplicates and all.

Parsers tidy up: they merge, drop or decode fields before anybody can see that one occurs twice. Who
may decide hangs on exactly that, so identity is read from here (RFC 5322 section 2.2, and 3.6 for
how often a field may occur).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from postroom_processor import charsets

_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_ENCODED_WORD = re.compile(r"=\?([^\s?*]{1,60})(?:\*[^\s?]{0,40})?\?([bq])\?([^\s?]{0,2000})\?=", re.I)
_BETWEEN_ENCODED_WORDS = re.compile(r"(\?=)[ \t\r\n]+(?==\?)")


@dataclass(frozen=True)
class HeaderSection:
    """The fields of a header section.

    Attributes:
        fields: (name as written, unfolded value without outer blanks), in the order of the mail.
        problems: Codes of what was wrong; with ``header-bytes`` or ``header-count`` fields are
            missing at the end.
    """

    fields: tuple[tuple[str, bytes], ...]
    problems: tuple[str, ...]


def read_header_section(raw: bytes, max_bytes: int, max_count: int) -> HeaderSection:
    """Read the fields before the first empty line; never raises."""
    section, problems = _section(raw, max_bytes)
    lines = _FOLD.sub(b"", section).split(b"\n")
    fields: list[tuple[str, bytes]] = []
    for number, line in enumerate(lines):
        name, colon, value = line.partition(b":")
        name = name.strip()
        if not colon or not name or b" " in name:
            if line.strip() and not (number == 0 and line.startswith((b"From ", b">From "))):
                problems.append("header-line-without-name")
            continue
        fields.append((name.decode("latin-1"), value.strip()))
        if len(fields) > max_count:
            problems.append("header-count")
            break
    return HeaderSection(tuple(fields[:max_count]), tuple(dict.fromkeys(problems)))


def _section(raw: bytes, max_bytes: int) -> tuple[bytes, list[str]]:
    if raw.startswith((b"\r\n", b"\n")):
        return b"", []
    end = _END.search(raw, 0, max_bytes + 4)
    if end:
        return raw[: end.start()], []
    if len(raw) > max_bytes:
        return raw[:max_bytes], ["header-bytes"]
    return raw, []


def decode_words(value: bytes, max_bytes: int = 10_000) -> str:
    """Decode the encoded words of an unstructured field (RFC 2047); for display and for tables.

    Never use the result to find addresses in: an encoded word may hold any punctuation.
    """
    text, _ = charsets.decode(value[:max_bytes], None)
    if "=?" not in text:
        return text
    joined = _BETWEEN_ENCODED_WORDS.sub(r"\1", text)
    return _ENCODED_WORD.sub(_decoded_word, joined)


def _decoded_word(match: re.Match[str]) -> str:
    charset, encoding, payload = match.groups()
    data = _b_bytes(payload) if encoding in "bB" else _q_bytes(payload)
    return match.group() if data is None else charsets.decode(data, charset)[0]


def _b_bytes(payload: str) -> bytes | None:
    try:
        return base64.b64decode(payload + "=" * (-len(payload) % 4))
    except (binascii.Error, ValueError):
        return None


def _q_bytes(payload: str) -> bytes | None:
    try:
        return binascii.a2b_qp(payload.encode("latin-1"), header=True)
    except (UnicodeError, ValueError):
        return None
