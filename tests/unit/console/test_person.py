"""The demo's people write replies as a mail program does."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage

from postroom_console.person import Person, parse, readable

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
ANNA = Person("Anna Berg", "anna@example.com")


def asked() -> bytes:
    mail = EmailMessage()
    mail["From"] = "Release Desk <approvals@example.com>"
    mail["To"] = "anna@example.com"
    mail["Reply-To"] = "approvals+prabc@example.com"
    mail["Subject"] = "Grüße: release?"
    mail["Message-ID"] = "<1@example.com>"
    mail.set_content("Please decide.\n\nLine two\n")
    mail.add_alternative("<p>Please decide.</p>", subtype="html")
    return mail.as_bytes()


def test_a_reply_goes_to_reply_to_and_stays_in_the_thread() -> None:
    reply = parse(ANNA.reply(asked(), "Approved", NOW).as_bytes())
    assert reply["From"] == "Anna Berg <anna@example.com>"
    assert reply["To"] == "approvals+prabc@example.com"
    assert reply["Subject"] == "Re: Grüße: release?"
    assert reply["In-Reply-To"] == reply["References"] == "<1@example.com>"


def test_a_reply_has_the_text_on_top_and_the_mail_quoted_below() -> None:
    text = readable(ANNA.reply(asked(), "Approved\n\nAt ten.", NOW).as_bytes())
    assert text.startswith("Approved\n\nAt ten.\n\nOn Mon, 02 Mar 2026 at 10:00, Release Desk")
    assert text.endswith("> Please decide.\n>\n> Line two")


def test_a_reply_to_a_reply_adds_to_the_thread() -> None:
    first = ANNA.reply(asked(), "Approved", NOW)
    second = parse(Person("Ben", "ben@example.com").reply(first.as_bytes(), "No", NOW).as_bytes())
    assert second["Subject"] == "Re: Grüße: release?"
    assert str(second["References"]).split() == ["<1@example.com>", str(first["Message-ID"]).strip()]


def test_the_html_part_quotes_as_gmail_does_and_escapes() -> None:
    reply = parse(ANNA.reply(asked(), "a < b", NOW).as_bytes())
    part = reply.get_body(("html",))
    assert part is not None
    assert 'class="gmail_quote' in part.get_content()
    assert "a &lt; b" in part.get_content()
