"""People who answer mail, as their mail clients write it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import formatdate

MESSAGE_ID_DOMAIN = "client.example.net"


@dataclass(frozen=True)
class Asked:
    """What a person needs of an approval mail to answer it."""

    recipient: str
    subject: str
    reply_to: str
    message_id: str
    text: str

    @classmethod
    def read(cls, content: bytes) -> Asked:
        """An approval mail as it came in."""
        mail = message_from_bytes(content, policy=policy.default)
        body = mail.get_body(("plain",))
        assert body is not None
        return cls(
            recipient=str(mail["To"]),
            subject=str(mail["Subject"]),
            reply_to=str(mail["Reply-To"]),
            message_id=str(mail["Message-ID"]).strip(),
            text=str(body.get_content()),
        )


def reply(asked: Asked, written: str, *, sender: str | None = None, number: int = 0) -> bytes:
    """The reply that a person writes above the quoted mail, as Gmail sends it."""
    mail = EmailMessage()
    mail["From"] = sender or asked.recipient
    mail["To"] = asked.reply_to
    mail["Subject"] = asked.subject if asked.subject.startswith("Re:") else f"Re: {asked.subject}"
    mail["Date"] = formatdate(1_770_000_000 + number)
    mail["Message-ID"] = f"<reply-{number}-{abs(hash((written, asked.message_id)))}@{MESSAGE_ID_DOMAIN}>"
    mail["In-Reply-To"] = asked.message_id
    mail["References"] = asked.message_id
    quoted = "\n".join(f"> {line}".rstrip() for line in asked.text.splitlines())
    name = re.sub(r".*?([^<>\s]+@[^<>\s]+).*", r"\1", asked.reply_to)
    mail.set_content(f"{written}\n\nOn Mon, 2 Mar 2026 at 10:00, Postroom <{name}> wrote:\n\n{quoted}\n")
    return mail.as_bytes(policy=policy.SMTP)
