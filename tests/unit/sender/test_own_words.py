"""Mails from templates, with files and images, to many; read back by the standard library."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.account import Account
from postroom.errors import Permanent
from postroom.messages import Attachment, MailSend, TemplateMail
from postroom.templates.template import Template
from postroom.user import User
from postroom_sender.compose import compose
from postroom_sender.header import Field, Mailbox, Text, WithParameter, header_block, read_back
from postroom_sender.material import File, Material, Unwritable, signature_of
from tests.unit.sender.commands import account, command, plain

DATAREF = f"spool:sha256:{'0' * 64}"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def order(**changes: Any) -> MailSend:
    content = TemplateMail(template="order", values={"name": "Anna <b>", "number": 4711})
    return command(content, id="order-1", **changes)


def template(**changes: Any) -> Template:
    settings = {
        "name": "order",
        "subject": "Order {{ number }} for {{ name }}",
        "text": "Hello {{ name }}\n\n{{ signature }}\n",
        "html": "<p>Hello {{ name }}</p><p>{{ signature|breaks }}</p>",
    }
    return Template.model_validate({**settings, **changes})


def file(content: Any = b"%PDF", **changes: Any) -> File:
    about = {"dataref": DATAREF, "filename": "bill.pdf", "media_type": "application/pdf", **changes}
    return File(Attachment.model_validate(about), content)


def mail_of(send: MailSend, of: Account | None = None, **material: Any) -> EmailMessage:
    content = compose(send, of or account(), Material(**material)).content
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert not any(part.defects for part in mail.walk())
    return mail


def shape(mail: EmailMessage) -> Any:
    if not mail.is_multipart():
        return mail.get_content_type()
    return mail.get_content_subtype(), [shape(part) for part in mail.iter_parts()]  # type: ignore[arg-type]


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def refusal(send: MailSend, of: Account | None = None, **material: Any) -> Unwritable:
    with pytest.raises(Unwritable) as caught:
        compose(send, of or account(), Material(**material))
    return caught.value


def test_a_mail_is_made_from_its_template() -> None:
    mail = mail_of(order(), template=template(), signature="Ben\nExample Ltd.")
    assert mail["Subject"] == "Order 4711 for Anna <b>"
    assert body(mail, "plain") == "Hello Anna <b>\n\nBen\nExample Ltd."
    assert body(mail, "html") == "<p>Hello Anna &lt;b&gt;</p><p>Ben<br>\nExample Ltd.</p>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in mail


def test_the_same_order_gives_the_same_bytes() -> None:
    material = Material(template(), (file(),), "Ben")
    assert compose(order(), account(), material) == compose(order(), account(), material)


def test_the_footer_is_under_both_parts_of_a_mail_from_a_template() -> None:
    mail = mail_of(order(), account(footer="Example <Ltd.>"), template=template())
    assert body(mail, "plain").endswith("\n\n-- \nExample <Ltd.>")
    assert "Example &lt;Ltd.&gt;" in body(mail, "html")


def test_without_the_template_or_a_value_there_is_no_mail() -> None:
    assert str(refusal(order())) == "there is no template 'order'"
    unnamed = order().model_copy(update={"content": TemplateMail()})
    assert "there is no default one of the account releases or of all accounts" in str(refusal(unnamed))
    fault = refusal(order(), template=template(text="{{ date }}"))
    assert (fault.reason_code, str(fault)) == (
        "template",
        "template order, text: line 1: the variable date has no value",
    )


@pytest.mark.parametrize("name", ["signature", "recipient", "sender", "unsubscribe"])
def test_an_order_cannot_set_what_every_template_is_given(name: str) -> None:
    with pytest.raises(ValueError, match=f"values: {name} is what Postroom gives every template"):
        TemplateMail(values={name: "eve"})


@pytest.mark.parametrize("inside", ["\r\nBcc: x@example.com", "\n", "\r", "\0", "\u2028", "\x85"])
def test_a_value_cannot_put_a_header_in(inside: str) -> None:
    content = TemplateMail(values={"name": f"a{inside}b", "number": 1})
    with pytest.raises(Permanent, match="the header Subject holds a control character"):
        compose(command(content), account(), Material(template(text="x", html="")))


def test_a_signature_is_the_users_or_the_accounts() -> None:
    of = account(signature="The office")
    user = User.model_validate({"name": "ben", "address": "ben@example.com", "signature": "Ben\n"})
    assert signature_of(of, "", None) == "The office"
    assert signature_of(of, "ben", user) == "Ben"
    assert signature_of(of, "ben", user.model_copy(update={"signature": ""})) == "The office"
    with pytest.raises(Unwritable, match="no user has the name or address 'eve'"):
        signature_of(of, "eve", None)


def test_a_programs_own_words_get_the_signature_above_the_footer() -> None:
    mail = mail_of(command(plain(html="<p>Done</p>")), account(footer="Foot"), signature="Ben")
    assert body(mail, "plain") == "It is done.\n\nBen\n\n-- \nFoot"
    assert body(mail, "html").index("Ben") < body(mail, "html").index("Foot")


def test_files_are_attached_as_they_are() -> None:
    files = (file(PNG), file(b"", filename="leer.txt", media_type="text/plain"))
    mail = mail_of(command(plain()), files=files)
    assert shape(mail) == ("mixed", ["text/plain", "application/pdf", "text/plain"])
    attached = list(mail.iter_attachments())
    assert [part.get_filename() for part in attached] == ["bill.pdf", "leer.txt"]
    assert attached[0].get_payload(decode=True) == PNG
    assert attached[0].get_content_disposition() == "attachment"


def test_images_stand_beside_the_page_that_shows_them() -> None:
    page = '<p>cid:logo</p><img alt="" src="cid:Logo"><p style="background:url(cid:logo)">x</p>'
    image = file(PNG, filename="logo.png", media_type="image/png", content_id="logo")
    mail = mail_of(command(plain(html=page)), files=(image, file()))
    assert shape(mail) == (
        "mixed",
        [("alternative", ["text/plain", ("related", ["text/html", "image/png"])]), "application/pdf"],
    )
    (shown,) = (part for part in mail.walk() if part.get_content_type() == "image/png")
    content_id = shown["Content-ID"].strip("<>")
    assert content_id.startswith("logo.")
    assert content_id.endswith("@example.com")
    assert shown.get_content_disposition() == "inline"
    assert body(mail, "html").count(f"cid:{content_id}") == 2
    assert "<p>cid:logo</p>" in body(mail, "html")


def test_an_image_without_a_page_and_a_page_without_its_image_are_refused() -> None:
    image = file(PNG, media_type="image/png", content_id="logo")
    assert "the mail has no HTML part" in str(refusal(command(plain()), files=(image,)))
    page = command(plain(html='<img src="cid:other">'))
    assert "no attachment has this content_id" in str(refusal(page, files=(image,)))


def test_line_ends_of_any_kind_but_a_bare_cr_are_crlf() -> None:
    made = template(text="{{ name }}", html="<p>{{ name }}</p>")
    content = TemplateMail(values={"name": "a\r\nb\nc", "number": 1})
    mail = mail_of(command(content), template=made.model_copy(update={"subject": "x"}))
    assert [mail.get_body((kind,)).get_content() for kind in ("plain", "html")] == [  # type: ignore[union-attr]
        "a\r\nb\r\nc",
        "<p>a\r\nb\r\nc</p>",
    ]
    bare = content.model_copy(update={"values": {"name": "a\rb"}})
    with pytest.raises(Permanent, match="bare CR"):
        compose(command(bare), account(), Material(made.model_copy(update={"subject": "x"})))


def test_automatic_mail_says_so_and_whether_it_is_an_answer() -> None:
    answer = TemplateMail(values={"name": "A", "number": 1}, in_reply_to="<question@example.net>")
    for send, said in ((order(), "auto-generated"), (command(answer), "auto-replied")):
        mail = mail_of(send, template=template())
        assert mail["Auto-Submitted"] == said
        assert mail["References"] == mail["In-Reply-To"] == (getattr(send.content, "in_reply_to", "") or None)
    assert mail_of(order(), template=template())["X-Auto-Response-Suppress"] is None
    bulk = mail_of(order(lane="bulk"), template=template())
    assert bulk["X-Auto-Response-Suppress"] == "DR, RN, NRN, OOF, AutoReply"


def test_mail_to_many_says_how_to_end_it() -> None:
    send = order(lane="bulk", unsubscribe="https://example.com/u?id=1")
    mail = mail_of(send, template=template(text="{{ unsubscribe }}", html=""))
    assert mail["List-Unsubscribe"] == (
        "<https://example.com/u?id=1>, <mailto:releases@example.com?subject=unsubscribe>"
    )
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Precedence"] == "bulk"
    assert body(mail, "plain").strip() == "https://example.com/u?id=1"


def test_without_a_url_no_click_is_promised() -> None:
    mail = mail_of(order(lane="bulk"), account(reply_to="a+b@example.com"), template=template())
    assert mail["List-Unsubscribe"] == "<mailto:a%2Bb@example.com?subject=unsubscribe>"
    assert "List-Unsubscribe-Post" not in mail


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://example.com/",
            "https://example.com/\r\nBcc: x",
            "https://exa mple.com/",
            "mailto:a@b.example",
        ),
        *("https://example.com/>", "https://u:p@example.com/", "https://ä.example/"),
    ],
)
def test_a_way_out_that_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"unsubscribe"):
        order(unsubscribe=url)


@pytest.mark.parametrize(
    "changes",
    [
        {"filename": "../../etc/passwd"},
        {"filename": "a\\b.pdf"},
        {"filename": "a\r\nb.pdf"},
        {"filename": ".profile "},
        {"media_type": "text/plain; charset=utf-8"},
        {"media_type": "multipart/mixed"},
        {"media_type": "text/plain\r\nX: y"},
        {"content_id": "logo>"},
        {"content_id": "logo"},
        {"dataref": "file:///etc/passwd"},
    ],
    ids=str,
)
def test_a_file_that_no_mail_should_carry_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"attachments|filename|media_type|content_id|dataref"):
        file(**changes)


# All of Unicode, lone surrogates and control characters included.
ANYTHING = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)


@given(name=ANYTHING, value=ANYTHING)
def test_whatever_a_header_is_to_say_it_says_that_or_the_mail_is_refused(name: str, value: str) -> None:
    fields: list[list[Field]] = [
        [Text("Subject", value)],
        [Mailbox("From", "a@example.com", name)],
        [Mailbox("To", value)],
        [WithParameter("Content-Disposition", "attachment", "filename", value)],
        [WithParameter("Content-Type", value, "name", name)],
    ]
    for each in fields:
        try:
            block = header_block(each)
        except Permanent:
            continue
        lines = block.decode().split("\r\n")
        assert lines[-1] == ""
        assert all(line.startswith(" ") for line in lines[1:-1])
        assert len(read_back(block)) == 1
        (found,) = email.message_from_bytes(block).keys()
        assert found == each[0].name


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=200).filter(
    lambda name: name.strip(" .") == name == name.strip() and not set("/\\") & set(name)
)


@given(filename=NAMES)
def test_any_name_of_a_file_is_read_as_it_was_meant(filename: str) -> None:
    mail = mail_of(command(plain()), files=(file(filename=filename),))
    content = compose(command(plain()), account(), Material(files=(file(filename=filename),))).content
    part = email.message_from_bytes(content).get_payload()[1]  # type: ignore[index]
    assert part.get_filename() == filename  # type: ignore[union-attr]
    assert content.isascii()
    assert shape(mail) == ("mixed", ["text/plain", "application/pdf"])
