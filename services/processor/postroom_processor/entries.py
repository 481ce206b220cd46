"""A handled mail as a message of a conversation (pure)."""

import re
from itertools import chain

from postroom.addresses import fold_case
from postroom.inbox.entry import (
    MAX_CORRESPONDENTS,
    MAX_NAME_CHARS,
    MAX_REFERENCES,
    MAX_TEXT_CHARS,
    Direction,
    Entry,
    Source,
    clean,
    clean_line,
    correspondents_of,
    own_message_id,
)
from postroom.inbox.subject import MAX_CHARS, without_token
from postroom_processor.examine import Examined
from postroom_processor.follow_up import Handled
from postroom_processor.header_fields import decode_words
from postroom_processor.mail import Mail
from postroom_processor.markup import without_markup

_MAX_FIELD_BYTES = 10_000
_ADDRESS = re.compile(r"[^\s<>\"(),;:@\[\]\\]{1,256}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,254})")
_MAX_ADDRESS_CHARS = 320
_MAX_SHOWN_CHARS = 500
NOT_RECORDED = frozenset({"denied", "deferred"})
"""Outcomes of mails that are in no conversation, or not yet."""


def entry_of(handled: Handled) -> Entry:
    """The message that the mail is. Nothing in the mail makes this fail."""
    examined, account = handled.examined, handled.account
    mail, received = examined.mail, examined.received
    direction: Direction = "out" if received.role == "sent" else "in"
    record = handled.outcome.record
    subject, text = _shown(examined)
    addressees = _addressees(mail)
    own_id = examined.own_id if handled.outcome.kind == "own" else None
    with_whom = addressees if direction == "out" else ((examined.sender,) if examined.sender else ())
    return Entry(
        id=handled.envelope.id if own_id is None else own_message_id(account.name, *own_id),
        account=account.name,
        direction=direction,
        at=received.arrived_at,
        author=fold_case(examined.sender) if examined.sender else None,
        author_name=_author_name(mail, examined.sender),
        correspondents=correspondents_of(with_whom, (account.address, account.reply_address)),
        recipients=without_token(", ".join(addressees))[:_MAX_SHOWN_CHARS],
        subject=subject,
        text=text,
        outcome=handled.outcome.kind,
        message_id=mail.message_id,
        references=_nearest(mail),
        approval=(record.claim.approval_id, record.claim.approver) if record else None,
        mail_id=handled.envelope.id,
        is_copy=own_id is not None,
        source=_source(handled),
        confidential=account.confidential,
    )


def _shown(examined: Examined) -> tuple[str, str]:
    """Subject and text. Tokens prove who may decide, and whoever reads a conversation need not know them."""
    mail = examined.mail
    subject = clean_line(mail.subject, MAX_CHARS)
    text = mail.text if mail.text and not mail.text.isspace() else without_markup(mail.html or "")
    text = clean(text).strip()
    if not examined.carried and examined.received.role == "inbox" and examined.automatic in (None, "list"):
        return subject, text  # where tokens were looked for, and there are none
    return without_token(subject), without_token(text)[:MAX_TEXT_CHARS]


def _addressees(mail: Mail) -> tuple[str, ...]:
    """The addresses in To and Cc, in order; read leniently, since they are only shown."""
    found = (
        address
        for value in chain(mail.header_bytes("to"), mail.header_bytes("cc"))
        for address in _ADDRESS.findall(value[:_MAX_FIELD_BYTES].decode("latin-1"))
    )
    printable = (each for each in found if each.isprintable() and len(each) <= _MAX_ADDRESS_CHARS)
    return tuple(dict.fromkeys(printable))[:MAX_CORRESPONDENTS]


def _author_name(mail: Mail, sender: str | None) -> str:
    """What stands beside the address; of a From that is not read strictly everything."""
    values = mail.header_bytes("from")
    if not values:
        return ""
    text = clean_line(decode_words(values[0]), MAX_NAME_CHARS)
    if sender is None:
        return text
    name, bracket, _ = text.rpartition("<")
    return name.strip().strip('"') if bracket else ""


def _nearest(mail: Mail) -> tuple[str, ...]:
    """The ids it refers to: of In-Reply-To, then of References from the last on (RFC 5322 section 3.6.4)."""
    ids = mail.references
    first = ids[:1] if mail.header_bytes("in-reply-to") else ()
    return tuple(dict.fromkeys((*first, *reversed(ids[-MAX_REFERENCES:]))))[:MAX_REFERENCES]


def _source(handled: Handled) -> Source | None:
    """The raw mail; of our own mails none, since it holds the token that the request was sent with."""
    received = handled.examined.received
    if handled.outcome.kind == "own":
        return None
    inline = received.dataref is None
    return Source(
        size_bytes=received.size_bytes,
        content=handled.examined.mail.raw if inline else None,
        dataref=received.dataref,
        truncated=received.truncated,
    )
