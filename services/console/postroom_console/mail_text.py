"""What a mail says, for a person who looks at it in a terminal; read without trust, and not decided upon."""

import email
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message

MAX_BYTES = 1_000_000
MAX_CHARS = 20_000
_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_MAX_HEADER_CHARS = 500


@dataclass(frozen=True)
class MailText:
    """Headers by name, and the text; empty: there is none that can be shown."""

    headers: dict[str, str]
    text: str

    @property
    def subject(self) -> str:
        """The subject, empty if there is none."""
        return self.headers.get("Subject", "")


def read_mail(raw: bytes) -> MailText:
    """The beginning of a mail; whatever it is, nothing raises."""
    try:
        mail = email.message_from_bytes(raw[:MAX_BYTES])
        headers = {name: _header(mail, name) for name in _HEADERS}
        return MailText({name: value for name, value in headers.items() if value}, _text(mail))
    except Exception:  # of the standard library's parser, which was not made for hostile mail
        return MailText({}, "")


def _header(mail: Message, name: str) -> str:
    value = str(mail.get(name, ""))[: 4 * _MAX_HEADER_CHARS]
    try:
        value = str(make_header(decode_header(value)))
    except Exception:
        return " ".join(value.split())[:_MAX_HEADER_CHARS]
    return " ".join(value.split())[:_MAX_HEADER_CHARS]


def _text(mail: Message) -> str:
    for part in mail.walk():
        if part.get_content_type() == "text/plain" and not part.get_filename():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                return _decoded(payload, part.get_content_charset("utf-8")).strip()[:MAX_CHARS]
    return ""


def _decoded(payload: bytes, charset: str) -> str:
    try:
        return payload.decode(charset, "replace")
    except (LookupError, ValueError):
        return payload.decode("utf-8", "replace")
