"""Composed mails, read back by the standard library."""

from __future__ import annotations

import email
import email.policy
import email.utils
import re
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from html import unescape
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.account import Account
from postroom.errors import Permanent
from postroom.mail_tag import make_tag
from postroom.messages import HelpMail, MailContent, MailSend, PlainMail
from postroom.reply_token import TokenKey, TokenKeys
from postroom_sender.compose import compose, envelope_sender, message_id
from postroom_sender.header import Mailbox, Text, Verbatim, header_block
from tests.unit.sender.commands import TOKEN, account, approval, command, confirm_mail, help_mail, plain

REPLY_ADDRESS = f"releases+{TOKEN}@example.com"
LINES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=200)
BODIES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], include_characters="\n\t"))


def parsed(send: MailSend, of: Account | None = None) -> EmailMessage:
    content = compose(send, of or account()).content
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert not mail.defects
    return mail


def compat(send: MailSend, of: Account | None = None) -> Message:
    return email.message_from_bytes(compose(send, of or account()).content)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def test_the_same_command_gives_the_same_bytes() -> None:
    assert compose(command(), account()) == compose(command(), account())


def test_two_commands_give_different_message_ids() -> None:
    assert compose(command(), account()).message_id != compose(command(id="other"), account()).message_id


def test_an_approval_mail_has_the_headers_it_needs() -> None:
    mail = parsed(command(), account(from_name="Release gate"))
    assert {name: str(value) for name, value in mail.items()} == {
        "Date": "Sat, 22 Nov 2025 01:02:03 +0000",
        "From": "Release gate <releases@example.com>",
        "To": "boss@example.net",
        "Message-ID": message_id(command(), "releases@example.com"),
        "X-Postroom-Id": "deploy-42:ask:0",
        "Subject": f"Decision needed: Deploy 4.2 to production [{TOKEN}]",
        "Auto-Submitted": "auto-generated",
        "Reply-To": REPLY_ADDRESS,
        "X-Auto-Response-Suppress": "DR, RN, NRN, OOF, AutoReply",
        "MIME-Version": "1.0",
        "Content-Type": mail["Content-Type"],
    }
    assert mail.get_content_type() == "multipart/alternative"
    assert [each.get_content_type() for each in mail.iter_parts()] == ["text/plain", "text/html"]


def test_the_message_id_carries_the_reply_token() -> None:
    assert re.fullmatch(rf"<{TOKEN}\.[0-9a-f]{{12}}@example\.com>", compose(command(), account()).message_id)


def test_an_approval_mail_says_what_by_whom_until_when_and_how() -> None:
    text = part(parsed(command()), "plain")
    for line in (
        "Decision needed: Deploy 4.2 to production",
        "Asked by: Release bot",
        "Until: Sunday, 23 November 2025, 01:02 UTC",
        "Request: deploy-42",
        ">   - faster search",
        '    The word "approve"',
        '    The word "reject"',
    ):
        assert line in text.split("\n")


def test_a_request_without_requester_and_deadline_leaves_their_lines_out() -> None:
    text = part(parsed(command(approval(requester="", deadline=None))), "plain")
    assert "Asked by" not in text
    assert "Until" not in text


def test_each_choice_has_a_link_that_prepares_the_reply() -> None:
    mail = parsed(command())
    prepared = f"mailto:{REPLY_ADDRESS}?subject=Approve: Deploy 4.2 to production [{TOKEN}]&body=approve"
    links = re.findall(r"mailto:\S+", part(mail, "plain"))
    hrefs = re.findall(r'href="([^"]+)"', part(mail, "html"))
    assert unquote(links[0]) == prepared
    assert [href.replace("&amp;", "&") for href in hrefs] == links
    assert all(href.count("&") == href.count("&amp;") == 1 for href in hrefs)
    assert "+" not in links[0]
    assert "%0A" not in links[0]


def test_a_help_mail_answers_the_unclear_reply() -> None:
    mail = parsed(command(help_mail()))
    assert mail["In-Reply-To"] == mail["References"] == "<question@phone.example.net>"
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["Subject"] == f"Re: Decision needed: Deploy 4.2 to production [{TOKEN}]"
    assert "> Well, perhaps, if Anna agrees" in part(mail, "plain").split("\n")


