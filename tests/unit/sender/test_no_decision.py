"""No line of our mails reads as a decision, neither by itself nor in a reply that quotes it.

The processor's own reading is the judge.
"""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.messages import MailSend, TemplateMail
from postroom.reply_token import find_tokens
from postroom.templates.template import Template
from postroom_processor.follow_up import late_mail
from postroom_processor.html_text import read_html
from postroom_processor.mail import read_mail
from postroom_processor.reply_text import cut_plain_text, own_text
from postroom_processor.requests import delegation_notice
from postroom_processor.verdict import Decided, read_verdict
from postroom_sender.compose import compose
from postroom_sender.material import Material
from tests.unit.sender.commands import WRITTEN_AT, account, approval, command, confirm_mail, help_mail

CHOICES = [
    ("approve", "reject"),
    ("yes", "no"),
    ("A", "B"),
    ("for", "against"),
    ("The", "Decision", "To", "Put", "Nothing", "These", "Link", "Written", "Request", "Until"),
    ("Answer", "Please", "Your", "This", "Asked", "word", "Tap", "Reply"),
    ("genehmigt", "abgelehnt"),
    ("承認", "却下"),
]
TRAPS = [
    "approve",
    "Approved.",
    "yes",
    "ok",
    "> approve",
    "| approve",
    "-- \napprove",
    "On Monday you wrote:\napprove",
    "approve\n\nreject",
    "line\napprove\n> line",
    "From: boss@example.net\nSent: today\nTo: x\n\napprove",
    "approve " * 40,
    "yes " + "!" * 80,
    "Approved. " + "very " * 20,
]


def sends(choices: tuple[str, ...], trap: str) -> list[MailSend]:
    line = " ".join(trap.split())
    return [
        command(approval(choices=choices, subject=line, body=trap, requester=line)),
        command(help_mail(choices=choices, subject=line, understood=trap)),
        command(confirm_mail(choice=choices[0], choices=choices, subject=line, comment=trap, sender=line)),
    ]


def parts(send: MailSend, footer: str = "") -> tuple[str, str]:
    content = compose(send, account(footer=footer)).content
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    texts = [each.get_content().replace("\r\n", "\n") for each in mail.iter_parts()]
    return texts[0], texts[1]


def decides(text: str, choices: tuple[str, ...]) -> bool:
    return isinstance(read_verdict(cut_plain_text(text), choices), Decided)


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("choices", CHOICES)
def test_no_line_of_a_mail_reads_as_a_decision(choices: tuple[str, ...], trap: str) -> None:
    for send in sends(choices, trap):
        text, html = parts(send, trap)
        shown = [line.text for line in read_html(html).lines if line.kind != "quote"]
        for line in [*text.split("\n"), *shown]:
            assert not decides(line, choices), line


# Without the words that our own sentences begin with: a notice offers no choices, so it does not know them.
LIKELY_CHOICES = [each for each in CHOICES if len(each) == 2]


def notices(trap: str) -> list[MailSend]:
    """What approvers are told that asks for nothing: that they were late, that somebody decides for them."""
    line = " ".join(trap.split())
    stranger = SimpleNamespace(address="ben@example.com")
    content = SimpleNamespace(subject=line, approval_id="deploy-42", account="releases")
    asked = SimpleNamespace(seat=stranger, position=1)
    record = SimpleNamespace(
        claim=content, subject=line, account="releases", correlation_id="deploy-42", traceparent=None
    )
    late = SimpleNamespace(
        outcome=SimpleNamespace(reason=line),
        examined=SimpleNamespace(mail=SimpleNamespace(message_id="<a@b.example>")),
        envelope=SimpleNamespace(id="1", correlation_id="deploy-42", traceparent=None),
    )
    return [
        delegation_notice(cast(Any, content), "boss@example.net", cast(Any, asked), line, WRITTEN_AT),
        late_mail(cast(Any, late), cast(Any, record), "boss@example.net", WRITTEN_AT).message,
    ]


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("choices", LIKELY_CHOICES)
def test_no_line_of_a_notice_reads_as_a_decision(choices: tuple[str, ...], trap: str) -> None:
    for send in notices(trap):
        mail = compose(send, account())
        for line in (mail.subject, *mail.text.split("\n")):
            assert not decides(line, choices), line
        assert not decides(mail.text, choices)


@pytest.mark.parametrize("choices", CHOICES)
def test_a_mail_from_a_template_bears_nothing_that_a_decision_needs(choices: tuple[str, ...]) -> None:
    """Whatever its words are: without a reply token a reply to it decides nothing."""
    template = Template(name="x", subject="{{ word }}", text="{{ word }}\n{{ signature }}", html="{{ word }}")
    send = command(TemplateMail(values={"word": choices[0]}), lane="bulk")
    mail = compose(send, account(footer=choices[0]), Material(template, signature=choices[0]))
    assert not find_tokens([mail.content.decode()])


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("choices", CHOICES)
def test_no_mail_reads_as_a_decision(choices: tuple[str, ...], trap: str) -> None:
    for send in sends(choices, trap):
        own = own_text(read_mail(compose(send, account(footer=trap)).content))
        assert not isinstance(read_verdict(own, choices), Decided)


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("choices", CHOICES)
def test_no_reply_that_only_quotes_a_mail_reads_as_a_decision(choices: tuple[str, ...], trap: str) -> None:
    for send in sends(choices, trap):
        text, _ = parts(send, trap)
        marked = "".join(f"> {line}\n" for line in text.split("\n"))
        for reply in (
            text,
            marked,
            f"On Sat, 22 Nov 2025 at 02:02, Releases <releases@example.com> wrote:\n\n{marked}",
            f"-----Original Message-----\nFrom: Releases\nSent: today\nTo: Boss\nSubject: x\n\n{text}",
            f"\n\n-- \nBoss\n\n{text}",
        ):
            assert not decides(reply, choices), reply


@given(
    body=st.text(
        st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], include_characters="\n\t"), max_size=200
    ),
    prefix=st.sampled_from(["approve", "yes\n", "ok ", "\n\nreject", "| ", "* ", '"']),
)
def test_no_line_reads_as_a_decision_whatever_the_request_says(body: str, prefix: str) -> None:
    text, _ = parts(command(approval(body=prefix + body)), prefix + body)
    for line in text.split("\n"):
        assert not decides(line, ("approve", "reject")), line


@pytest.mark.parametrize("footer", ["", *TRAPS])
def test_a_reply_above_the_quoted_mail_decides(footer: str) -> None:
    text, _ = parts(command(), footer)
    marked = "".join(f"> {line}\n" for line in text.split("\n"))
    reply = f"approve\n\nOn Sat, 22 Nov 2025 at 02:02, Releases <releases@example.com> wrote:\n\n{marked}"
    assert read_verdict(cut_plain_text(reply)) == Decided("approve", "")
