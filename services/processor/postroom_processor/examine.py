"""What a mail says about itself, before anything is asked of the store (pure)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from postroom.account import Account
from postroom.deny import Rule, canonical_address, first_covering, list_from_file
from postroom.messages import MailReceived
from postroom.own_mail import content_sha256
from postroom.reply_token import ParsedToken
from postroom_processor.authentication_results import server_dmarc, server_refusal
from postroom_processor.automatic import automatic_kind
from postroom_processor.carriers import Carried, carried_tokens
from postroom_processor.claimed_addresses import claimed_addresses
from postroom_processor.limits import sender_key
from postroom_processor.mail import Mail, read_head, with_body
from postroom_processor.proof import Findings
from postroom_processor.reply_text import OwnText, own_text
from postroom_processor.sender_address import only_sender
from postroom_processor.signatures import Signatures, claimed_coverage

Denying = Callable[[Account, Iterable[str]], Rule | None]
"""Finds the rule that denies mail to an account from one of the addresses."""


@dataclass(frozen=True)
class Examined:
    """A mail that was read.

    `sender` is the only sender or None; `denied_by` the rule of the deny list that covers it; `automatic` the
    kind of program that wrote it, if one did; `carried` the different reply tokens and where they stand,
    nothing proven; `dmarc` what our mail server found, if there is a token; `signatures` what we verified
    ourselves, if somebody looked. Of a mail from the folder for sent mail only `sender` is looked at, and
    `content_sha256`, by which our own are known (`postroom.own_mail`).
    """

    received: MailReceived
    mail: Mail
    sender: str | None
    denied_by: str | None = None
    automatic: str | None = None
    carried: tuple[Carried, ...] = ()
    dmarc: str | None = None
    signatures: Signatures | None = None
    content_sha256: str | None = None

    @cached_property
    def own(self) -> OwnText:
        """What the reply's author wrote; read when somebody asks, and once."""
        return own_text(self.mail)

    @property
    def tokens(self) -> tuple[ParsedToken, ...]:
        """The tokens without their places."""
        return tuple(each.token for each in self.carried)

    @property
    def sender_key(self) -> str:
        """Under which the mails of its sender are counted."""
        return sender_key(canonical_address(self.sender) if self.sender else None)

    @property
    def own_id(self) -> tuple[str, str] | None:
        """By what the mail is known if it is one that Postroom sent; None for what cannot be one."""
        message_id = self.mail.message_id or ""
        if self.content_sha256 is None or not (message_id.isascii() and message_id.isprintable()):
            return None
        return f"<{message_id}>", self.content_sha256

    def findings(self, refs: Iterable[str]) -> Findings:
        """What vouches for the sender's domain in this mail, as far as it bears on these tokens."""
        wanted = set(refs)
        places = (each.carriers for each in self.carried if each.token.ref in wanted)
        claimed = claimed_coverage(self.mail.header_bytes("dkim-signature"), _domain(self.sender or ""))
        return Findings(self.dmarc, self.signatures, frozenset().union(*places), self.mail.fields, claimed)


def own_deny_list(account: Account, addresses: Iterable[str]) -> Rule | None:
    """The rule of the account itself that denies one of the addresses."""
    return first_covering([list_from_file(account.deny, account.name)], addresses)


def first_look(
    received: MailReceived, head: bytes, account: Account, denying: Denying = own_deny_list
) -> Examined:
    """The mail's sender, and whether a deny list covers it. Never raises, whatever the head is.

    Args:
        received: Where the mail is from.
        head: The mail, or a beginning of it that holds its header section.
        account: Whose mail it is.
        denying: The deny lists: what the strictly read author is looked for in or, without one, every
            address in the fields that say from whom the mail is.
    """
    mail = read_head(head)
    sender = only_sender(mail)
    if received.role == "sent":
        return Examined(received, mail, sender)
    rule = denying(account, (sender,) if sender else claimed_addresses(mail))
    return Examined(received, mail, sender, rule.told if rule else None)


def examine(
    received: MailReceived, content: bytes, account: Account, denying: Denying = own_deny_list
) -> Examined:
    """Read a received mail. Never raises, whatever the content is.

    The deny list comes first: on a denied mail nothing else is spent.
    """
    looked = first_look(received, content, account, denying)
    return looked if looked.denied_by is not None else examine_whole(looked, account)


def examine_whole(looked: Examined, account: Account) -> Examined:
    """Read the rest of a mail that is not denied, and of which the whole was looked at."""
    received, sender = looked.received, looked.sender
    mail = with_body(looked.mail)
    if received.role == "sent":
        return Examined(received, mail, sender, content_sha256=content_sha256(mail.raw))
    automatic = automatic_kind(mail)
    # What a program wrote decides nothing, so its text need not be read.
    carried = carried_tokens(mail, with_body=automatic in (None, "list"))
    dmarc = _dmarc(mail, sender, account) if carried else None
    return Examined(received, mail, sender, None, automatic, carried, dmarc)


def _dmarc(mail: Mail, sender: str | None, account: Account) -> str | None:
    if sender is None or account.imap is None:
        return None
    authserv_id = account.imap.authserv_id
    return server_refusal(mail, authserv_id) or server_dmarc(mail, authserv_id, _domain(sender))


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
