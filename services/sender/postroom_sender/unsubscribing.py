"""How a recipient ends mails that are sent to many (pure; RFC 2369, RFC 8058)."""

from urllib.parse import quote

from postroom.account import Account
from postroom.messages import MailSend
from postroom_sender.header import Field, Verbatim

SUBJECT = "unsubscribe"


def unsubscribe_link(command: MailSend, account: Account, tag: str = "") -> str | None:
    """The link for people to follow; None for a mail that is for one person anyway."""
    return _click(command, account, tag) or (_mailto(account, tag) if command.lane == "bulk" else None)


def unsubscribe_fields(command: MailSend, account: Account, tag: str = "") -> list[Field]:
    """The headers by which mail programs offer to unsubscribe, and by which bulk is known as such.

    One click is offered only where there is a URL that takes it: a POST of `List-Unsubscribe=One-Click`.
    """
    fields: list[Field] = []
    if command.lane == "bulk":
        fields.append(Verbatim("Precedence", "bulk"))  # RFC 3834, section 3.1.8: no automatic answers
    click = _click(command, account, tag)
    if click is None and command.lane != "bulk":
        return fields
    ways = [f"<{_mailto(account, tag)}>"]
    if click is not None:
        ways.insert(0, f"<{click}>")
        fields.append(Verbatim("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return [*fields, Verbatim("List-Unsubscribe", ", ".join(ways))]


def _click(command: MailSend, account: Account, tag: str) -> str | None:
    """The URL of the order, or for bulk that of the account."""
    if command.unsubscribe is not None:
        return command.unsubscribe
    return account.unsubscribe.link(tag) if command.lane == "bulk" else None


def _mailto(account: Account, tag: str) -> str:
    """The tag proves that whoever writes has the mail, or anybody could unsubscribe anybody."""
    address = account.unsubscribe.mailto or account.reply_to or account.address
    local, _, domain = address.rpartition("@")
    subject = f"{SUBJECT}%20{tag}" if tag else SUBJECT
    return f"mailto:{quote(local, safe='')}@{domain}?subject={subject}"
