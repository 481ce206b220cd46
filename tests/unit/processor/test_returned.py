"""What bounces and complaints mean, as servers write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from postroom.mail_tag import make_tag
from postroom.messages import MailReceived
from postroom.reply_token import TokenKey, TokenKeys
from postroom_processor.automatic import automatic_kind
from postroom_processor.examine import Examined
from postroom_processor.mail import read_mail
from postroom_processor.returned import Returned, read_returned
from tests.unit.processor.bounces import BOUNCES

KEYS = TokenKeys((TokenKey(1, b"k" * 32),))
TAG = make_tag("bounce", "build-1", KEYS)


def report(status: str, diagnostic: str = "", action: str = "failed", *, to: str = "ops@corp.example") -> str:
    """A report as RFC 3464 has it."""
    said = f"Diagnostic-Code: smtp; {diagnostic}\n" if diagnostic else ""
    return f"""\
From: MAILER-DAEMON@mx.example
To: {to}
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; anna@corp.example
Action: {action}
Status: {status}
{said}
--b
Content-Type: text/rfc822-headers

Subject: Status: 5.1.1 of the build
X-Postroom-Tag: {TAG}

--b--
"""


def complaint(kind: str) -> str:
    """A report as RFC 5965 has it."""
    return f"""\
From: feedback@provider.example
To: ops@corp.example
Subject: complaint
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: x/1
Version: 1

--b
Content-Type: message/rfc822

X-Postroom-Tag: {TAG}
Subject: news

--b--
"""


def returned(text: str) -> Returned | None:
    """What is read of a mail with this text."""
    raw = text.replace("\n", "\r\n").encode()
    mail = read_mail(raw)
    received = MailReceived(
        account="ops",
        folder="INBOX",
        uidvalidity=1,
        uid=1,
        size_bytes=len(raw),
        sha256="0" * 64,
        arrived_at=datetime(2026, 1, 1, tzinfo=UTC),
        lane="inbox",
        content=raw,
    )
    return read_returned(Examined(received, mail, None, automatic=automatic_kind(mail)))


@pytest.mark.parametrize(
    ("status", "diagnostic", "meaning"),
    [
        ("5.1.1", "550 5.1.1 User unknown", "hard"),
        ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound", "hard"),
        ("5.2.1", "550 5.2.1 The account is inactive", "hard"),
        ("5.4.4", "", "hard"),
        ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied", "hard"),
        ("5.0.0", "550 No such user here", "hard"),
        ("5.0.0", "550 5.1.1 <anna@corp.example>: rejected", "hard"),
        ("5.0.0", "550 rejected", "soft"),
        ("5.2.2", "552 5.2.2 mailbox full, user not found in quota", "soft"),
        ("5.7.1", "550 5.7.1 blocked, your address does not exist on our list", "soft"),
        ("5.1.7", "550 5.1.7 Invalid sender", "soft"),
        ("5.1.8", "550 5.1.8 Bad sender's system address", "soft"),
        ("5.4.7", "", "soft"),
        ("4.4.7", "451 4.4.7 user unknown to us today", "soft"),
    ],
)
def test_a_status_is_hard_on_proof_only(status: str, diagnostic: str, meaning: str) -> None:
    found = returned(report(status, diagnostic))
    assert found is not None
    assert (found.meaning, [tag.text for tag in found.tags]) == (meaning, [TAG])


@pytest.mark.parametrize("action", ["delayed", "relayed", "delivered", "expanded"])
def test_what_another_server_has_is_no_bounce(action: str) -> None:
    found = returned(report("5.1.1" if action == "expanded" else "4.4.1", action=action))
    assert found is not None
    assert found.meaning == "arrived"


def test_the_code_and_words_of_the_other_server_are_kept() -> None:
    found = returned(report("5.0.0", "550 5.1.1 <anna@corp.example>:\n    gone"))
    assert found is not None
    assert (found.status, found.code, found.detail) == ("5.1.1", 550, "550 5.1.1 <anna@corp.example>: gone")
    assert found.failed == ("anna@corp.example",)


def test_the_tag_is_found_in_the_address_it_came_back_to_as_well() -> None:
    other = make_tag("bounce", "build-2", KEYS)
    found = returned(report("5.1.1", to=f"ops+{other.upper()}@corp.example"))
    assert found is not None
    assert [tag.text for tag in found.tags] == [other, TAG]


@pytest.mark.parametrize(
    ("kind", "meaning"), [("abuse", "complaint"), ("opt-out", "unsubscribe"), ("virus", "nothing")]
)
def test_a_complaint_is_known_by_its_kind(kind: str, meaning: str) -> None:
    found = returned(complaint(kind))
    assert found is not None
    assert (found.meaning, [tag.text for tag in found.tags]) == (meaning, [TAG])


def test_whoever_writes_to_unsubscribe_is_known_by_the_tag_in_the_subject() -> None:
    tag = make_tag("unsubscribe", "build-1", KEYS)
    found = returned(f"From: anna@corp.example\nTo: ops@corp.example\nSubject: unsubscribe {tag}\n\n\n")
    assert found is not None
    assert found.meaning == "unsubscribe"
    assert returned("From: anna@corp.example\nTo: ops@corp.example\nSubject: unsubscribe\n\n\n") is None
    # The other kind of tag is in every mail and asks for nothing.
    assert returned(f"From: a@corp.example\nTo: ops@corp.example\nSubject: Re: {TAG}\n\n\n") is None


def test_a_tag_for_unsubscribing_proves_no_bounce() -> None:
    found = returned(report("5.1.1", to=f"ops+{make_tag('unsubscribe', 'build-2', KEYS)}@corp.example"))
    assert found is not None
    assert [tag.text for tag in found.tags] == [TAG]


# Without a report of its own: flufl.bounce knows whom these are about.
WARNING = """\
From: Postmaster <postmaster@mx.example>
To: ops@corp.example
Subject: Delivery status

Delivery to the following recipient has been delayed:

    anna@corp.example

Message will be retried for 2 more days
"""
REFUSED = """\
From: Postmaster <postmaster@mx.example>
To: ops@corp.example
Subject: failure notice

The following addresses had permanent delivery errors:
<anna@corp.example>
{why}

Received: from here
Subject: user unknown
"""


def test_what_no_report_says_flufl_bounce_reads() -> None:
    found = returned(WARNING)
    assert found is not None
    assert (found.meaning, found.failed) == ("arrived", ("anna@corp.example",))


def test_a_person_who_quotes_what_flufl_bounce_reads_is_a_person() -> None:
    quoted = WARNING.replace("Postmaster <postmaster@", "Anna <anna@").replace("Delivery status", "Look")
    assert returned(quoted) is None


@pytest.mark.parametrize(("why", "meaning"), [("mailbox full", "soft"), ("user unknown", "hard")])
def test_the_words_of_the_mail_that_came_back_are_not_the_servers(why: str, meaning: str) -> None:
    text = REFUSED.replace("{why}", why).replace("From: Postmaster <postmaster@", "From: <MAILER-DAEMON@")
    found = returned(text)
    assert found is not None
    assert found.meaning == meaning


@pytest.mark.parametrize("name", BOUNCES)
def test_bounces_without_a_status_of_their_own_name_no_mail_of_ours(name: str) -> None:
    found = returned(BOUNCES[name])
    assert found is not None
    assert found.tags == ()
    assert found.meaning in ("hard", "soft", "arrived")
