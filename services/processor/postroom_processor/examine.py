"""What a mail says about itself, before anything is asked of the store (pure)."""

from dataclasses import dataclass

from postroom.account import Account, matches
from postroom.messages import MailReceived
from postroom.own_mail import content_sha256
from postroom.reply_token import ParsedToken, find_tokens
from postroom_processor.automatic import automatic_kind
from postroom_processor.mail import Mail, read_mail
from postroom_processor.sender_address import all_addresses, only_sender


@dataclass(frozen=True)
class Examined:
    """A mail that was read.

    `sender` is the only sender or None; `denied_by` the rule of the deny list that covers it; `automatic` the
    kind of program that wrote it, if one did; `tokens` the different reply tokens it carries, nothing proven.
    Of a mail from the folder for sent mail only `sender` is looked at, and `content_sha256`, by which our own
    are known (`postroom.own_mail`).
    """

    received: MailReceived
    mail: Mail
    sender: str | None
    denied_by: str | None
    automatic: str | None
    tokens: tuple[ParsedToken, ...]
    content_sha256: str | None = None

    @property
    def own_id(self) -> tuple[str, str] | None:
        """By what the mail is known if it is one that Postroom sent; None for what cannot be one."""
        message_id = self.mail.message_id or ""
        if self.content_sha256 is None or not (message_id.isascii() and message_id.isprintable()):
            return None
        return f"<{message_id}>", self.content_sha256


def examine(received: MailReceived, content: bytes, account: Account) -> Examined:
    """Read a received mail. Never raises, whatever the content is.

    The deny list comes first: on a denied mail nothing else is spent.
    """
    mail = read_mail(content)
    sender = only_sender(mail)
    if received.role == "sent":
        return Examined(received, mail, sender, None, None, (), content_sha256(content))
    addresses = (sender,) if sender else all_addresses(mail)
    denied_by = next((rule for each in addresses if (rule := matches(account.deny, each))), None)
    if denied_by is not None:
        return Examined(received, mail, sender, denied_by, None, ())
    tokens = find_tokens((*mail.recipients, *mail.references, mail.subject))
    return Examined(received, mail, sender, None, automatic_kind(mail), tokens)