@pytest.mark.parametrize("content", [approval(), help_mail(), confirm_mail()], ids=lambda each: each.kind)
def test_each_letter_carries_the_token_in_every_carrier(content: MailContent) -> None:
    mail = parsed(command(content))
    assert f"+{TOKEN}@" in mail["Reply-To"]
    assert mail["Message-ID"].startswith(f"<{TOKEN}.")
    assert mail["Subject"].endswith(f" [{TOKEN}]")
    assert f"Reference: {TOKEN}" in part(mail, "plain").split("\n")
    assert f"Reference: {TOKEN}" in part(mail, "html")


@pytest.mark.parametrize("content", [approval(), help_mail(), confirm_mail()], ids=lambda each: each.kind)
def test_without_plus_addressing_the_reply_address_stays_as_it_is(content: MailContent) -> None:
    mail = parsed(command(content), account(plus_addressing=False))
    assert mail["Reply-To"] == "releases@example.com"
    (link, *_) = re.findall(r"mailto:\S+", part(mail, "plain"))
    assert unquote(link).startswith("mailto:releases@example.com?subject=Approve: ")
    assert f"[{TOKEN}]&body=" in unquote(link)
    assert mail["Message-ID"].startswith(f"<{TOKEN}.")


def test_the_question_for_a_confirmation_offers_the_word_that_was_read_and_no_other() -> None:
    mail = parsed(command(confirm_mail()))
    text = part(mail, "plain")
    assert mail["Subject"].startswith("Please confirm: Deploy 4.2")
    assert "References" not in mail
    assert "A reply came in that gives boss@example.net as its sender." in text.split("\n")
    assert "> Reject nothing." in text.split("\n")
    assert '    The word "approve"' in text.split("\n")
    assert 'The word "reject"' not in text


@pytest.mark.parametrize(
    "stranger",
    ["", "no id", "<a b@c>", "<a@b> <c@d>", "<ä@b.example>", "<a@b\t>", "<=?utf-8?q?a=0D=0AX:?=@b.example>"],
)
def test_a_malformed_id_of_a_stranger_is_left_out(stranger: str) -> None:
    content = HelpMail.model_construct(**{**vars(help_mail()), "in_reply_to": stranger})
    mail = parsed(command().model_copy(update={"content": content}))
    assert "In-Reply-To" not in mail
    assert "References" not in mail


def test_a_plain_mail_is_its_text() -> None:
    mail = parsed(command(plain()), account(reply_to="answers@example.com"))
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content() == "It is done.\r\n"
    assert mail["Reply-To"] == "answers@example.com"
    assert "X-Auto-Response-Suppress" not in mail


def test_a_plain_mail_may_bring_its_own_html() -> None:
    mail = parsed(command(plain(html="<p>It is <b>done</b>.</p>\n")))
    assert part(mail, "plain") == "It is done."
    assert part(mail, "html") == "<p>It is <b>done</b>.</p>"


def test_values_are_escaped_in_html() -> None:
    bad = '<script>alert("1")</script>'
    html = part(parsed(command(approval(subject=bad, requester=bad, body=bad))), "html")
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 4  # title, heading, requester, body
    asked = part(parsed(command(confirm_mail(subject=bad, sender=bad, comment=bad))), "html")
    assert "<script" not in asked
    assert asked.count("&lt;script&gt;") == 4  # title, heading, sender, comment


def test_an_address_beyond_ascii_makes_the_mail_international() -> None:
    assert not compose(command(), account()).international
    mail = compose(command(recipient="jürgen@example.net"), account())
    assert mail.international
    assert "To: jürgen@example.net\r\n".encode() in mail.content


def test_html_has_no_text_that_cannot_be_seen() -> None:
    html = part(parsed(command()), "html").split("</head>")[1].lower()
    for hidden in ("display:none", "white;", "#fff;", "#ffffff", "opacity", "font-size:1px", "font-size:0"):
        assert hidden not in html


