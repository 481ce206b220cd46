"""The one gate through which every header of a mail goes (pure; RFC 5322, RFC 2047, RFC 6532).

A field says what is meant. The block is written, read back by a strict reader of its own, and what was
read is compared with what was meant: any difference refuses the mail, and so does any
character that could end a line, even one that only a reader who decodes would find.
"""

import email.base64mime
import email.errors
import email.header
import email.message
import email.utils
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from postroom.errors import Permanent

MAX_LINE_BYTES = 998  # RFC 5322 section 2.1.1, without the CRLF
FOLD_AT = 76
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
# Words of printable ASCII, one space between two: whatever else there is travels encoded, so that no folding
# and no reader can change it. Words are short enough for a line; "=?" would look like an encoded word.
_PLAIN = re.compile(r"(?!.*=\?)[!-~]{1,200}(?: [!-~]{1,200})*")
_ATOMS = re.compile(r"(?!.*=\?)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
# No encoded word: readers that decode before they split find another address in it.
_ADDRESS = re.compile(r"(?!.*=\?)[^\s<>()\[\]\\,;:\"@]+@[^\s<>()\[\]\\,;:\"@]+")
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*(?:/[a-z0-9][a-z0-9!#$&^_.+-]*)?")
# Where no reader needs to know about quoting, and folding at a space does no harm.
_TAME = re.compile(r"[A-Za-z0-9._()+-]{1,60}(?: [A-Za-z0-9._()+-]{1,60}){0,3}")
_SECTION_CHARS = 55
_SECTION = re.compile(r"(?:%[0-9A-F]{2}|[^%]){1,50}")
_ENCODED_WORD_BYTES = 42  # makes 56 of the 75 characters that RFC 2047 section 2 allows for an encoded word


@dataclass(frozen=True)
class Text:
    """A header of free text, such as Subject."""

    name: str
    value: str


@dataclass(frozen=True)
class Verbatim:
    """A header that stands as it is written: ids, dates, words of ours. Printable ASCII only."""

    name: str
    value: str


@dataclass(frozen=True)
class Mailbox:
    """A header with exactly one address and perhaps the name shown for it."""

    name: str
    address: str
    shown_name: str = ""


@dataclass(frozen=True)
class Mailboxes:
    """A header with several addresses and no names for them, such as Cc."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class WithParameter:
    """A header with one parameter, such as a file's name (RFC 2045, RFC 2183, RFC 2231).

    `value` is a media type or a disposition: tokens of ours, or checked ones.
    """

    name: str
    value: str
    parameter: str
    content: str


Field = Text | Verbatim | Mailbox | Mailboxes | WithParameter


def header_block(fields: Sequence[Field]) -> bytes:
    """The fields as lines, each ended by CRLF.

    Raises:
        Permanent: a field holds what a header must not hold, or would not be read as it was meant.
    """
    try:
        block = b"".join(_written(field) for field in fields)
    except UnicodeEncodeError as error:
        raise Permanent("a header holds half a character") from error
    found = read_back(block)
    if len(found) != len(fields):
        raise Permanent("the headers would be read as others than were meant")
    for field, (name, value) in zip(fields, found, strict=True):
        if name != field.name or not _means(field, value):
            raise Permanent(f"the header {field.name} would not be read as it was meant")
        _refuse_control(field.name, _decoded(value))
    return block


def read_back(block: bytes) -> list[tuple[str, str]]:
    """The names and unfolded raw values in a header block.

    Raises:
        Permanent: a line is too long, holds a control character or belongs to no header.
    """
    found: list[tuple[str, str]] = []
    for line in block.removesuffix(b"\r\n").split(b"\r\n"):
        text = line.decode("utf-8", "surrogateescape")
        if len(line) > MAX_LINE_BYTES:
            raise Permanent(f"a header line has more than {MAX_LINE_BYTES} bytes")
        if _CONTROL.search(text) or not text.strip():
            raise Permanent("a header line holds a control character or nothing")
        if text[0] == " " and found:
            name, value = found[-1]
            found[-1] = (name, value + text)
            continue
        name, colon, value = text.partition(": ")
        if not colon or not _NAME.fullmatch(name):
            raise Permanent("a header line has no name")
        found.append((name, value))
    return found


def _written(field: Field) -> bytes:
    if isinstance(field, Mailbox):
        return _line(field.name, _mailbox(field)).encode()
    if isinstance(field, Mailboxes):
        return _line(field.name, _list(field)).encode()
    if isinstance(field, WithParameter):
        return _line(field.name, _with_parameter(field)).encode()
    _refuse_control(field.name, field.value)
    if isinstance(field, Verbatim):
        if not field.value.isascii() or not field.value.strip():
            raise Permanent(f"the header {field.name} must be printable ASCII")
        return _line(field.name, field.value).encode()
    if _PLAIN.fullmatch(field.value):
        return _line(field.name, field.value).encode()
    return _line(field.name, _encoded(field.value)).encode()


def _mailbox(field: Mailbox) -> str:
    _refuse_control(field.name, field.address + field.shown_name)
    if not _ADDRESS.fullmatch(field.address):
        raise Permanent(f"the header {field.name} does not hold exactly one address")
    shown = field.shown_name
    if not shown:
        return field.address
    if _ATOMS.fullmatch(shown):
        return f"{shown} <{field.address}>"
    if _PLAIN.fullmatch(shown):
        escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{field.address}>'
    return f"{_encoded(shown)} <{field.address}>"


def _list(field: Mailboxes) -> str:
    return ", ".join(_mailbox(Mailbox(field.name, address)) for address in field.addresses)


def _with_parameter(field: WithParameter) -> str:
    _refuse_control(field.name, field.value + field.content)
    if not _TYPE.fullmatch(field.value):
        raise Permanent(f"the header {field.name} does not hold a type")
    if _TAME.fullmatch(field.content):
        return f'{field.value}; {field.parameter}="{field.content}"'
    whole = f"utf-8''{quote(field.content, safe='')}"
    if len(whole) <= _SECTION_CHARS:
        return f"{field.value}; {field.parameter}*={whole}"
    # In sections, which may not split an encoded byte (RFC 2231, section 3 and 4.1).
    sections = _SECTION.findall(whole)
    told = (f"{field.parameter}*{number}*={section}" for number, section in enumerate(sections))
    return "; ".join((field.value, *told))


def _refuse_control(name: str, value: str) -> None:
    if _CONTROL.search(value):
        raise Permanent(f"the header {name} holds a control character")


def _line(name: str, value: str) -> str:
    """The header, folded at single spaces between words."""
    if len(name) + len(value) + 2 <= FOLD_AT:
        return f"{name}: {value}\r\n"
    words = value.split(" ")
    lines = [f"{name}: {words[0]}"]
    for word in words[1:]:
        # A line of blanks alone is no folding any more (RFC 5322 section 3.2.2).
        if word and len(lines[-1]) + len(word) >= FOLD_AT:
            lines.append(f" {word}")
        else:
            lines[-1] += f" {word}"
    return "\r\n".join(lines) + "\r\n"


def _encoded(text: str) -> str:
    """Encoded words; none splits a character (RFC 2047 section 5)."""
    chunks, chunk = [], ""
    for char in text:
        if chunk and len((chunk + char).encode()) > _ENCODED_WORD_BYTES:
            chunks.append(chunk)
            chunk = ""
        chunk += char
    chunks.append(chunk)
    return " ".join(email.base64mime.header_encode(each.encode(), "utf-8") for each in chunks)


def _means(field: Field, raw: str) -> bool:
    """Whether a reader finds in the raw value what was meant."""
    if isinstance(field, Verbatim):
        return raw == field.value
    if isinstance(field, Text):
        return _decoded(raw) == field.value
    if isinstance(field, WithParameter):
        return _parameter(field, raw) == field.content
    if isinstance(field, Mailboxes):
        return tuple(raw.split(", ")) == field.addresses
    if raw == field.address:
        return not field.shown_name
    shown, address = _parsed(raw)
    return address == field.address and _decoded(shown) == field.shown_name


def _parameter(field: WithParameter, raw: str) -> str | None:
    """What a reader of MIME finds; None if the value before it, or the number of parameters, is another."""
    message = email.message.Message()
    message[field.name] = raw
    found = message.get_params(header=field.name, unquote=True) or []
    if [name.lower() for name, _ in found] != [field.value.lower(), field.parameter]:
        return None
    return email.utils.collapse_rfc2231_value(found[1][1], fallback_charset="utf-8")


@lru_cache(maxsize=1024)
def _parsed(raw: str) -> tuple[str, str]:
    return email.utils.parseaddr(raw)


def _decoded(raw: str) -> str:
    """What readers make of encoded words; where they are none, the text as it is."""
    if "=?" not in raw:
        return raw
    try:
        return "".join(
            part if isinstance(part, str) else part.decode(charset or "ascii", "replace")
            for part, charset in email.header.decode_header(raw)
        )
    except (email.errors.HeaderParseError, LookupError, ValueError):
        return raw
