"""The content of mails that are no letters about requests: a program's own words, or a template's (pure)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.account import Account
from postroom.messages import MailSend, PlainMail, TemplateMail
from postroom.templates.images import CID, asked
from postroom.templates.rendering import TemplateFault, render
from postroom_sender.html import with_footer
from postroom_sender.material import File, Material, Unwritable
from postroom_sender.mime import (
    BOUNDARY_MARK,
    attached_part,
    multipart,
    shown_part,
    text_part,
)
from postroom_sender.unsubscribing import unsubscribe_link


@dataclass(frozen=True)
class Written:
    """A mail's subject, its parts as text, and its MIME body with the headers that belong to that."""

    subject: str
    text: str
    body: bytes


def written_body(command: MailSend, account: Account, material: Material) -> Written:
    """The body of a mail in own words, with footer, images and files.

    Raises:
        Unwritable: the template, a value or a file cannot be used.
        Permanent: the text holds what no mail can carry.
    """
    subject, text, html = _words(command, account, material)
    footer = account.footer.strip("\n")
    if footer:
        # The delimiter of a signature (RFC 3676 section 4.3).
        text = f"{text.rstrip()}\n\n-- \n{footer}\n"
        html = with_footer(html, footer) if html is not None else None
    return Written(subject, text, _body(command, account, text, html, material.files))


def _words(command: MailSend, account: Account, material: Material) -> tuple[str, str, str | None]:
    """Subject, text and page before the footer."""
    content = command.content
    if isinstance(content, PlainMail):
        text, html = content.text, content.html
        if material.signature:
            text = f"{text.rstrip()}\n\n{material.signature}\n"
            html = with_footer(html, material.signature, delimiter="") if html is not None else None
        return content.subject, text, html
    assert isinstance(content, TemplateMail)
    if material.template is None:
        raise Unwritable("unknown_template", _no_template(command, content))
    given = {
        "recipient": command.recipient,
        "sender": account.from_name or account.address,
        "signature": material.signature,
    }
    link = unsubscribe_link(command, account, material.unsubscribe_tag)
    try:
        made = render(
            material.template, {**content.values, **given, **({"unsubscribe": link} if link else {})}
        )
    except TemplateFault as fault:
        raise Unwritable("template", str(fault)) from fault
    return made.subject, made.text, made.html


def _no_template(command: MailSend, content: TemplateMail) -> str:
    if content.template is not None:
        return f"there is no template {content.template!r}"
    whose = f" of the account {command.account} or" if command.account else ""
    return f"the mail names no template, and there is no default one{whose} of all accounts"


def _body(command: MailSend, account: Account, text: str, html: str | None, files: Sequence[File]) -> bytes:
    shown = [file for file in files if file.about.content_id]
    attached = [file for file in files if not file.about.content_id]
    words = text_part("plain", text)
    page = _page(command, account, html, shown)
    if page is not None:
        words = multipart("alternative", _boundary(command, "a"), (words, page))
    if not attached:
        return words
    return multipart("mixed", _boundary(command, "m"), (words, *map(attached_part, attached)))


def _page(command: MailSend, account: Account, html: str | None, shown: Sequence[File]) -> bytes | None:
    """The HTML part with the images that it shows (RFC 2387, RFC 2392)."""
    known = {
        file.about.content_id.lower(): _content_id(command, account, file.about.content_id) for file in shown
    }
    if html is None:
        if shown:
            name = shown[0].about.content_id
            raise Unwritable("attachment", f"the image {name} is to be shown, and the mail has no HTML part")
        return None
    if missing := sorted(asked(html) - known.keys()):
        raise Unwritable(
            "attachment", f"the HTML part shows cid:{missing[0]}, and no attachment has this content_id"
        )
    page = text_part("html", CID.sub(lambda match: match["before"] + known[match["id"].lower()], html))
    if not shown:
        return page
    images = (shown_part(file, known[file.about.content_id.lower()]) for file in shown)
    return multipart("related", _boundary(command, "r"), (page, *images))


def _content_id(command: MailSend, account: Account, name: str) -> str:
    """Unique in the world, as it must be (RFC 2045, section 7)."""
    return f"{name}.{_digest(command.id)[:16]}@{account.address.rpartition('@')[2]}"


def _boundary(command: MailSend, kind: str) -> str:
    return f"{BOUNDARY_MARK}postroom_{kind}_{_digest(command.id)[:24]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
