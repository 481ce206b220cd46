# ruff: noqa: E501
# Subjects are spelled in the alphabet of their language; a pattern is easier to read in one piece.
"""Mail that says that a mail could not be delivered: how it is known, and which mail it is about (pure).

The standard's reports (RFC 3464, wrapped as in RFC 6522) and the signs of the envelope tell by themselves. What older and odder servers write is read by flufl.bounce, and only where something else hints at a bounce:
its detectors go by phrases, which people quote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_bytes

from flufl.bounce import all_failures

from postroom_processor.mail import Mail

MAX_READ_BYTES = 64 * 1024
"""Of a bounce: what failed stands at its beginning, the mail that failed may follow in full."""

_DAEMON = re.compile(r"mail(?:er)?[-_ ]?daemon|mail delivery (?:sub)?system", re.I)
_MAX_ADDRESSES = 3
# Its detectors read From with a parser that goes one call deeper for each; what it then says fills a log.
_MAX_BRACKETS = 100
_NULL_PATH = re.compile(r"\s*<?\s*>?\s*$")
_REPORT = re.compile(r"report-type\s*=\s*\"?(?:global-)?delivery-status", re.I)
# Hints; alone they prove nothing.
_SERVER = re.compile(
    r"post-?master|mdaemon|administrator|mail.{0,2}(?:server|service|gateway|system)|smtp|delivery"
    r"|^\W*<?>?\s*$|<>|\bimss\b|\bndr\b|anti-?virus",
    re.I,
)
_SUBJECT = re.compile(
    r"\W*(?:undeliver|un-?able to deliver|non[- ]?deliver|not delivered|returned mail|returned to sender"
    r"|(?:mail |message |e-?mail |permanent |your )*(?:delivery|mail|message)s? (?:status|fail|error|warning|problem"
    r"|not|could|has)|failure notice|failed mail|failed delivery|warning: .{0,80}user unknown|bounce"
    r"|unzustellbar|nicht zustellbar|non remis|échec de|no se (?:puede|pudo) entregar|mancato recapito"
    r"|não entregue|niet bezorgd|niedostarczon|kunne ikke leveres|kunde inte levereras|viestiä ei voi"
    r"|nedoručiteln|недоставлен|не доставлено|无法投递|无法送达|退信|系统退信|配信不能|配信できません"
    r"|전송 실패|배달되지|teslim edilemedi)"
    r"|.{0,200}delivery failed\)?\s*$",
    re.I,
)
# Fields of the mail that came back, as the bounce repeats them.
_SEND_ID = re.compile(rb"^[ \t>]*X-Postroom-Id:[ \t]*([\x21-\x7e]{1,200})[ \t\r]*$", re.I | re.M)
_ABOUT_ID = re.compile(
    rb"^[ \t>]*(?:Original-)?Message-ID:[ \t]*(?:\r?\n[ \t]+)?<([\x21-\x3b\x3f-\x7e]{3,300})>", re.I | re.M
)
_MAX_READ_LINES = 3_000  # each is tried against hundreds of patterns
_GAP = re.compile(rb"\n(?:[ \t\r]*\n){2,}")  # its patterns take long over many blank lines
_STATUS = re.compile(rb"^[ \t>]*Status:[ \t]*([245]\.\d{1,3}\.\d{1,3})", re.I | re.M)


@dataclass(frozen=True)
class Bounce:
    """What a bounce says.

    Attributes:
        failed: The addresses that could not be reached for good, sorted.
        delayed: Those that are still being tried.
        status: The first status code (RFC 3463), or empty.
        send_id: Our id of the mail that came back, or empty.
        message_id: Its Message-ID without brackets, or empty. Both come from a stranger and prove nothing.
    """

    failed: tuple[str, ...]
    delayed: tuple[str, ...]
    status: str
    send_id: str
    message_id: str

    def __str__(self) -> str:
        about = self.send_id or (f"<{self.message_id}>" if self.message_id else "a mail it does not name")
        whom = ", ".join(self.failed or self.delayed)
        parts = (f"bounce of {about}", f"to {whom}" if whom else "", self.status)
        return ", ".join(part for part in parts if part)


def is_bounce(mail: Mail, *, reported: bool) -> bool:
    """Whether the mail is a bounce. `reported`: whether one of its parts is a delivery status."""
    if reported or _declares(mail) or _envelope_says(mail):
        return True
    return _hinted(mail) and any(_failures(mail))


def read_bounce(mail: Mail) -> Bounce:
    """What a bounce says; never raises."""
    delayed, failed = _failures(mail)
    body = mail.raw[: 2 * MAX_READ_BYTES].partition(b"\n\n" if b"\r\n\r\n" not in mail.raw else b"\r\n\r\n")[
        2
    ]
    return Bounce(
        failed=failed,
        delayed=delayed,
        status=_first(_STATUS, body),
        send_id=_first(_SEND_ID, body),
        message_id=_first(_ABOUT_ID, body),
    )


def _declares(mail: Mail) -> bool:
    return any(_REPORT.search(value) for value in mail.header_values("content-type")) or any(
        ":dsn" in value.lower() for value in mail.header_values("content-class")
    )


def _envelope_says(mail: Mail) -> bool:
    if mail.header_bytes("x-failed-recipients"):
        return True
    if any(_NULL_PATH.match(value) for value in mail.header_values("return-path")):
        return True
    return any(_DAEMON.search(value) for value in mail.header_values("from"))


def _hinted(mail: Mail) -> bool:
    if _SUBJECT.match(mail.subject):
        return True
    senders = mail.header_values("from") + mail.header_values("sender")
    if any(_SERVER.search(value) for value in senders):
        return True
    return any("daemon" in value.lower() for value in mail.header_values("return-path"))


def _failures(mail: Mail) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The addresses that are delayed, and those that failed."""
    if any(value.count("(") > _MAX_BRACKETS for name in ("from", "to") for value in mail.header_values(name)):
        return (), ()
    try:
        delayed, failed = all_failures(message_from_bytes(_beginning(mail.raw)))
    except Exception:  # it is given whatever strangers send, and promises nothing about it
        return (), ()
    return _readable(delayed), _readable(failed)


def _beginning(raw: bytes) -> bytes:
    """What of a mail the detectors are given: so many bytes, and so many lines."""
    lines = _GAP.sub(b"\n\n", raw[:MAX_READ_BYTES]).split(b"\n", _MAX_READ_LINES)
    return b"\n".join(lines[:_MAX_READ_LINES])


def _readable(addresses: Iterable[bytes | str]) -> tuple[str, ...]:
    found = (each.decode("ascii", "replace") for each in addresses if isinstance(each, bytes))
    return tuple(sorted(each for each in found if each.isprintable() and len(each) <= 320))[:_MAX_ADDRESSES]


def _first(pattern: re.Pattern[bytes], body: bytes) -> str:
    found = pattern.search(body)
    return found.group(1).decode("ascii", "replace") if found else ""
