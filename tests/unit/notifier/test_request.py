"""An event as a signed HTTP request."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from postroom.envelope import Envelope, encode, envelop
from postroom.messages import ApprovalDecided, ApprovalVote, MailAccepted, Message
from postroom_notifier.request import Posted, request
from postroom_notifier.signature import headers, key_of

NOW = datetime.fromtimestamp(1_614_265_330, UTC)
MAIL = MailAccepted(
    account="ops",
    mail_id="m",
    sha256="0" * 64,
    sender="anna@x.example",
    reason="fine",
    subject="S",
    text="secret words",
)
VOTE = ApprovalVote(
    approver="b@x.example", choice="approve", comment="secret words", mail_id="m", voted_at=NOW
)
DECIDED = ApprovalDecided(
    account="ops",
    approval_id="r-1",
    decision="approve",
    approver="b@x.example",
    comment="secret words",
    mail_id="m",
    sha256="0" * 64,
    decided_at=NOW,
    votes=(VOTE,),
)


def posted(message: Message, *, confidential: bool = False, own_id: str = "id-1") -> Posted:
    envelope: Envelope[Message] = envelop(message, source="/test", now=NOW, message_id=own_id)
    return request(envelope, encode(envelope), confidential=confidential)


def test_a_signature_is_that_of_the_standard_s_example() -> None:
    # Standard Webhooks, "Signature scheme": the vector of its libraries.
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', [key], NOW)
    assert signed["webhook-timestamp"] == "1614265330"
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_during_rotation_there_is_a_signature_for_each_secret() -> None:
    old, new = b"o" * 24, b"n" * 24
    both = headers("id", b"{}", [new, old], NOW)["webhook-signature"].split(" ")
    each = [headers("id", b"{}", [key], NOW)["webhook-signature"] for key in (new, old)]
    assert both == each


@pytest.mark.parametrize("secret", ["short", "whsec_" + base64.b64encode(b"x" * 23).decode(), "whsec_%%%"])
def test_a_secret_that_is_too_short_or_malformed_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(ValueError, match=r"24 at least|not base64") as refused:
        key_of(secret)
    assert secret not in str(refused.value)


def test_a_secret_of_other_form_is_its_bytes() -> None:
    assert key_of("correct horse battery staple") == b"correct horse battery staple"


def test_the_event_is_the_body_and_its_attributes_are_headers() -> None:
    sent = posted(MAIL)
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["ce-type"] == "postroom.mail.accepted.v1"
    assert sent.headers["ce-specversion"] == "1.0"
    assert sent.headers["ce-correlationid"] == "id-1"
    assert json.loads(sent.body)["text"] == "secret words"


def test_an_attribute_that_a_header_cannot_carry_is_percent_encoded() -> None:
    sent = posted(MAIL, own_id='a b"ü%\U0001f600')
    assert sent.id == sent.headers["ce-id"] == "a%20b%22%C3%BC%25%F0%9F%98%80"


@pytest.mark.parametrize("message", [MAIL, DECIDED], ids=["mail", "decision"])
def test_what_people_wrote_to_a_confidential_account_never_leaves(message: Message) -> None:
    sent = posted(message, confidential=True)
    assert b"secret words" not in sent.body
    kept = json.loads(sent.body)
    assert kept["account"] == "ops"
    assert b"secret words" in posted(message).body
