"""Composes mails: a `mail.send` command and its account in, the bytes of a mail out (pure).

The same command and account give the same bytes, in every process and at every time, so that a mail whose
fate is unknown can be sent again as the same mail: date, ids and boundaries come from the command.
"""

import hashlib
import re
from dataclasses import dataclass
from email.utils import format_datetime

from postroom.account import Account
from postroom.addresses import with_tag
from postroom.errors import Permanent
from postroom.mail_tag import FIELD as TAG_FIELD
from postroom.mail_tag import tagged
from postroom.messages import (
    ApprovalMail,
    ConfirmMail,
    HelpMail,
    MailSend,
    PlainMail,
    TemplateMail,
    derive_id,
    utc_seconds,
)
from postroom_sender.header import Field, Mailbox, Mailboxes, Text, Verbatim, header_block
from postroom_sender.html import as_html
from postroom_sender.letter import Letter, approval_letter, confirm_letter, help_letter, subject_tag
from postroom_sender.material import NOTHING, Material
from postroom_sender.mime import BOUNDARY_MARK, multipart, text_part
from postroom_sender.own_words import written_body
from postroom_sender.text import as_text
from postroom_sender.unsubscribing import unsubscribe_fields

# Without encoded words, in which readers that decode ids would find whatever a stranger put there.
_MESSAGE_ID = re.compile(r"(?!.*=\?)<[!-;=?A-~]{1,400}@[!-;=?A-~]{1,400}>")
_TITLES = {
    "approval": "Decision needed: {}",
    "help": "Re: Decision needed: {}",
    "confirm": "Please confirm: {}",
}
_VERSION = Verbatim("MIME-Version", "1.0")
# Of Exchange (MS-OXCMAIL 2.1.3.2.20), without NDR: what cannot be delivered we want to hear of.
_SILENCE = Verbatim("X-Auto-Response-Suppress", "DR, RN, NRN, OOF, AutoReply")


@dataclass(frozen=True)
class Composed:
    """A mail ready to be sent: its envelope (RFC 5321), its id with angle brackets, and its bytes.

    `international` says that an address is not ASCII, so the server must have SMTPUTF8 (RFC 6531). `subject`
    and `text` are what the bytes say, as people read it.
    """

    sender: str
    recipients: tuple[str, ...]
    message_id: str
    content: bytes
    international: bool
    subject: str
    text: str


def compose(command: MailSend, account: Account, material: Material = NOTHING) -> Composed:
    """The mail that the command asks for, written from the material there is for it.

    Raises:
        Permanent: it cannot be written as a mail; the sentence says which part.
    """
    content = command.content
    if isinstance(content, PlainMail | TemplateMail):
        words = written_body(command, account, material)
        head = _head(command, content, account, words.subject)
        head += unsubscribe_fields(command, account, material.unsubscribe_tag)
        subject, text, body = words.subject, words.text, words.body
    else:
        head, body, text = _letter(command, content, account)
        subject = _title(content)
    fields = [*_common(command, account, material), *head, _VERSION]
    return Composed(
        sender=envelope_sender(account, material.bounce_tag),
        recipients=command.recipients,
        message_id=message_id(command, account.address),
        content=header_block(fields) + body,
        international=not "".join(_addresses(command, account)).isascii(),
        subject=subject,
        text=text,
    )


def envelope_sender(account: Account, tag: str) -> str:
    """Where the mail comes back to: with its tag (VERP), where the account can have one there."""
    with_it = tagged(account.address, tag) if account.verp and tag else None
    return with_it or account.address


def _addresses(command: MailSend, account: Account) -> tuple[str, ...]:
    own_words = isinstance(command.content, PlainMail | TemplateMail)
    replies = account.reply_to or "" if own_words else account.reply_address
    return account.address, replies, *command.recipients


def message_id(command: MailSend, address: str) -> str:
    """The mail's id; about a request it holds the reply token, and so do the References of replies."""
    content = command.content
    domain = address.rpartition("@")[2]
    if isinstance(content, PlainMail | TemplateMail):
        return f"<{derive_id('message-id', command.id)}@{domain}>"
    return f"<{content.reply_token}.{_digest(command.id)[:12]}@{domain}>"


def _common(command: MailSend, account: Account, material: Material) -> list[Field]:
    return [
        Verbatim("Date", format_datetime(utc_seconds(command.written_at))),
        Mailbox("From", account.address, account.from_name),
        Mailbox("To", command.recipient),
        *((Mailboxes("Cc", command.cc),) if command.cc else ()),
        Verbatim("Message-ID", message_id(command, account.address)),
        Verbatim("X-Postroom-Id", command.id),
        *((Verbatim(TAG_FIELD, material.bounce_tag),) if material.bounce_tag else ()),
    ]


def _letter(
    command: MailSend, content: ApprovalMail | HelpMail | ConfirmMail, account: Account
) -> tuple[list[Field], bytes, str]:
    reply_address = account.reply_address
    if account.plus_addressing:
        reply_address = with_tag(reply_address, content.reply_token)
    title = f"{_title(content)} {subject_tag(content.reply_token)}"
    about = {
        "reply_address": reply_address,
        "from_address": account.address,
        "account_footer": account.footer,
    }
    letter: Letter
    if isinstance(content, ApprovalMail):
        letter = approval_letter(content, **about)
        # RFC 3834, section 5: not itself an answer / an answer to one mail.
        head: list[Field] = [Text("Subject", title), Verbatim("Auto-Submitted", "auto-generated")]
    elif isinstance(content, ConfirmMail):
        letter = confirm_letter(content, **about)
        head = [Text("Subject", title), Verbatim("Auto-Submitted", "auto-generated")]
    else:
        letter = help_letter(content, **about)
        head = [Text("Subject", title), Verbatim("Auto-Submitted", "auto-replied")]
        head += _thread(content.in_reply_to)
    head += [Mailbox("Reply-To", reply_address), _SILENCE]
    text = as_text(letter)
    return head, _both(command, text, as_html(letter)), text


def _title(content: ApprovalMail | HelpMail | ConfirmMail) -> str:
    title = _TITLES[content.kind].format(content.subject)
    return f"Reminder: {title}" if isinstance(content, ApprovalMail) and content.reminder else title


def _head(
    command: MailSend, content: PlainMail | TemplateMail, account: Account, subject: str
) -> list[Field]:
    """The headers of a mail in own words, after those that all mails have."""
    # RFC 3834, section 5: not itself an answer / an answer to one mail.
    answers = _thread(content.in_reply_to)
    automatic = "auto-replied" if answers else "auto-generated"
    head: list[Field] = [Text("Subject", subject), Verbatim("Auto-Submitted", automatic), *answers]
    if account.reply_to is not None:
        head.append(Mailbox("Reply-To", account.reply_to))
    if command.lane == "bulk":
        head.append(_SILENCE)
    return head


def _thread(in_reply_to: str) -> list[Field]:
    """The headers of an answer. The id is a stranger's: a malformed one is left out."""
    if not _MESSAGE_ID.fullmatch(in_reply_to):
        return []
    return [Verbatim("In-Reply-To", in_reply_to), Verbatim("References", in_reply_to)]


def _both(command: MailSend, text: str, html: str) -> bytes:
    boundary = f"{BOUNDARY_MARK}postroom_{_digest(command.id)[:24]}"
    return multipart("alternative", boundary, (text_part("plain", text), text_part("html", html)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


__all__ = ["Composed", "Permanent", "compose", "message_id"]
