"""Whether a raw mail carries a text: as it stands, or behind any of the encodings that mail has (pure)."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message

_FOLD = re.compile(rb"\r?\n[ \t]+")
_SOFT_BREAK = re.compile(rb"=[ \t]*\r?\n")
_HEADER_END = re.compile(rb"\r?\n\r?\n")


def carries(mail: bytes, text: str) -> bool:
    """Whether the mail has the text anywhere, letter case aside."""
    wanted = text.lower().encode()
    return any(wanted in each.lower() for each in _readings(mail))


def is_from(mail: bytes, address: str) -> bool:
    """Whether the mail's only From names the address, the case of letters aside."""
    header = _FOLD.sub(b" ", _HEADER_END.split(mail, maxsplit=1)[0])
    values = [line.partition(b":")[2] for line in header.splitlines() if re.match(rb"(?i)from[ \t]*:", line)]
    named = rb"(?<![\w.+-])" + re.escape(address.lower().encode()) + rb"(?![\w.-])"
    return len(values) == 1 and re.search(named, values[0].lower()) is not None


def _readings(mail: bytes) -> Iterator[bytes]:
    yield mail
    yield _FOLD.sub(b"", mail)
    yield _SOFT_BREAK.sub(b"", mail)
    try:
        message = message_from_bytes(mail, policy=policy.compat32)
        yield from _decoded(message)
    except (MessageError, ValueError, LookupError, RecursionError, AssertionError, TypeError):
        return  # what Python's reader gives up on carries it as it stands, or not at all


def _decoded(message: Message) -> Iterator[bytes]:
    for value in message.values():
        for part, _charset in decode_header(str(value)):
            yield part if isinstance(part, bytes) else part.encode(errors="replace")
    for part in message.walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            yield content
