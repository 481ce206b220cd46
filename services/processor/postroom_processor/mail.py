"""A received mail, read from its bytes in bounded time: limits first, then a fast parser.

Work is done when it is asked for. The headers are read at once, because every mail's routing needs
them; the body is parsed when somebody looks at it, so junk that bears no token of ours stays cheap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property

from postroom_processor.header_fields import decode_words, read_header_section
from postroom_processor.mime_body import EMPTY_BODY, Body, Part, read_body, unread_body
from postroom_processor.read_limits import DEFAULT_LIMITS, UNREAD, Limits, reached

# Where the address a mail was delivered to may stand; the reply token is found in any of them.
RECIPIENT_FIELDS = frozenset(
    {
        "to",
        "cc",
        "apparently-to",
        "delivered-to",
        "envelope-to",
        "resent-to",
        "x-apparently-to",
        "x-delivered-to",
        "x-envelope-to",
        "x-forwarded-to",
        "x-gm-original-to",
        "x-original-to",
        "x-originally-to",
        "x-rcpt-to",
    }
)
_HEADER_LIMITS = frozenset({"header-bytes", "header-count"})
_ADDRESS = re.compile(rb"[^\s<>\"(),;:@\[\]\\]{1,256}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,254})")
_MESSAGE_ID = re.compile(rb"<([^<>\s]{1,998})>")


@dataclass(frozen=True)
class Mail:
    """A mail: its bytes, its header fields in order, and what can be read from them.

    Attributes:
        raw: The bytes as received; nothing here is ever written out again.
        headers: (name, unfolded value) of every field, in order, duplicates included.
        header_problems: What was wrong with the header section.
        limits: What ``read_mail`` was called with.
        limited: Code of the limit that the mail reaches, of ``read_limits.REASONS``; None if it
            reaches none. The body of such a mail is not parsed, and nobody decides with it.
    """

    raw: bytes
    headers: tuple[tuple[str, bytes], ...]
    header_problems: tuple[str, ...]
    limits: Limits
    limited: str | None = None

    def header_bytes(self, name: str) -> tuple[bytes, ...]:
        """Return the raw values of every field called ``name``, in order."""
        return self.fields.get(name.lower(), ())

    def header_values(self, name: str) -> tuple[str, ...]:
        """Return the values of every field called ``name`` as text, encoded words left as is."""
        return tuple(value.decode("latin-1") for value in self.header_bytes(name))

    @cached_property
    def fields(self) -> dict[str, tuple[bytes, ...]]:
        """The raw values of each field by its lower-case name."""
        values: dict[str, tuple[bytes, ...]] = {}
        for name, value in self.headers:
            key = name.lower()
            values[key] = (*values[key], value) if key in values else (value,)
        return values

    @property
    def headers_complete(self) -> bool:
        """Whether every header field was read; if not, no field can be said to occur once."""
        return not _HEADER_LIMITS.intersection(self.header_problems)

    @cached_property
    def subject(self) -> str:
        """The first Subject with its encoded words decoded, on one line; empty if there is none."""
        values = self.header_bytes("subject")
        return " ".join(decode_words(values[0]).split()) if values else ""

    @cached_property
    def message_id(self) -> str | None:
        """The Message-ID without its angle brackets. Strangers choose it: never a key."""
        found = _ids(self.header_bytes("message-id"))
        return found[0] if found else None

    @cached_property
    def references(self) -> tuple[str, ...]:
        """Ids of In-Reply-To and References without angle brackets, each once, in this order."""
        return _ids(self.header_bytes("in-reply-to") + self.header_bytes("references"))

    @cached_property
    def recipients(self) -> tuple[str, ...]:
        """Every address of the recipient fields, lower-cased, sorted, each once.

        Found leniently: nobody is trusted for standing here, a token proves itself.
        """
        found = (
            address.decode("ascii", "replace").lower()
            for name in RECIPIENT_FIELDS.intersection(self.fields)
            for value in self.fields[name]
            for address in _ADDRESS.findall(value)
        )
        return tuple(sorted(set(found)))

    @cached_property
    def body(self) -> Body:
        """The parts of the body, parsed at first use."""
        if self.limited:
            return unread_body(self.limited)
        return read_body(self.raw, self.limits) if self.raw else EMPTY_BODY

    @property
    def text(self) -> str | None:
        """The inline text/plain parts joined; None if there is none."""
        return self.body.text

    @property
    def html(self) -> str | None:
        """The inline text/html parts joined; None if there is none."""
        return self.body.html

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every MIME part with its type, parameters and disposition, in order."""
        return self.body.parts

    @property
    def content_types(self) -> tuple[str, ...]:
        """The media types of every part in order, lower-case, the whole mail's first."""
        return tuple(part.content_type for part in self.body.parts)

    @property
    def problems(self) -> tuple[str, ...]:
        """Codes of the limits that struck and of what had to be guessed."""
        return tuple(dict.fromkeys(self.header_problems + self.body.problems))


def read_head(raw: bytes, limits: Limits = DEFAULT_LIMITS) -> Mail:
    """Read the header section alone; never raises. `raw` is the mail, or its beginning.

    Nothing of the body is looked at, so it is of no use for what asks for that: see `with_body`.
    """
    section = read_header_section(raw, limits.header_bytes, limits.header_count)
    over = next((code for code in section.problems if code in _HEADER_LIMITS), None)
    return Mail(raw, section.fields, section.problems, limits, over or UNREAD)


def with_body(head: Mail) -> Mail:
    """The whole mail whose head was read from all its bytes."""
    limited = reached(head.raw, head.limits) if head.limited == UNREAD else head.limited
    return replace(head, limited=limited)


def read_mail(raw: bytes, limits: Limits = DEFAULT_LIMITS) -> Mail:
    """Read a mail; never raises, whatever the bytes are."""
    return with_body(read_head(raw, limits))


def _ids(values: tuple[bytes, ...]) -> tuple[str, ...]:
    found = (one.decode("latin-1") for value in values for one in _MESSAGE_ID.findall(value))
    return tuple(dict.fromkeys(found))
