"""What a bounce, a complaint or an unsubscribing mail says, and what that means: tables (pure).

Sources: RFC 3463 (status codes), RFC 3464 (delivery status), RFC 5965 (complaints), RFC 5321 section 4.2.3;
the words for addresses that are not there as Postfix, Exim, Exchange, Gmail and qmail write them. What no row
names is taken for a reason that may pass: an address is given up on proof only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from postroom.addresses import fold_case
from postroom.mail_tag import FIELD, MailTag, find_tags
from postroom_processor.bounce import MAX_READ_BYTES, Bounce, read_bounce
from postroom_processor.examine import Examined
from postroom_processor.mail import RECIPIENT_FIELDS, Mail

Meaning = Literal["hard", "soft", "arrived", "complaint", "unsubscribe", "nothing"]
"""`arrived`: another server has it and goes on trying, or has delivered it: no bounce, and no doubt."""
_VAGUE = re.compile(r"[245]\.[0-9]{1,3}\.0")
_GONE = re.compile(
    r"user (?:is )?unknown|unknown user|no such (?:user|mailbox|recipient|address|person)"
    r"|(?:mailbox|user|account|address|recipient)[^.\n]{0,40}(?:does(?: not|n't) exist|not found|unknown)"
    r"|unknown (?:recipient|address|mailbox)|recipient address rejected: (?:access denied|user)"
    r"|(?:account|mailbox)[^.\n]{0,40}(?:disabled|inactive|deactivated|closed)|invalid recipient"
    r"|no mailbox here by that name|unrouteable address|host or domain name not found",
    re.I,
)
# By how a status begins; the first that fits counts.
_STATUSES: tuple[tuple[str, Meaning], ...] = (
    ("2.", "arrived"),
    ("4.", "soft"),
    ("5.1.7", "soft"),  # 5.1.7 and 5.1.8 are about the sender's address
    ("5.1.8", "soft"),
    ("5.1.", "hard"),
    ("5.2.1", "hard"),  # the mailbox is switched off
    ("5.4.4", "hard"),  # no such domain
    ("5.", "soft"),
)
_ACTIONS: Mapping[str, Meaning] = {
    "delayed": "arrived",
    "delivered": "arrived",
    "relayed": "arrived",
    "expanded": "arrived",
}
# RFC 5965 section 3.1 and its registry. What is about a mail's content says nothing about who gets it.
_COMPLAINTS: Mapping[str, Meaning] = {"abuse": "complaint", "opt-out": "unsubscribe"}

_ACTION = re.compile(r"^Action:[ \t]*([a-z]+)", re.I | re.M)
_STATUS = re.compile(r"^Status:[ \t]*([245]\.\d{1,3}\.\d{1,3})", re.I | re.M)
_DIAGNOSTIC = re.compile(r"^Diagnostic-Code:[ \t]*((?:.|\n[ \t]){1,1000})", re.I | re.M)
_FINAL = re.compile(
    r"^(?:Final|Original)-Recipient:[ \t]*[\w-]*;?[ \t]*<?([^\s<>]{3,320})>?[ \t]*$", re.I | re.M
)
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_CODE = re.compile(r"\b([245]\d\d)\b")
_FEEDBACK = re.compile(r"^Feedback-Type:[ \t]*([a-z-]+)", re.I | re.M)
# Fields of the mail that came back, as whoever sends it back repeats them.
_REPEATED = re.compile(
    rf"^[ \t>]*(?:{FIELD}|Return-Path|X-Envelope-From|Envelope-From):.{{0,400}}$", re.I | re.M
)
# Where the mail that came back begins: what it says itself says nothing about its recipient.
_RETURNED = re.compile(
    r"^[ \t>]*(?:Received|Return-Path|DKIM-Signature|X-Postroom-Id|Message-ID):", re.I | re.M
)
_MAX_DETAIL_CHARS = 300


@dataclass(frozen=True)
class Returned:
    """What came back.

    Attributes:
        meaning: For the address it was sent to.
        status: As the other server says it (RFC 3463), or empty.
        code: Its SMTP reply, or None.
        detail: In its words, on one line.
        failed: The addresses it names, as far as it does.
        tags: What names the mail; nothing proven.
        others: What the same report says of further recipients (RFC 3464 section 2.3), without tags.
    """

    meaning: Meaning
    status: str = ""
    code: int | None = None
    detail: str = ""
    failed: tuple[str, ...] = ()
    tags: tuple[MailTag, ...] = ()
    others: tuple[Returned, ...] = ()


def read_returned(examined: Examined) -> Returned | None:
    """What the mail says about one of ours; None if it is none of these. Never raises."""
    mail = examined.mail
    if examined.denied_by is not None or examined.received.role != "inbox":
        return None
    if examined.automatic == "bounce":
        return _bounce(mail)
    if examined.automatic == "report":
        return _complaint(mail)
    tags = tuple(each for each in _addressed(mail) if each.kind == "unsubscribe")
    return Returned("unsubscribe", tags=tags) if tags else None


def _bounce(mail: Mail) -> Returned:
    text, said = _body(mail), read_bounce(mail)
    # A report about several recipients: the first that failed leads, else the first.
    found = [_about_one(address, block, said) for address, block in _blocks(text) or [("", text)]]
    first = next((each for each in found if each.meaning in ("hard", "soft")), found[0])
    tags = tuple(each for each in (*_addressed(mail), *_repeated(text)) if each.kind == "bounce")
    return replace(first, tags=tags, others=tuple(each for each in found if each is not first))


def _about_one(address: str, block: str, said: Bounce) -> Returned:
    """What a report says of one recipient; without an address, of whom flufl.bounce finds."""
    diagnostic = _diagnostic(block)
    code = _CODE.search(diagnostic)
    return Returned(
        meaning=_meaning(block, is_delayed=bool(said.delayed and not said.failed)),
        status=_status(block, diagnostic),
        code=int(code.group(1)) if code else None,
        detail=diagnostic or said.status,
        failed=(fold_case(address),) if address else tuple(map(fold_case, said.failed or said.delayed)),
    )


def _complaint(mail: Mail) -> Returned | None:
    text = _body(mail)
    feedback = _FEEDBACK.search(text)
    if feedback is None:
        return None
    kind = feedback.group(1).lower()
    tags = tuple(each for each in _repeated(text) if each.kind == "bounce")
    return Returned(_COMPLAINTS.get(kind, "nothing"), detail=f"feedback: {kind}", tags=tags)


def _meaning(block: str, *, is_delayed: bool) -> Meaning:
    action = _ACTION.search(block)
    if action and action.group(1).lower() in _ACTIONS:
        return _ACTIONS[action.group(1).lower()]
    if action is None and is_delayed:
        return "arrived"
    diagnostic = _diagnostic(block)
    status = _status(block, diagnostic)
    by_status: Meaning = next((meaning for begin, meaning in _STATUSES if status.startswith(begin)), "soft")
    is_final = not status.startswith("4.")
    # Only where the status is vague or missing: words alone say less than a code that was chosen.
    vague = not status or bool(_VAGUE.fullmatch(status)) or status == "5.4.1"
    if vague and is_final and _GONE.search(diagnostic or _RETURNED.split(block, maxsplit=1)[0]):
        return "hard"
    return by_status if status and not _VAGUE.fullmatch(status) else "soft"


def _status(block: str, diagnostic: str) -> str:
    """The status code; where it is a vague one, that of the other server's words."""
    found = _STATUS.search(block)
    status = found.group(1) if found else ""
    if status and not _VAGUE.fullmatch(status):
        return status
    said = _ENHANCED.search(diagnostic)
    return said.group(1) if said else status


