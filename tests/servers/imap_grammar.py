"""IMAP as a server reads it: commands, their tokens, sets of numbers, dates (RFC 3501, section 9)."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

Token: TypeAlias = "bytes | list[Token]"

TWO_WORDS = ("UID",)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_LITERAL = re.compile(rb"\{([0-9]+)\+?\}\r\n")
_LITERAL_AT_END = re.compile(rb"\{([0-9]+)(\+?)\}\r?\n\Z")
_ATOM = re.compile(rb'[^\s()"\[]+(?:\[[^\]]*\](?:<[0-9.]+>)?)?')
_DATE = re.compile(r"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})")


class Refusal(Exception):
    """The command is answered with this: `NO …` or `BAD …`."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.answer = answer


@dataclass(frozen=True)
class Command:
    """A command as it came. `name` is in upper case, with the second word after UID: `UID FETCH`.

    `arguments` are the bytes after the name, with their literals, without the final line end.
    """

    tag: bytes
    name: str
    arguments: bytes

    @property
    def text(self) -> bytes:
        """Name and arguments, without the tag."""
        return b" ".join(filter(None, (self.name.encode(), self.arguments)))

    @cached_property
    def tokens(self) -> list[Token]:
        """The arguments: atoms, strings and literals as bytes, lists as lists.

        Raises:
            Refusal: They are not IMAP.
        """
        found, position = _list(self.arguments, 0)
        if position < len(self.arguments):
            raise Refusal("BAD unexpected )")
        return found

    def string(self, number: int) -> bytes:
        """The argument with this number, from 0 on, which must not be a list.

        Raises:
            Refusal: It is missing, or a list.
        """
        if number >= len(self.tokens):
            raise Refusal("BAD an argument is missing")
        token = self.tokens[number]
        if isinstance(token, list):
            raise Refusal("BAD a string is needed here")
        return token


def read_command(raw: bytes) -> Command:
    """The command in a line with its literals; name and tag are empty where there are none."""
    tag, _space, rest = raw.removesuffix(b"\n").removesuffix(b"\r").partition(b" ")
    name, _space, arguments = rest.partition(b" ")
    if name.upper().decode("ascii", "replace") in TWO_WORDS:
        second, _space, arguments = arguments.partition(b" ")
        name = name + b" " + second
    return Command(tag, name.upper().decode("ascii", "replace"), arguments)


def literal_to_come(line: bytes) -> tuple[int, bool] | None:
    """The size of the literal a line announces, and whether the client waits to be asked for it."""
    match = _LITERAL_AT_END.search(line)
    return (int(match[1]), not match[2]) if match else None


def _list(raw: bytes, position: int) -> tuple[list[Token], int]:
    found: list[Token] = []
    while position < len(raw) and raw[position : position + 1] != b")":
        if raw[position : position + 1].isspace():
            position += 1
            continue
        token, position = _token(raw, position)
        found.append(token)
    return found, position


def _token(raw: bytes, position: int) -> tuple[Token, int]:
    if raw[position : position + 1] == b"(":
        inner, end = _list(raw, position + 1)
        if end >= len(raw):
            raise Refusal("BAD a ) is missing")
        return inner, end + 1
    if literal := _LITERAL.match(raw, position):
        end = literal.end() + int(literal[1])
        return raw[literal.end() : end], end
    if quoted := _QUOTED.match(raw, position):
        return re.sub(rb"\\(.)", rb"\1", quoted[1]), quoted.end()
    if atom := _ATOM.match(raw, position):
        return atom[0], atom.end()
    raise Refusal("BAD this is not IMAP")


Ranges: TypeAlias = "list[tuple[int, int]]"


def read_set(text: bytes, highest: int) -> Ranges:
    """A sequence set such as `1:5,9:*` as ascending ranges that do not overlap, both ends inclusive.

    Raises:
        Refusal: It is none.
    """
    ends = []
    for part in text.split(b","):
        first, _colon, last = part.partition(b":")
        pair = sorted((_number(first, highest), _number(last or first, highest)))
        ends.append((pair[0], pair[1]))
    merged: Ranges = []
    for low, high in sorted(ends):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _number(text: bytes, highest: int) -> int:
    if text == b"*":
        return highest
    if not text.isdigit() or not 0 < int(text) < 2**32:
        raise Refusal(f"BAD {text.decode('ascii', 'replace')} is no number of a mail")
    return int(text)


def written_set(numbers: list[int]) -> str:
    """Numbers, in their order, as a set; runs are written as ranges."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in runs)


def read_date(text: bytes) -> datetime.date:
    """A date of a search: `1-Feb-1994`.

    Raises:
        Refusal: It is none.
    """
    match = _DATE.fullmatch(text.decode("ascii", "replace"))
    if match is None or match[2].title() not in MONTHS:
        raise Refusal("BAD this is no date")
    return datetime.date(int(match[3]), MONTHS.index(match[2].title()) + 1, int(match[1]))


def written_date(moment: datetime.datetime) -> str:
    """An INTERNALDATE, quoted."""
    month = MONTHS[moment.month - 1]
    return f'"{moment.day:2d}-{month}-{moment.year} {moment:%H:%M:%S} {moment:%z}"'


def quoted(text: bytes) -> bytes:
    """A string: quoted, or as a literal where quotes cannot hold it."""
    if any(byte < 32 or byte > 126 for byte in text):
        return b"{%d}\r\n%b" % (len(text), text)
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
