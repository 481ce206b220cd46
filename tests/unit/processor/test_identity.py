"""Who may decide: tokens in every carrier, the one sender, levels of proof, confirmations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from html import unescape
from itertools import permutations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.account import Account
from postroom.addresses import same_address
from postroom.proof_level import LEVELS, ProofLevel, is_below, level_for
from postroom.reply_token import make_token, token_ref
from postroom_processor.confirmation import FirstReply, confirmation_claim, question
from postroom_processor.decide import Facts, Outcome, TokenRecord, decide
from postroom_processor.examine import examine
from postroom_processor.lifecycle import Seat, Terms
from postroom_processor.mail import read_mail
from postroom_processor.sender_address import only_sender
from postroom_processor.signatures import Signature, Signatures
from tests.unit.processor.test_decide import (
    ACCOUNT,
    CLAIM,
    KEYS,
    NOW,
    OTHER_CLAIM,
    OTHER_KEYS,
    TOKEN,
    facts,
    received,
    record,
)

ISEMAIL = Path(__file__).resolve().parents[4] / "shared/data/addresses/isemail/test/tests.xml"
MX = "mx.corp.example"
TRUSTING = Account.model_validate(
    {
        **ACCOUNT.model_dump(by_alias=True, exclude={"imap", "smtp", "oauth"}),
        "imap": {"host": "imap.example", "user": "u", "password": "env:P", "authserv_id": MX},
        "smtp": {"host": "smtp.example"},
    }
)
OTHER_TOKEN = make_token(OTHER_CLAIM, KEYS)
COLLEAGUE = replace(CLAIM, approver="ben@corp.example")
COLLEAGUES_TOKEN = make_token(COLLEAGUE, KEYS)
CARRIERS = ("to", "in-reply-to", "references", "subject", "text", "html")
ANNA = "anna@corp.example"


def mail(said: str = "Approve", /, *, sender: str = ANNA, more: Sequence[str] = (), **tokens: str) -> bytes:
    """A reply that carries tokens in the named carriers (`-` is written `_`)."""
    put = {name.replace("_", "-"): token for name, token in tokens.items()}
    tag = f"+{put['to']}" if "to" in put else ""
    fields = [f"From: {sender}", f"To: release{tag}@corp.example"]
    fields += [
        f"{name}: <{put[name]}.a@corp.example>" for name in ("in-reply-to", "references") if name in put
    ]
    fields += [f"Subject: Re: Release 4.2 [{put['subject']}]" if "subject" in put else "Subject: Re: Release"]
    quoted = f"\r\n\r\n> Please decide.\r\n> Reference: {put['text']}\r\n" if "text" in put else "\r\n"
    if "html" not in put:
        return "\r\n".join([*fields, *more, "", said + quoted]).encode()
    page = f"<div>{said}</div><blockquote type=cite>Please decide.<br>Reference: {put['html']}</blockquote>"
    parts = [("plain", said + quoted), ("html", page)] if "text" in put else [("html", page)]
    body = (
        "".join(f"--b\r\nContent-Type: text/{kind}\r\n\r\n{part}\r\n" for kind, part in parts) + "--b--\r\n"
    )
    fields += ['Content-Type: multipart/alternative; boundary="b"', "MIME-Version: 1.0"]
    return "\r\n".join([*fields, *more, "", body]).encode()


def outcome_of(
    content: bytes, known: Facts, account: Account = ACCOUNT, signatures: Signatures | None = None
) -> Outcome:
    examined = replace(examine(received(content), content, account), signatures=signatures)
    return decide(examined, known)[0]


# Tokens and their carriers.


@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_token_in_any_one_carrier_suffices(carrier: str) -> None:
    outcome = outcome_of(mail(**{carrier: TOKEN}), facts(record()))
    assert (outcome.kind, outcome.reason) == ("decided", "approve")


@pytest.mark.parametrize("token", [OTHER_TOKEN, COLLEAGUES_TOKEN], ids=["request", "approver"])
@pytest.mark.parametrize(("one", "other"), list(permutations(CARRIERS, 2)))
def test_two_carriers_that_disagree_go_to_quarantine(one: str, other: str, token: str) -> None:
    known = facts(record(), record(OTHER_CLAIM), record(COLLEAGUE))
    assert outcome_of(mail(**{one: TOKEN, other: token}), known).kind == "quarantined"


@pytest.mark.parametrize("carrier", CARRIERS[1:])
@pytest.mark.parametrize("strangers", [OTHER_TOKEN, "pr" + "a" * 40], ids=["unknown", "made up"])
def test_a_token_pasted_beside_a_valid_address_makes_no_decision(carrier: str, strangers: str) -> None:
    assert outcome_of(mail(to=TOKEN, **{carrier: strangers}), facts(record())).kind == "quarantined"


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_token_signed_with_another_key_proves_nothing(carrier: str) -> None:
    forged = make_token(CLAIM, OTHER_KEYS)
    assert outcome_of(mail(**{carrier: forged}), facts(record())).kind == "held"
    both = mail(**{"to" if carrier != "to" else "text": TOKEN, carrier: forged})
    assert outcome_of(both, facts(record())).kind == "held"


def test_a_token_far_down_in_a_long_text_is_not_looked_for() -> None:
    content = mail("Approve\r\n\r\n" + "> x\r\n" * 100_000, text=TOKEN)
    assert outcome_of(content, facts(record())).kind == "accepted"


def test_the_token_of_a_request_before_it_was_changed_and_after_agree() -> None:
    old = replace(CLAIM, content_hash="d" * 64)
    known = facts(record(), record(old, changed_at=NOW - timedelta(hours=1)))
    content = mail(to=TOKEN, references=make_token(old, KEYS))
    assert outcome_of(content, known).kind == "decided"
    assert outcome_of(mail(to=make_token(old, KEYS)), known).kind == "ignored"


def test_two_mails_with_the_same_message_id_both_have_their_outcome() -> None:
    known, same = facts(record(), record(OTHER_CLAIM)), ["Message-ID: <1@phone.example>"]
    first, second = mail(to=TOKEN, more=same), mail("Reject", to=OTHER_TOKEN, more=same)
    outcome, after = decide(examine(received(first), first, ACCOUNT), known)
    assert outcome.reason == "approve"
    assert decide(examine(received(second), second, ACCOUNT), after)[0].reason == "reject"


# The sender.


def delegated(**changes: Any) -> TokenRecord:
    seats = (Seat(ANNA), Seat("dora@corp.example", "delegate", ANNA))
    return record(terms=Terms(seats=seats), **changes)


def test_a_delegate_may_answer_with_the_approvers_token() -> None:
    outcome = outcome_of(mail(to=TOKEN, sender="dora@corp.example"), facts(delegated()))
    assert outcome.vote is not None
    assert (outcome.kind, outcome.vote.approver, outcome.vote.seat) == ("decided", "dora@corp.example", ANNA)


PASSED_ON = [
    ("resent by somebody", ["Resent-From: mallory@evil.example"]),
    ("resent, whatever else", ["Resent-Message-ID: <1@x>"]),
    ("through a list", ["List-Owner: <mailto:x@y.example>"]),
    ("through an archived list", ["List-Archive: <https://y.example>"]),
    ("sent by another", ["Sender: mallory@evil.example"]),
    ("sent by nobody that can be read", ["Sender: anna@corp.example, mallory@evil.example"]),
    ("sent twice", ["Sender: anna@corp.example", "Sender: anna@corp.example"]),
]


@pytest.mark.parametrize("more", [row[1] for row in PASSED_ON], ids=[row[0] for row in PASSED_ON])
def test_what_was_passed_on_decides_nothing(more: list[str]) -> None:
    assert outcome_of(mail(to=TOKEN, more=more), facts(record())).kind == "held"


@pytest.mark.parametrize("more", [row[1] for row in PASSED_ON], ids=[row[0] for row in PASSED_ON])
def test_mail_about_no_request_may_be_passed_on(more: list[str]) -> None:
    assert outcome_of(mail("Hello", more=more), facts(record())).kind == "accepted"


def test_a_lists_mail_and_strangers_tokens_are_mail_like_any_other() -> None:
    assert outcome_of(mail("Hello", more=["List-Id: <x.example>"]), facts(record())).kind == "accepted"
    strangers = mail("Hello", to="pr" + "a" * 40, references="pr" + "b" * 40)
    assert outcome_of(strangers, facts(record())).kind == "accepted"


def test_a_sender_field_that_names_the_author_is_no_obstacle() -> None:
    assert outcome_of(mail(to=TOKEN, more=[f"Sender: Anna <{ANNA}>"]), facts(record())).kind == "decided"


LOOK_ALIKES = [
    "anna@c0rp.example",
    "anna@corp.example.evil.org",
    "anna@xn--crp-0na.example",
    "anna@corp-example",
]


@pytest.mark.parametrize("sender", LOOK_ALIKES)
def test_a_domain_that_looks_like_the_approvers_is_another(sender: str) -> None:
    assert outcome_of(mail(to=TOKEN, sender=sender), facts(record())).kind == "held"


@pytest.mark.skipif(not ISEMAIL.is_file(), reason=f"{ISEMAIL} is not here")
def test_of_isemails_addresses_no_sender_is_read_but_the_plain_ones() -> None:
    """164 addresses, valid and not: what is read is the address itself, and no error by any reading."""
    root = ElementTree.fromstring(ISEMAIL.read_text(encoding="utf-8"))
    read = {}
    for number, test in enumerate(root.iter("test")):
        address = unescape(test.findtext("address") or "")
        sender = only_sender(read_mail(b"From: " + address.encode("utf-8", "replace") + b"\r\n\r\n"))
        read[number] = (sender, address, test.findtext("category") or "")
    assert len(read) == 164
    taken = {key: row for key, row in read.items() if row[0]}
    assert len(taken) > 20
    for sender, address, category in taken.values():
        assert same_address(sender or "", address.strip()) or "(" in address or "<" in address
        assert category != "ISEMAIL_ERR" or "(" in address, (sender, address)


# Levels of proof.

PASS = f"Authentication-Results: {MX}; dmarc=pass header.from=corp.example"
FAIL = f"Authentication-Results: {MX}; dmarc=fail header.from=corp.example"
STRANGERS = "Authentication-Results: mx.evil.org; dmarc=pass header.from=corp.example"
SIGNED = Signatures((Signature("corp.example", "s._domainkey.corp.example", "pass", "", {"to": 1}),))
ELSEWHERE = Signatures((Signature("corp.example", "s._domainkey.corp.example", "pass", "", {"subject": 1}),))
BROKEN = Signatures((Signature("corp.example", "s._domainkey.corp.example", "fail", "", {"to": 1}),))

# What the server's result may rest on: a signature over the place of the token, and one that somebody's old
# mail brought along.
COVERING = "DKIM-Signature: v=1; a=rsa-sha256; d=corp.example; s=s; h=From:To:Subject; bh=x; b=x"
REPLAYED = COVERING.replace("From:To:Subject", "From:Subject")

TABLE: list[tuple[ProofLevel, str, list[str], Signatures | None, str]] = [
    ("token", ANNA, [], None, "decided"),
    ("token", "anna@private.example", [], None, "decided"),
    ("token+from", ANNA, [], None, "decided"),
    ("token+from", ANNA, [FAIL], None, "decided"),
    ("token+from", "anna@private.example", [PASS], SIGNED, "held"),
    ("token+from+dmarc", ANNA, [], None, "pending_confirmation"),
    ("token+from+dmarc", ANNA, [PASS], None, "decided"),
    ("token+from+dmarc", ANNA, [FAIL], SIGNED, "pending_confirmation"),
    ("token+from+dmarc", ANNA, [STRANGERS], None, "pending_confirmation"),
    ("token+from+dmarc", ANNA, [PASS, FAIL], None, "pending_confirmation"),
    ("token+from+dmarc", ANNA, [PASS, FAIL], SIGNED, "pending_confirmation"),
    ("token+from+dmarc", ANNA, [PASS, COVERING], None, "decided"),
    ("token+from+dmarc", ANNA, [PASS, COVERING.replace("d=corp", "d=evil")], None, "decided"),
    ("token+from+dmarc", ANNA, [PASS, REPLAYED], None, "pending_confirmation"),
    ("token+from+dmarc", ANNA, [PASS, COVERING, REPLAYED], None, "pending_confirmation"),
    ("token+from+dmarc", ANNA, [PASS, REPLAYED.replace("d=", "d=mail.")], None, "pending_confirmation"),
    ("token+from+dmarc", ANNA, [PASS, COVERING + "; l=0"], None, "pending_confirmation"),
    ("token+from+dmarc", ANNA, [PASS, "To: b@corp.example", COVERING], None, "pending_confirmation"),
    ("token+from+dmarc", ANNA, [], SIGNED, "decided"),
    ("token+from+dmarc", ANNA, [], ELSEWHERE, "pending_confirmation"),
    ("token+from+dmarc", ANNA, [], BROKEN, "pending_confirmation"),
    ("token+from+dmarc", ANNA, [], Signatures((), "pass"), "pending_confirmation"),
    ("token+from+dmarc", "anna@evil.example", [PASS], SIGNED, "held"),
    ("token+confirm", ANNA, [PASS], SIGNED, "pending_confirmation"),
    ("token+confirm", "anna@private.example", [], None, "pending_confirmation"),
    ("token+from+confirm", ANNA, [PASS], SIGNED, "pending_confirmation"),
    ("token+from+confirm", "anna@private.example", [], None, "held"),
    ("token+from+dmarc+confirm", ANNA, [PASS], SIGNED, "pending_confirmation"),
]


@pytest.mark.parametrize(("level", "sender", "more", "signatures", "kind"), TABLE)
def test_each_level_takes_what_it_needs_and_no_less(
    level: ProofLevel, sender: str, more: list[str], signatures: Signatures | None, kind: str
) -> None:
    known = facts(record(proof=level))
    outcome = outcome_of(mail(to=TOKEN, sender=sender, more=more), known, TRUSTING, signatures)
    assert outcome.kind == kind
    if kind == "pending_confirmation":
        assert outcome.reason
        assert outcome.vote is None


def test_no_results_are_believed_where_the_account_names_no_server() -> None:
    known = facts(record(proof="token+from+dmarc"))
    assert outcome_of(mail(to=TOKEN, more=[PASS]), known, ACCOUNT).kind == "pending_confirmation"


def test_a_level_is_at_least_the_accounts_and_by_default_asks_for_the_sender() -> None:
    assert level_for(None, "token") == "token+from"
    assert level_for(None, "token+confirm") == "token+from+confirm"
    assert level_for(None, "token+from+dmarc") == "token+from+dmarc"
    assert level_for("token", "token") == "token"
    assert is_below("token+from+dmarc", "token+confirm")
    assert is_below("token", "token+from")
    assert not is_below("token+from+dmarc+confirm", "token+from+dmarc")


FIELDS = st.sampled_from(
    [
        PASS,
        FAIL,
        STRANGERS,
        REPLAYED,
        "Sender: x@y.example",
        "From: x@y.example",
        "List-Id: <x>",
        "Resent-To: x@y.example",
    ]
)
SENDERS = st.sampled_from(
    [ANNA, "mallory@evil.example", f'"{ANNA}" <mallory@evil.example>', f"{ANNA}, x@y.org"]
)


@given(
    st.sampled_from(sorted(LEVELS)),
    SENDERS,
    st.lists(FIELDS, max_size=3),
    st.dictionaries(
        st.sampled_from(CARRIERS), st.sampled_from([TOKEN, OTHER_TOKEN, make_token(CLAIM, OTHER_KEYS)])
    ),
    st.sampled_from([None, SIGNED, BROKEN, ELSEWHERE]),
    st.sampled_from(["Approve", "approve\r\n\r\nGo", "Reject", "Approved by the board"]),
)
def test_nothing_decides_without_token_sender_and_level(
    level: ProofLevel,
    sender: str,
    more: list[str],
    tokens: dict[str, str],
    signatures: Signatures | None,
    text: str,
) -> None:
    known = facts(record(proof=level), record(OTHER_CLAIM, proof=level))
    outcome = outcome_of(mail(text, sender=sender, more=more, **tokens), known, TRUSTING, signatures)
    if outcome.kind in ("decided", "voted"):
        needs = LEVELS[level]
        assert len(set(tokens.values())) == 1
        assert set(tokens.values()) <= {TOKEN, OTHER_TOKEN}
        assert not needs.confirmation
        assert not any(each.startswith(("List", "Resent", "Sender", "From")) for each in more)
        assert sender == ANNA or (not needs.sender and "," not in sender)
        if needs.domain:
            by_server = PASS in more and FAIL not in more and REPLAYED not in more
            by_signature = (
                FAIL not in more and signatures is not None and signatures.found[0].result == "pass"
            )
            assert by_server or by_signature


# Confirmations.

FIRST = FirstReply("mail-1", "0" * 64, "approve", "As agreed.", ANNA, NOW)
CONFIRMING = confirmation_claim(CLAIM, FIRST.mail_id, FIRST.choice, FIRST.voter)
CONFIRMS = make_token(CONFIRMING, KEYS)


def asked_back(level: ProofLevel = "token+from+dmarc", **changes: Any) -> Facts:
    """The facts where the first reply waits for its confirmation."""
    first = replace(FIRST, **changes)
    return facts(record(proof=level), record(CONFIRMING, proof=level, first=first))


@pytest.mark.parametrize("carrier", CARRIERS)
def test_who_reads_the_registered_mailbox_confirms_with_the_word_again(carrier: str) -> None:
    outcome = outcome_of(mail(**{carrier: CONFIRMS}), asked_back())
    assert (outcome.kind, outcome.reason) == ("decided", "approve")
    assert outcome.record is not None
    assert outcome.record.first == FIRST
    assert getattr(outcome.verdict, "comment", None) == "As agreed."


def test_a_confirmation_that_quotes_the_request_is_one() -> None:
    assert outcome_of(mail(to=CONFIRMS, references=TOKEN), asked_back()).kind == "decided"


NOT_CONFIRMED = [
    ("another word", mail("Reject", to=CONFIRMS), {}, "held"),
    ("another sender", mail(to=CONFIRMS, sender="mallory@evil.example"), {}, "held"),
    ("the first token again", mail(to=TOKEN), {}, "pending_confirmation"),
    ("a question", mail("Approve?", to=CONFIRMS), {}, "unclear"),
    ("an answer that was given", mail(to=CONFIRMS), {"answer": "contradicted"}, "ignored"),
]


@pytest.mark.parametrize(
    ("content", "changes", "kind"), [row[1:] for row in NOT_CONFIRMED], ids=[row[0] for row in NOT_CONFIRMED]
)
def test_nothing_is_confirmed_by(content: bytes, changes: dict[str, Any], kind: str) -> None:
    assert outcome_of(content, asked_back(**changes)).kind == kind


@pytest.mark.parametrize(("voter", "other"), [(ANNA, "dora@corp.example"), ("dora@corp.example", ANNA)])
def test_only_the_one_who_was_asked_confirms(voter: str, other: str) -> None:
    claim = confirmation_claim(CLAIM, FIRST.mail_id, FIRST.choice, voter)
    asked = replace(delegated(first=replace(FIRST, voter=voter)), claim=claim)
    content = mail(to=make_token(claim, KEYS), sender=other)
    assert outcome_of(content, facts(asked)).kind == "held"
    content = mail(to=make_token(claim, KEYS), sender=voter)
    assert outcome_of(content, facts(asked)).kind == "decided"


def test_after_a_contradiction_the_same_question_confirms_nothing_more() -> None:
    content = mail("Reject", to=CONFIRMS)
    outcome, after = decide(examine(received(content), content, ACCOUNT), asked_back())
    assert outcome.kind == "held"
    content = mail("Approve", to=CONFIRMS)
    assert decide(examine(received(content), content, ACCOUNT), after)[0].kind == "ignored"


def test_the_token_of_a_question_is_bound_to_mail_choice_voter_and_content() -> None:
    changed = [
        confirmation_claim(CLAIM, "mail-2", "approve", ANNA),
        confirmation_claim(CLAIM, "mail-1", "reject", ANNA),
        confirmation_claim(CLAIM, "mail-1", "approve", "dora@corp.example"),
        confirmation_claim(replace(CLAIM, content_hash="d" * 64), "mail-1", "approve", ANNA),
        CLAIM,
    ]
    assert len({token_ref(each) for each in [CONFIRMING, *changed]}) == len(changed) + 1
    assert question(CLAIM, FIRST).claim == CONFIRMING
    assert question(CLAIM, FIRST).asked_ref == token_ref(CLAIM)


def test_a_question_about_a_request_that_was_changed_since_is_void() -> None:
    void = record(CONFIRMING, first=FIRST, changed_at=NOW)
    assert outcome_of(mail(to=CONFIRMS), facts(void)).kind == "ignored"
