"""A person with a mail program, for the demo: reads a mail and replies as Gmail does (pure)."""

import email
import email.policy
import html
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

DOMAIN = "example.com"


@dataclass(frozen=True)
class Person:
    """Somebody who gets mail."""

    name: str
    address: str

    def reply(self, to: bytes, text: str, now: datetime) -> EmailMessage:
        """The mail that this person's program sends after a click on Reply, with the text on top."""
        original = parse(to)
        mail = EmailMessage(policy=email.policy.SMTP)
        user, _, domain = self.address.rpartition("@")
        mail["From"] = Address(self.name, user, domain)
        mail["To"] = str(original.get("Reply-To", original["From"]))
        subject = str(original["Subject"])
        mail["Subject"] = subject if subject.lower().startswith("re:") else f"Re: {subject}"
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = make_msgid(domain=DOMAIN)
        mail["In-Reply-To"] = str(original["Message-ID"])
        mail["References"] = " ".join(
            [*str(original.get("References", "")).split(), str(original["Message-ID"])]
        )
        attribution = f"On {now:%a, %d %b %Y at %H:%M}, {original['From']} wrote:"
        quoted = "\n".join(f"> {line}".rstrip() for line in readable(to).splitlines())
        mail.set_content(f"{text}\n\n{attribution}\n\n{quoted}\n")
        mail.add_alternative(_html(text, attribution, readable(to)), subtype="html")
        return mail


def parse(content: bytes) -> EmailMessage:
    """A mail, parsed."""
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def readable(content: bytes) -> str:
    """The text of a mail as its reader sees it."""
    part = parse(content).get_body(("plain",))
    return str(part.get_content()).replace("\r\n", "\n").strip("\n") if part else ""


def _html(text: str, attribution: str, quoted: str) -> str:
    def lines(plain: str) -> str:
        return "".join(f"<div>{html.escape(line) or '<br>'}</div>" for line in plain.splitlines())

    return (
        f'<div dir="ltr">{lines(text)}</div><br><div class="gmail_quote gmail_quote_container">'
        f'<div dir="ltr" class="gmail_attr">{html.escape(attribution)}<br></div>'
        f'<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px solid #ccc">'
        f"{lines(quoted)}</blockquote></div>"
    )
