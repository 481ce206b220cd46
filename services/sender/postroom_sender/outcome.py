"""What servers say, and what it can come to for a mail and its account (pure)."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Stage = Literal["greeting", "starttls", "auth", "token", "mail", "rcpt", "data", "dot"]
"""`auth`: signing in with a password; `token`: with an access token."""
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_CODE = re.compile(rb"[2-5][0-9][0-9]")  # RFC 5321 section 4.2
_UNPRINTABLE = re.compile(r"[^ -~]+")
# Greylisting and busy servers say when: "try again in 5 minutes", "greylisted, please wait 300 seconds",
# "come back in 00:05:00" (milter-greylist).
_LATER = re.compile(
    r"(?:again|retry|wait|back|resume|delayed?|greylisted|deferred)\b.{0,40}?\b(?:in|for|after|wait)?\s*"
    r"(?:(?P<clock>\d{1,3}:[0-5]\d:[0-5]\d)|(?P<count>\d{1,6})\s*"
    r"(?P<unit>seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h))\b",
    re.I,
)
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_WAIT_S = 86_400.0
MAX_TEXT_CHARS = 200
MAX_CHALLENGE_CHARS = 4000  # base64 that is to be decoded, and never shown (RFC 4954 section 4)


class Result(StrEnum):
    """What becomes of a mail after an attempt."""

    SENT = "sent"
    RETRY = "retry"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


class Scope(StrEnum):
    """Whom an answer concerns. PAUSE: the account for a while; RED: the account, until its owner acts."""

    MAIL = "mail"
    PAUSE = "pause"
    RED = "red"


@dataclass(frozen=True)
class Reply:
    """An answer of a server: code, enhanced code (RFC 2034; may be empty) and its text made harmless."""

    code: int
    enhanced: str = ""
    text: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the command was taken (2yz or 3yz)."""
        return 200 <= self.code < 400

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)


@dataclass(frozen=True)
class Outcome:
    """What an attempt came to. `reason_code` is stable for machines, `sentence` is for people."""

    result: Result
    reason_code: str
    sentence: str
    scope: Scope = Scope.MAIL
    code: int | None = None
    retry_after_s: float = 0.0
    """How long the server itself, or its kind of refusal, asks to wait; 0 if it says nothing of it."""


def asked_wait_s(text: str) -> float:
    """For how long a server asks to be left alone ("try again in 5 minutes"), a day at most; else 0."""
    found = _LATER.search(text)
    if not found:
        return 0.0
    if found["clock"]:
        hours, minutes, seconds = (float(part) for part in found["clock"].split(":"))
        return min(hours * 3600 + minutes * 60 + seconds, _LONGEST_WAIT_S)
    return min(float(found["count"]) * _UNITS_S[found["unit"][0].lower()], _LONGEST_WAIT_S)


def parse_reply(lines: list[bytes]) -> Reply | None:
    """The reply in its lines (RFC 5321 section 4.2); None if they are none."""
    code = lines[-1][:3]
    if not _CODE.fullmatch(code) or any(line[:3] != code for line in lines):
        return None
    text = " ".join(harmless(line[4:]) for line in lines).strip()
    match = _ENHANCED.match(text)
    enhanced = match.group(1) if match else ""
    limit = MAX_CHALLENGE_CHARS if code == b"334" else MAX_TEXT_CHARS
    return Reply(int(code), enhanced, text.removeprefix(enhanced).strip()[:limit])


def harmless(text: bytes) -> str:
    """What a stranger's server says, without anything that could break a log line or a page."""
    return _UNPRINTABLE.sub(" ", text.decode("ascii", "replace"))
