"""How a recipient ends mails that are sent to many (pure; RFC 2369, RFC 8058)."""

from urllib.parse import quote

from postroom.account import Account
from postroom.messages import MailSend
from postroom_sender.header import Field, Verbatim

SUBJECT = "unsubscribe"


def unsubscribe_link(command: MailSend, account: Account) -> str | None:
    """The link for people to follow; None for a mail that is for one person anyway."""
    if command.unsubscribe is not None:
        return command.unsubscribe
    return _mailto(account) if command.lane == "bulk" else None


def unsubscribe_fields(command: MailSend, account: Account) -> list[Field]:
    """The headers by which mail programs offer to unsubscribe, and by which bulk is known as such.

    One click is offered only where there is a URL that takes it: a POST of `List-Unsubscribe=One-Click`.
    """
    fields: list[Field] = []
    if command.lane == "bulk":
        fields.append(Verbatim("Precedence", "bulk"))  # RFC 3834, section 3.1.8: no automatic answers
    if unsubscribe_link(command, account) is None:
        return fields
    ways = [f"<{_mailto(account)}>"]
    if command.unsubscribe is not None:
        ways.insert(0, f"<{command.unsubscribe}>")
        fields.append(Verbatim("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return [*fields, Verbatim("List-Unsubscribe", ", ".join(ways))]


def _mailto(account: Account) -> str:
    local, _, domain = (account.reply_to or account.address).rpartition("@")
    return f"mailto:{quote(local, safe='')}@{domain}?subject={SUBJECT}"
