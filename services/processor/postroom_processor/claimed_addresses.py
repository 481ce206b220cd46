"""Every address that a mail may be said to be from, for deny lists alone (pure).

Who writes a mail chooses how its From looks, and mail programs read odd forms in different ways. Where the
field cannot be read strictly (`sender_address`), whatever any of them may show or answer to is found here:
behind comments, quotes, blanks, encoded words, routes and groups. Found is not proven.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from postroom_processor.header_fields import decode_words
from postroom_processor.mail import Mail

FIELDS = ("from", "sender", "reply-to", "return-path", "resent-from", "resent-sender")
"""Where the addresses may stand."""
MAX_FIELD_BYTES = 10_000
"""Of the beginning and of the end of a field each; what is between is not looked at."""
MAX_FOUND = 1_000
_WINDOW_CHARS = 320  # RFC 5321: 64 before the @ and 255 after it
_STOPS = r"\s<>\"(),;:@\[\]\\"
_LAST_ATOM = re.compile(rf"[^{_STOPS}]+")
_LAST_QUOTED = re.compile(r'"(?:[^"]|"(?=\\))*"(?!\\)', re.DOTALL)
_DOMAIN = re.compile(rf"[^{_STOPS}]+")
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)", re.DOTALL)
_AROUND_DOTS_AND_ATS = re.compile(r"(?<=[^\s])[ \t]*([.@])[ \t]*")
_MAX_NESTING = 5


def claimed_addresses(mail: Mail) -> tuple[str, ...]:
    """All that can be found, `MAX_FOUND` at most; for a mail whose only author cannot be read strictly."""
    values = (_ends(value) for name in FIELDS for value in mail.header_bytes(name))
    found = dict.fromkeys(islice((each for value in values for each in _in_value(value)), MAX_FOUND))
    return tuple(found)


def _ends(value: bytes) -> bytes:
    if len(value) <= 2 * MAX_FIELD_BYTES:
        return value
    return value[:MAX_FIELD_BYTES] + b" " + value[-MAX_FIELD_BYTES:]


def _in_value(value: bytes) -> Iterator[str]:
    for text in dict.fromkeys((decode_words(value, 3 * MAX_FIELD_BYTES), value.decode("latin-1"))):
        bare = _without_comments(text)
        for view in dict.fromkeys((text, bare, _tight(text), _tight(bare))):
            yield from _in_view(view)


def _in_view(text: str) -> Iterator[str]:
    """An address for each @: what stands before it, quoted or not, and what stands after it."""
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1, at + 1 + _WINDOW_CHARS)
        if domain is not None:
            # Without anything before it, it is a route or nonsense: its domain counts all the same.
            yield f"{_local(text[max(0, at - _WINDOW_CHARS) : at])}@{domain.group()}"
        at = text.find("@", at + 1)


def _local(before: str) -> str:
    # Looked for from the end: forwards, every start would be tried.
    reverse = before[::-1]
    found = _LAST_QUOTED.match(reverse) or _LAST_ATOM.match(reverse)
    return found.group()[::-1] if found else "unknown"


def _without_comments(text: str) -> str:
    for _ in range(_MAX_NESTING):
        text, count = _COMMENT.subn("", text)
        if not count:
            break
    return text


def _tight(text: str) -> str:
    """Without the blanks that RFC 5322 section 4.4 allows around dots and the @."""
    return _AROUND_DOTS_AND_ATS.sub(r"\1", text)
