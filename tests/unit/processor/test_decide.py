"""What becomes of a mail: each rule, and the order of the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom.account import Account
from postroom.messages import MailReceived
from postroom.own_mail import content_sha256
from postroom.reply_token import TokenClaim, TokenKey, TokenKeys, make_token, token_ref
from postroom_processor.decide import Facts, Outcome, TokenRecord, decide
from postroom_processor.examine import examine
from postroom_processor.lifecycle import Seat, Terms
from postroom_processor.limits import Window
from postroom_processor.read_limits import LINE_BYTES

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEYS = TokenKeys((TokenKey(1, b"k" * 32),))
OTHER_KEYS = TokenKeys((TokenKey(1, b"x" * 32),))
ACCOUNT = Account.model_validate(
    {
        "name": "release",
        "address": "release@corp.example",
        "deny": "spam.example\nbad@mixed.example",
        "imap": {"host": "imap.example", "user": "u", "password": "env:P"},
        "smtp": {"host": "smtp.example"},
    }
)
CLAIM = TokenClaim("r-1", "anna@corp.example", "c" * 64, NOW + timedelta(days=1))
OTHER_CLAIM = replace(CLAIM, approval_id="r-2")


def record(claim: TokenClaim = CLAIM, **changes: Any) -> TokenRecord:
    known = TokenRecord(
        claim=claim,
        position=0,
        account="release",
        subject="Release 4.2",
        choices=("approve", "reject"),
        state="pending",
        decision=None,
        decided_by=None,
        decided_at=None,
        correlation_id="c-1",
        traceparent=None,
    )
    return replace(known, **changes)


def facts(*records: TokenRecord, room: int = 10) -> Facts:
    window = Window(NOW, 300, 10, used=10 - room)
    return Facts(NOW, KEYS, {token_ref(each.claim): each for each in records}, window)


def mail(
    text: str,
    *,
    sender: str = "anna@corp.example",
    token: str | None = None,
    to: str | None = None,
    headers: Sequence[str] = (),
) -> bytes:
    recipient = to or (f"release+{token}@corp.example" if token else "release@corp.example")
    lines = [f"From: {sender}", f"To: {recipient}", "Subject: Re: Release 4.2", *headers, "", text]
    return "\r\n".join(lines).encode()


def received(content: bytes, **changes: Any) -> MailReceived:
    fields: dict[str, Any] = {
        "account": "release",
        "folder": "INBOX",
        "uidvalidity": 1,
        "uid": 1,
        "size_bytes": len(content),
        "sha256": "0" * 64,
        "arrived_at": NOW,
        "lane": "replies",
        "content": content,
    }
    return MailReceived(**{**fields, **changes})


def outcome_of(content: bytes, known: Facts, **changes: Any) -> Outcome:
    message = received(content, **changes)
    return decide(examine(message, content, ACCOUNT), known)[0]


TOKEN = make_token(CLAIM, KEYS)


def test_the_approver_decides_with_the_token_in_the_reply_address() -> None:
    outcome = outcome_of(mail("Approve\n\nGo.", token=TOKEN), facts(record()))
    assert (outcome.kind, outcome.reason) == ("decided", "approve")


def test_the_token_in_references_is_enough() -> None:
    content = mail("Reject, too early", headers=[f"References: <{TOKEN}.x@corp.example>"])
    assert outcome_of(content, facts(record())).reason == "reject"


def test_an_upper_cased_token_is_still_the_token() -> None:
    assert outcome_of(mail("Approve", token=TOKEN.upper()), facts(record())).kind == "decided"


NO_DECISION = [
    ("another sender", mail("Approve", token=TOKEN, sender="mallory@evil.example"), "held", "came from"),
    (
        "the approver's name with another address",
        mail("Approve", token=TOKEN, sender='"anna@corp.example" <mallory@evil.example>'),
        "held",
        "came from",
    ),
    (
        "two From fields",
        mail("Approve", token=TOKEN, headers=["From: mallory@evil.example"]),
        "held",
        "not exactly one sender",
    ),
    (
        "two senders in one field",
        mail("Approve", token=TOKEN, sender="anna@corp.example, mallory@evil.example"),
        "held",
        "not exactly one sender",
    ),
    ("a token signed by another key", mail("Approve", token=make_token(CLAIM, OTHER_KEYS)), "held", "made"),
    (
        "tokens of two requests",
        mail(
            "Approve", token=TOKEN, headers=[f"References: <{make_token(OTHER_CLAIM, KEYS)}.x@corp.example>"]
        ),
        "quarantined",
        "different requests",
    ),
    (
        "an auto-reply",
        mail("Approve", token=TOKEN, headers=["Auto-Submitted: auto-replied"]),
        "ignored",
        "auto",
    ),
    ("a mailing list", mail("Approve", token=TOKEN, headers=["List-Id: <x.example>"]), "ignored", "list"),
    ("a denied sender", mail("Approve", token=TOKEN, sender="x@sub.spam.example"), "denied", "spam.example"),
    ("a denied address", mail("Hello", sender="Bad@Mixed.example"), "denied", "bad@mixed.example"),
    ("a question", mail("approve?", token=TOKEN), "unclear", ""),
    ("a negation", mail("I do not approve", token=TOKEN), "unclear", ""),
    ("only quoted history", mail("> Approve", token=TOKEN), "unclear", ""),
    ("no token", mail("Approve"), "accepted", ""),
    ("a token nobody knows", mail("Approve", token=make_token(OTHER_CLAIM, KEYS)), "accepted", ""),
]


@pytest.mark.parametrize(
    ("content", "kind", "reason"), [row[1:] for row in NO_DECISION], ids=[row[0] for row in NO_DECISION]
)
def test_no_decision_comes_from(content: bytes, kind: str, reason: str) -> None:
    outcome = outcome_of(content, facts(record()))
    assert outcome.kind == kind
    assert reason in outcome.reason


STATES = [
    (
        record(state="decided", decided_by="ben@corp.example", decided_at=NOW),
        "already decided by ben@corp.example at",
    ),
    (record(state="cancelled"), "cancelled"),
    (record(state="expired"), "expired"),
    (record(claim=replace(CLAIM, expires_at=NOW - timedelta(seconds=1))), "deadline"),
]


@pytest.mark.parametrize(("known", "reason"), STATES, ids=["decided", "cancelled", "expired", "overdue"])
def test_a_late_reply_decides_nothing(known: TokenRecord, reason: str) -> None:
    outcome = outcome_of(mail("Approve", token=make_token(known.claim, KEYS)), facts(known))
    assert outcome.kind == "ignored"
    assert reason in outcome.reason


def test_a_reply_in_another_account_than_the_requests_is_held() -> None:
    outcome = outcome_of(mail("Approve", token=TOKEN), facts(record(account="other")))
    assert outcome.kind == "held"


def test_the_deadlines_second_is_the_last_that_counts() -> None:
    for seconds, kind in ((0, "decided"), (-1, "ignored")):
        claim = replace(CLAIM, expires_at=NOW + timedelta(seconds=seconds))
        content = mail("Approve", token=make_token(claim, KEYS))
        assert outcome_of(content, facts(record(claim))).kind == kind


@pytest.mark.parametrize(
    ("said", "kind"), [("Approve", "decided"), ("Reject", "unclear"), ("Reject\n\nToo early", "decided")]
)
def test_a_choice_that_needs_a_comment_does_not_count_without(said: str, kind: str) -> None:
    known = facts(record(terms=Terms(comment_required=("reject",))))
    assert outcome_of(mail(said, token=TOKEN), known).kind == kind


@pytest.mark.parametrize("content", [mail("Hello"), mail("x" * (LINE_BYTES + 1))])
def test_mail_about_no_request_need_not_be_whole(content: bytes) -> None:
    assert outcome_of(content, facts(record()), truncated=True).kind == "accepted"


def test_a_truncated_reply_is_held() -> None:
    outcome = outcome_of(mail("Approve", token=TOKEN), facts(record()), truncated=True)
    assert outcome.kind == "held"


def test_a_reply_that_reaches_a_limit_of_reading_is_held() -> None:
    content = mail("Approve\n" + "x" * (LINE_BYTES + 1), token=TOKEN)
    outcome = outcome_of(content, facts(record()))
    assert (outcome.kind, outcome.reason) == ("held", "it is not read: a line is too long")


def test_another_approvers_reply_of_the_same_batch_finds_the_request_as_it_stands() -> None:
    ben = replace(CLAIM, approver="ben@corp.example")
    content = mail("Approve", token=TOKEN)
    bens = mail("Reject", token=make_token(ben, KEYS), sender="ben@corp.example")
    seats = (Seat(CLAIM.approver), Seat(ben.approver))
    ends = {"any": "already decided by anna@corp.example", "all": "reject"}
    for rule, reason in ends.items():
        terms = Terms(rule=rule, seats=seats)
        _, after = decide(
            examine(received(content), content, ACCOUNT), facts(record(terms=terms), record(ben, terms=terms))
        )
        outcome, after = decide(examine(received(bens), bens, ACCOUNT), after)
        assert outcome.reason.startswith(reason)
        later = after.records[token_ref(CLAIM)]
        assert (later.state, later.decided_at) == ("decided", NOW)


def test_a_vote_of_the_same_batch_that_leaves_no_choice_to_win_ends_the_request() -> None:
    ben = replace(CLAIM, approver="ben@corp.example")
    terms = Terms(("red", "blue"), "all", (Seat(CLAIM.approver), Seat(ben.approver)))
    known = facts(*(record(each, terms=terms, choices=terms.choices) for each in (CLAIM, ben)))
    for claim, said in ((CLAIM, "red"), (ben, "blue")):
        content = mail(said, token=make_token(claim, KEYS), sender=claim.approver)
        _, known = decide(examine(received(content), content, ACCOUNT), known)
    later = known.records[token_ref(ben)]
    assert (later.state, later.decision, later.decided_by) == ("undecided", None, None)


def test_the_second_reply_of_a_batch_finds_the_request_decided() -> None:
    known = facts(record())
    content = mail("Approve", token=TOKEN)
    first, after = decide(examine(received(content), content, ACCOUNT), known)
    content = mail("Reject", token=TOKEN)
    second, _ = decide(examine(received(content), content, ACCOUNT), after)
    assert (first.kind, second.kind) == ("decided", "ignored")


def test_mail_over_the_limit_is_deferred_until_the_window_ends() -> None:
    outcome = outcome_of(mail("Hello"), facts(room=0))
    assert outcome.kind == "deferred"
    assert outcome.until == NOW + timedelta(seconds=300)


def test_a_proven_reply_needs_no_room_and_takes_none() -> None:
    content = mail("Approve", token=TOKEN)
    outcome, after = decide(examine(received(content), content, ACCOUNT), facts(record(), room=0))
    assert outcome.kind == "decided"
    assert after.window.used == 10


def test_accepted_mail_takes_room_and_denied_mail_does_not() -> None:
    content = mail("Hello")
    _, after = decide(examine(received(content), content, ACCOUNT), facts(room=3))
    assert after.window.used == 8
    content = mail("Hello", sender="x@spam.example")
    _, after = decide(examine(received(content), content, ACCOUNT), facts(room=3))
    assert after.window.used == 7


def test_a_window_is_new_when_it_is_over_and_stays_when_the_clock_jumps_back() -> None:
    window = Window(NOW, 300, 10, used=7)
    assert window.at(NOW + timedelta(seconds=299)) == window
    assert window.at(NOW - timedelta(seconds=300)) == window
    assert window.at(NOW - timedelta(days=1)) == replace(window, started_at=NOW - timedelta(days=1))
    assert window.at(NOW + timedelta(seconds=300)) == Window(NOW + timedelta(seconds=300), 300, 10, 0)


def test_the_own_choices_of_a_request_are_read() -> None:
    known = record(choices=("ship", "wait"))
    assert outcome_of(mail("Ship", token=TOKEN), facts(known)).reason == "ship"
    assert outcome_of(mail("Approve", token=TOKEN), facts(known)).kind == "unclear"


OWN = mail("Please decide.", headers=["Message-ID: <1@corp.example>", "X-Postroom-Id: 1"])
FILED = b"Received: by provider\r\nX-Provider: filed\r\n" + OWN.replace(b"decide.", b"decide.\r\n\r\n")


def sent_facts(*contents: bytes) -> Facts:
    """The facts where Postroom sent these mails."""
    own_ids = frozenset(("<1@corp.example>", content_sha256(content)) for content in contents)
    return replace(facts(record()), sent=own_ids)


@pytest.mark.parametrize("content", [OWN, FILED], ids=["as it was sent", "as a provider files it"])
def test_mail_that_postroom_sent_is_known_again_in_the_folder_for_sent_mail(content: bytes) -> None:
    outcome = outcome_of(content, sent_facts(OWN), role="sent")
    assert (outcome.kind, outcome.reason) == ("own", "sent by Postroom")


@pytest.mark.parametrize(
    "content",
    [
        OWN.replace(b"Please", b"Do not"),
        OWN.replace(b"<1@", b"<2@"),
        OWN.replace(b"<1@", b"<\x001@"),
        OWN.replace(b"Message-ID", b"X-ID"),
        b"",
    ],
    ids=["another body", "another id", "an id that is none", "no id", "nothing"],
)
def test_other_mail_in_the_folder_for_sent_mail_is_its_owners(content: bytes) -> None:
    outcome = outcome_of(content, sent_facts(OWN), role="sent")
    assert (outcome.kind, outcome.reason) == ("sent", "sent by the account's owner with another program")


@pytest.mark.parametrize(
    "content",
    [
        mail("Approve", token=TOKEN),
        mail("Approve", token=TOKEN, sender="x@spam.example"),
        mail("Approve", token=TOKEN, headers=["Auto-Submitted: auto-replied"]),
        mail(
            "Approve", token=TOKEN, headers=[f"References: <{make_token(OTHER_CLAIM, KEYS)}.x@corp.example>"]
        ),
        mail("Approve", to=f"release+{make_token(CLAIM, OTHER_KEYS)}@corp.example"),
        mail("huh?", token=TOKEN),
    ],
    ids=["a decision", "denied", "automatic", "contradictory", "unproven", "unclear"],
)
def test_nothing_is_decided_by_what_lies_in_the_folder_for_sent_mail(content: bytes) -> None:
    known = replace(facts(record(), record(OTHER_CLAIM)), window=Window(NOW, 300, 10, used=10))
    message = received(content, role="sent", truncated=True)
    outcome, after = decide(examine(message, content, ACCOUNT), known)
    assert outcome.kind == "sent"
    assert after == known


def test_our_own_mail_in_the_inbox_is_ignored_as_a_loop() -> None:
    outcome = outcome_of(OWN, sent_facts(OWN))
    assert (outcome.kind, outcome.reason) == ("ignored", "not written by a person: own")
