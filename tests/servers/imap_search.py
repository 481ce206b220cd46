"""SEARCH over a folder that may be huge (RFC 3501, section 6.4.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tests.servers.imap_folder import Folder
from tests.servers.imap_grammar import Ranges, Refusal, Token, read_date, read_set

Test = Callable[[Folder, int], bool]
"""Whether the mail with this UID is meant."""

HEAD_BYTES = 64 * 1024


def search(folder: Folder, tokens: list[Token]) -> Iterator[int]:
    """The UIDs that are meant, ascending, one after the other.

    Raises:
        Refusal: That is no search, or one this server does not know.
    """
    keys = _Keys(tokens[2:] if tokens[:1] == [b"CHARSET"] else tokens)
    wanted: Ranges | None = None
    tests: list[Test] = []
    while keys.more():
        # UID sets first narrow what is looked at.
        if wanted is None and keys.take_if(b"UID"):
            wanted = read_set(keys.string(), max(folder.uidnext - 1, 1))
        else:
            tests.append(_key(keys, folder))
    uids = folder.uids(wanted)
    return (uid for uid in uids if all(test(folder, uid) for test in tests)) if tests else uids


class _Keys:
    """The tokens of a search that are still to be read."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def more(self) -> bool:
        return self._next < len(self._tokens)

    def take(self) -> Token:
        if not self.more():
            raise Refusal("BAD the search ends too early")
        self._next += 1
        return self._tokens[self._next - 1]

    def take_if(self, word: bytes) -> bool:
        token = self._tokens[self._next]
        fits = not isinstance(token, list) and token.upper() == word
        self._next += fits
        return fits

    def string(self) -> bytes:
        token = self.take()
        if isinstance(token, list):
            raise Refusal("BAD a string is needed here")
        return token


def _key(keys: _Keys, folder: Folder) -> Test:
    token = keys.take()
    if isinstance(token, list):
        return _all(_Keys(token), folder)
    name = token.upper().decode("ascii", "replace")
    if name in _FLAGS:
        return _FLAGS[name]
    if name in _ARGUMENTS:
        return _ARGUMENTS[name](keys.string())
    if name == "HEADER":
        return _header(keys.string(), keys.string())
    if name in _NESTED:
        return _NESTED[name](keys, folder)
    return _numbers(token, folder)


def _all(keys: _Keys, folder: Folder) -> Test:
    tests = []
    while keys.more():
        tests.append(_key(keys, folder))
    return lambda folder, uid: all(test(folder, uid) for test in tests)


def _not(keys: _Keys, folder: Folder) -> Test:
    inner = _key(keys, folder)
    return lambda folder, uid: not inner(folder, uid)


def _or(keys: _Keys, folder: Folder) -> Test:
    one, other = _key(keys, folder), _key(keys, folder)
    return lambda folder, uid: one(folder, uid) or other(folder, uid)


def _uid(keys: _Keys, folder: Folder) -> Test:
    ranges = read_set(keys.string(), max(folder.uidnext - 1, 1))
    return lambda _folder, uid: _within(uid, ranges)


def _numbers(token: bytes, folder: Folder) -> Test:
    if not token[:1].isdigit() and token[:1] != b"*":
        raise Refusal(f"BAD this server does not search for {token.decode('ascii', 'replace')}")
    ranges = read_set(token, max(folder.exists, 1))
    return lambda folder, uid: _within(folder.number(uid), ranges)


def _within(number: int, ranges: Ranges) -> bool:
    return any(first <= number <= last for first, last in ranges)


def _has(flag: str) -> Test:
    return lambda folder, uid: flag in folder.flags(uid)


def _lacks(flag: str) -> Test:
    return lambda folder, uid: flag not in folder.flags(uid)


def _keyword(text: bytes) -> Test:
    return _has(text.decode("ascii", "replace"))


def _unkeyword(text: bytes) -> Test:
    return _lacks(text.decode("ascii", "replace"))


def _since(text: bytes) -> Test:
    day = read_date(text)
    return lambda folder, uid: folder.mail(uid).arrived_at.date() >= day


def _before(text: bytes) -> Test:
    day = read_date(text)
    return lambda folder, uid: folder.mail(uid).arrived_at.date() < day


def _on(text: bytes) -> Test:
    day = read_date(text)
    return lambda folder, uid: folder.mail(uid).arrived_at.date() == day


def _larger(text: bytes) -> Test:
    return lambda folder, uid: folder.mail(uid).content.size_bytes > int(text)


def _smaller(text: bytes) -> Test:
    return lambda folder, uid: folder.mail(uid).content.size_bytes < int(text)


def _header(name: bytes, text: bytes) -> Test:
    def test(folder: Folder, uid: int) -> bool:
        fields = header_fields(head(folder, uid))
        return any(field.lower() == name.lower() and text.lower() in value.lower() for field, value in fields)

    return test


def _header_named(name: bytes) -> Callable[[bytes], Test]:
    return lambda text: _header(name, text)


def _text(text: bytes) -> Test:
    def test(folder: Folder, uid: int) -> bool:
        return text.lower() in folder.mail(uid).content.part(0, HEAD_BYTES).lower()

    return test


def head(folder: Folder, uid: int) -> bytes:
    """The header of a mail, with the empty line that ends it."""
    content = folder.mail(uid).content
    return content.part(0, content.header_bytes)


def header_fields(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The name and what follows its colon, folded as it is, of each field."""
    unfolded: list[bytes] = []
    for line in header.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and unfolded:
            unfolded[-1] += b"\r\n" + line
        elif line:
            unfolded.append(line)
    for line in unfolded:
        name, _colon, value = line.partition(b":")
        yield name.strip(), value


_FLAGS: Mapping[str, Test] = {
    "ALL": lambda _folder, _uid: True,
    "SEEN": _has("\\Seen"),
    "UNSEEN": _lacks("\\Seen"),
    "DELETED": _has("\\Deleted"),
    "UNDELETED": _lacks("\\Deleted"),
    "FLAGGED": _has("\\Flagged"),
    "UNFLAGGED": _lacks("\\Flagged"),
    "ANSWERED": _has("\\Answered"),
    "UNANSWERED": _lacks("\\Answered"),
    "DRAFT": _has("\\Draft"),
    "UNDRAFT": _lacks("\\Draft"),
}
_ARGUMENTS: Mapping[str, Callable[[bytes], Test]] = {
    "SINCE": _since,
    "BEFORE": _before,
    "ON": _on,
    "LARGER": _larger,
    "SMALLER": _smaller,
    "KEYWORD": _keyword,
    "UNKEYWORD": _unkeyword,
    "FROM": _header_named(b"from"),
    "TO": _header_named(b"to"),
    "CC": _header_named(b"cc"),
    "SUBJECT": _header_named(b"subject"),
    "TEXT": _text,
    "BODY": _text,
}
_NESTED: Mapping[str, Callable[[_Keys, Folder], Test]] = {"NOT": _not, "OR": _or, "UID": _uid}
