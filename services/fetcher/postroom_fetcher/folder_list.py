"""Reads what a server answers to LIST and STATUS (RFC 9051, sections 7.3.1 and 7.3.4) (pure)."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from imapclient.imap_utf7 import decode

from postroom.messages import FolderInfo

_LINE = re.compile(rb'\((?P<flags>[^()]*)\) (?:"(?:\\?.)"|NIL) (?P<name>.*)', re.DOTALL | re.IGNORECASE)
_LITERAL = re.compile(rb"\{[0-9]+\+?\}$")
_STATUS = re.compile(rb"\b(UIDVALIDITY|UIDNEXT|MESSAGES) ([0-9]{1,19})(?![0-9])", re.IGNORECASE)
MAX_NAME_CHARS = 1000


def read_list(lines: Iterable[object]) -> tuple[FolderInfo, ...]:
    """The folders, those excepted whose line or name is not proper.

    A name with CR, LF or NUL could not be said in a command, and one in broken modified UTF-7 would be
    another one when it is said again.
    """
    found = []
    for head, literal in _folders(lines):
        match = _LINE.fullmatch(head)
        if match is None:
            continue
        name = _name(match["name"] if literal is None else literal, quoted=literal is None)
        if name is not None:
            flags = tuple(flag.decode("ascii", "replace") for flag in match["flags"].split())
            found.append(FolderInfo(name=name, attributes=flags))
    return tuple(found)


def _folders(lines: Iterable[object]) -> Iterator[tuple[bytes, bytes | None]]:
    """Each line, with the name that came as a literal; imaplib has an empty line after such a one."""
    for line in lines:
        if isinstance(line, tuple) and len(line) == 2:
            yield _LITERAL.sub(b"", line[0]) + b"-", line[1]
        elif isinstance(line, bytes) and line:
            yield line, None


def _name(raw: bytes, *, quoted: bool) -> str | None:
    if quoted and raw[:1] == b'"':
        if len(raw) < 2 or raw[-1:] != b'"':
            return None
        raw = re.sub(rb"\\(.)", rb"\1", raw[1:-1])
    try:
        # What is not ASCII is no modified UTF-7: some servers send UTF-8 as it is.
        name: str = decode(raw) if raw.isascii() else raw.decode("utf-8")
    except ValueError:
        return None
    fits = 0 < len(name) <= MAX_NAME_CHARS and not any(unicodedata.category(char) == "Cc" for char in name)
    return name if fits else None


def read_status(lines: Iterable[object]) -> tuple[int, ...]:
    """UIDVALIDITY, UIDNEXT and number of mails, in that order, without those that are not told."""
    told: dict[bytes, int] = {}
    for line in lines:
        text = line[0] if isinstance(line, tuple) else line
        for name, number in _STATUS.findall(text if isinstance(text, bytes) else b""):
            told[name.upper()] = int(number)
    return tuple(told[name] for name in (b"UIDVALIDITY", b"UIDNEXT", b"MESSAGES") if name in told)