def _diagnostic(block: str) -> str:
    found = _DIAGNOSTIC.search(block)
    if found is None:
        return ""
    words = found.group(1).partition(";")[2] or found.group(1)
    return " ".join(words.split())[:_MAX_DETAIL_CHARS]


def _blocks(text: str) -> list[tuple[str, str]]:
    """What a report says of each recipient (RFC 3464 section 2.3), with the address."""
    places = list(_FINAL.finditer(text))[:50]
    if not places:
        return []
    ends = [*(place.start() for place in places[1:]), len(text)]
    found: dict[str, str] = {}
    for place, end in zip(places, ends, strict=True):
        address = place.group(1)
        found[address] = found.get(address, "") + text[place.start() : end]
    return list(found.items())


def _body(mail: Mail) -> str:
    raw = mail.raw[: 2 * MAX_READ_BYTES].replace(b"\r\n", b"\n")
    return raw.partition(b"\n\n")[2].decode("utf-8", "replace")


def _addressed(mail: Mail) -> tuple[MailTag, ...]:
    """The tags in the address it came to, and in its subject."""
    values = (
        value for name in sorted(RECIPIENT_FIELDS & mail.fields.keys()) for value in mail.header_values(name)
    )
    return find_tags((*values, mail.subject))


def _repeated(text: str) -> tuple[MailTag, ...]:
    return find_tags(match.group(0) for match in _REPEATED.finditer(text))