@pytest.mark.parametrize("content", [approval(), help_mail(), confirm_mail()], ids=lambda each: each.kind)
def test_a_letter_fits_a_phone(content: MailContent) -> None:
    html = part(parsed(command(content)), "html")
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert not re.search(r"(?<!max-)width:\s*[4-9]\d\d+px|<table|nowrap", html)
    assert all(int(size) >= 13 for size in re.findall(r"font-size:(\d+)px", html))
    buttons = re.findall(r'<a href="mailto:[^"]+" style="([^"]+)">Answer “\w+”</a>', unescape(html))
    assert (
        len(buttons)
        == html.count("<a ")
        == len(getattr(content, "choices", ())) - (content.kind == "confirm")
    )
    # A finger needs 44 px.
    assert all("display:block" in style and "padding:14px" in style for style in buttons)


@pytest.mark.parametrize(
    "inside", ["\r\nBcc: x@example.com", "\n", "\r", "\0", "\x7f", "\x85", "\u2028", "\ud800"]
)
@pytest.mark.parametrize("where", ["subject", "recipient", "id"])
def test_what_could_end_a_header_line_is_refused(inside: str, where: str) -> None:
    changed: MailSend
    if where == "subject":
        content = PlainMail.model_construct(**{**vars(plain()), "subject": f"a{inside}b"})
        changed = command().model_copy(update={"content": content})
    else:
        changed = command().model_copy(update={where: f"a{inside}b@example.com"})
    with pytest.raises(Permanent):
        compose(changed, account())


def test_a_name_that_could_end_a_header_line_is_refused() -> None:
    with pytest.raises(Permanent):
        compose(command(), account().model_copy(update={"from_name": "a\r\nBcc: x@example.com"}))


@pytest.mark.parametrize("text", ["a\rb", "a\0b", "a\ud800b"])
def test_a_text_that_no_mail_can_carry_is_refused(text: str) -> None:
    content = PlainMail.model_construct(**{**vars(plain()), "text": text})
    with pytest.raises(Permanent):
        compose(command().model_copy(update={"content": content}), account())


@pytest.mark.parametrize(
    "address",
    ["a@example.com, b@example.com", "a@b@example.com", "Name <a@example.com>", "a", "(x) a@example.com"],
)
def test_what_is_not_exactly_one_address_is_refused(address: str) -> None:
    with pytest.raises(Permanent):
        header_block([Mailbox("To", address)])


def test_a_header_without_value_is_refused() -> None:
    with pytest.raises(Permanent):
        header_block([Verbatim("X-Postroom-Id", " ")])


def test_a_header_name_with_a_colon_is_refused() -> None:
    with pytest.raises(Permanent):
        header_block([Text("Subject: x\r\nBcc", "y")])


@given(subject=LINES)
def test_any_subject_is_read_as_it_was_meant(subject: str) -> None:
    send = command(plain(subject=subject))
    raw = compat(send)["Subject"]
    assert str(make_header(decode_header(raw))) == subject if "=?" in raw else unfolded(raw) == subject
    _has_only_meant_headers(send)


def unfolded(raw: str) -> str:
    return re.sub(r"\r?\n(?=[ \t])", "", raw)


@given(name=st.one_of(st.just(""), LINES))
def test_any_name_is_read_as_it_was_meant(name: str) -> None:
    of = account(from_name=name)
    shown, address = email.utils.parseaddr(unfolded(compat(command(), of)["From"]))
    assert address == "releases@example.com"
    assert str(make_header(decode_header(shown))) == name if "=?" in shown else shown == name


@given(body=BODIES, requester=st.one_of(st.just(""), LINES), subject=LINES)
def test_any_request_makes_a_whole_mail_of_short_lines(body: str, requester: str, subject: str) -> None:
    send = command(approval(body=body, requester=requester, subject=subject))
    content = compose(send, account()).content
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert content.isascii()
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert b"\n" not in content.replace(b"\r\n", b"")
    mail = parsed(send)
    assert [each.get_content_type() for each in mail.iter_parts()] == ["text/plain", "text/html"]
    _has_only_meant_headers(send)


@given(text=BODIES, html=BODIES)
def test_any_text_arrives_as_it_was_written(text: str, html: str) -> None:
    mail = compat(command(plain(text=text, html=html)))
    parts = mail.get_payload()
    assert isinstance(parts, list)
    arrived = [part.get_payload(decode=True) for part in parts if isinstance(part, Message)]
    expected = [f"{each.removesuffix(chr(10))}\n".replace("\n", "\r\n").encode() for each in (text, html)]
    # The CRLF before a boundary belongs to the boundary (RFC 2046 section 5.1.1).
    assert arrived == [each.removesuffix(b"\r\n") for each in expected]


def test_a_body_that_holds_the_boundary_does_not_end_its_part() -> None:
    boundary = parsed(command(plain(html="x"))).get_boundary()
    text = f"--{boundary}--\n--{boundary}\n"
    mail = parsed(command(plain(text=text, html="x")))
    assert mail.get_boundary() == boundary
    assert [each.get_content_type() for each in mail.iter_parts()] == ["text/plain", "text/html"]
    assert part(mail, "plain") == text.removesuffix("\n")


def test_a_line_that_is_too_long_for_a_server_travels_in_pieces() -> None:
    text = "x" * 5000 + "\n"
    content = compose(command(plain(text=text)), account()).content
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))  # RFC 5321 section 4.5.3.1.6
    assert parsed(command(plain(text=text))).get_content() == text.replace("\n", "\r\n")


def _has_only_meant_headers(send: MailSend) -> None:
    known = {
        *("Date", "From", "To", "Message-ID", "X-Postroom-Id", "Subject", "Auto-Submitted", "Reply-To"),
        *("X-Auto-Response-Suppress", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    }
    names = compat(send).keys()
    assert set(names) <= known
    assert len(names) == len(set(names))


FOOTER = "ACME Ltd. <legal@example.com>\n  Court of Ulm & others\n"


def test_the_footer_is_under_a_programs_text_behind_the_delimiter_of_a_signature() -> None:
    mail = parsed(command(plain(text="It is done.\n\n")), account(footer=FOOTER))
    lines = ["It is done.", "", "-- ", "ACME Ltd. <legal@example.com>", "  Court of Ulm & others"]
    assert mail.get_content().splitlines() == lines


@pytest.mark.parametrize("html", ["<html><body><p>Done</p></BODY></html>", "<p>Done</p>"])
def test_the_footer_is_at_the_end_of_a_programs_page_and_escaped(html: str) -> None:
    mail = parsed(command(plain(html=html)), account(footer=FOOTER))
    page = part(mail, "html")
    assert page.index("<p>Done</p>") < page.index("ACME Ltd. &lt;legal@example.com&gt;<br>")
    assert "Ulm &amp; others" in page
    assert page.lower().count("</body>") == html.lower().count("</body>")
    assert not html.endswith("</html>") or page.rstrip().endswith("</html>")


@pytest.mark.parametrize("content", [approval(), help_mail()])
def test_the_footer_is_under_both_parts_of_a_letter(content: MailContent) -> None:
    mail = parsed(command(content), account(footer=FOOTER))
    lines = part(mail, "plain").splitlines()
    assert lines[-3:] == ["", "| ACME Ltd. <legal@example.com>", "|   Court of Ulm & others"]
    assert "ACME Ltd. &lt;legal@example.com&gt;<br>" in part(mail, "html")


def test_who_is_in_cc_stands_in_one_header_and_in_the_envelope() -> None:
    people = tuple(f"person-{number}@example.net" for number in range(12))
    mail = compose(command(plain(), cc=people), account())
    read = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert [each.addr_spec for each in read["Cc"].addresses] == list(people)
    assert mail.recipients == ("boss@example.net", *people)


@pytest.mark.parametrize(
    ("changes", "is_tagged"),
    [
        ({}, True),
        ({"verp": False}, False),
        ({"plus_addressing": False}, False),
        ({"imap": None}, False),
        ({"plus_addressing": False, "verp": True}, True),
        ({"address": f"{'a' * 30}@example.com"}, False),
    ],
)
def test_mail_comes_back_to_an_address_with_a_tag_where_the_mailbox_gets_it(
    changes: dict[str, Any], is_tagged: bool
) -> None:
    server = {"host": "mail.example.com", "user": "u", "password": "env:P"}
    given = {"name": "news", "address": "news@example.com", "smtp": server, "imap": server, **changes}
    found = Account.model_validate({name: value for name, value in given.items() if value is not None})
    tag = make_tag("bounce", "build-1", TokenKeys((TokenKey(1, b"k" * 32),)))
    expected = f"news+{tag}@example.com" if is_tagged else found.address
    assert envelope_sender(found, tag) == expected
    assert envelope_sender(found, "") == found.address
