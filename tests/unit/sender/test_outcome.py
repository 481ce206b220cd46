"""The table of answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_sender.outcome import Reply, Result, Scope, Stage, judge, parse_reply

STAGES: tuple[Stage, ...] = ("greeting", "starttls", "auth", "mail", "rcpt", "data", "dot")


@pytest.mark.parametrize(
    ("stage", "answer", "result", "scope", "reason_code"),
    [
        ("dot", "250 2.0.0 queued", Result.SENT, Scope.MAIL, "sent"),
        ("dot", "252 perhaps", Result.SENT, Scope.MAIL, "sent"),
        ("greeting", "421 too many", Result.RETRY, Scope.RED, "busy"),
        ("greeting", "554 not for you", Result.RETRY, Scope.RED, "refused_us"),
        ("greeting", "521 no mail", Result.RETRY, Scope.RED, "refused_us"),
        ("starttls", "454 4.7.0 no TLS now", Result.RETRY, Scope.RED, "no_starttls"),
        ("auth", "535 5.7.8 wrong", Result.RETRY, Scope.RED, "wrong_password"),
        ("auth", "534 5.7.9 too weak", Result.RETRY, Scope.RED, "auth_method"),
        ("auth", "538 5.7.11 TLS first", Result.RETRY, Scope.RED, "auth_method"),
        ("auth", "454 4.7.0 later", Result.RETRY, Scope.RED, "auth_busy"),
        ("auth", "550 no", Result.RETRY, Scope.RED, "auth_refused"),
        ("mail", "530 5.7.0 sign in", Result.RETRY, Scope.RED, "auth_required"),
        ("mail", "421 4.3.2 closing", Result.RETRY, Scope.PAUSE, "busy"),
        ("dot", "421 4.3.2 closing", Result.RETRY, Scope.PAUSE, "busy"),
        ("mail", "550 5.1.8 who", Result.FAILED, Scope.MAIL, "sender_refused"),
        ("mail", "451 4.3.0 later", Result.RETRY, Scope.MAIL, "deferred"),
        ("rcpt", "450 4.2.1 greylisted", Result.RETRY, Scope.MAIL, "deferred"),
        ("rcpt", "452 4.5.3 too many", Result.RETRY, Scope.MAIL, "deferred"),
        ("rcpt", "552 5.5.3 too many", Result.RETRY, Scope.MAIL, "too_many"),
        ("rcpt", "552 5.2.2 full", Result.FAILED, Scope.MAIL, "mailbox_full"),
        ("rcpt", "550 5.1.1 unknown", Result.FAILED, Scope.MAIL, "unknown_recipient"),
        ("rcpt", "550 no", Result.FAILED, Scope.MAIL, "unknown_recipient"),
        ("rcpt", "550 5.7.1 blocked", Result.FAILED, Scope.MAIL, "policy"),
        ("rcpt", "556 5.1.10 null MX", Result.FAILED, Scope.MAIL, "unknown_recipient"),
        ("dot", "552 5.3.4 too large", Result.FAILED, Scope.MAIL, "too_large"),
        ("dot", "552 full", Result.FAILED, Scope.MAIL, "too_large"),
        ("dot", "554 5.7.1 spam", Result.FAILED, Scope.MAIL, "policy"),
        ("dot", "554 no", Result.FAILED, Scope.MAIL, "refused"),
        ("dot", "354 go ahead", Result.UNCERTAIN, Scope.MAIL, "uncertain"),
        ("data", "250 what", Result.RETRY, Scope.MAIL, "deferred"),
    ],
)
def test_an_answer_means(stage: Stage, answer: str, result: Result, scope: Scope, reason_code: str) -> None:
    reply = parse_reply([answer.encode()])
    assert reply is not None
    outcome = judge(stage, reply)
    assert (outcome.result, outcome.scope, outcome.reason_code) == (result, scope, reason_code)
    assert str(reply.code) in outcome.sentence


@given(stage=st.sampled_from(STAGES), code=st.integers(400, 499), detail=st.integers(0, 99))
def test_a_4yz_answer_is_never_final(stage: Stage, code: int, detail: int) -> None:
    assert judge(stage, Reply(code, f"4.{detail % 8}.{detail}")).result is Result.RETRY


@given(
    stage=st.sampled_from(("mail", "rcpt", "data", "dot")),
    code=st.integers(500, 599),
    detail=st.integers(0, 99),
)
def test_a_5yz_answer_is_final_unless_the_table_names_it(stage: Stage, code: int, detail: int) -> None:
    reply = Reply(code, f"5.{detail % 8}.{detail}")
    named = code in (530, 534, 535, 538) or (stage, code, reply.enhanced) == ("rcpt", 552, "5.5.3")
    assert (judge(stage, reply).result is Result.RETRY) == named


def test_lines_of_an_answer_are_one_text_with_its_enhanced_code() -> None:
    reply = parse_reply([b"550-5.1.1 no such", b"550 5.1.1 user"])
    assert reply == Reply(550, "5.1.1", "no such 5.1.1 user")


@pytest.mark.parametrize(
    "lines", [[b""], [b"hello"], [b"25"], [b"999 x"], [b"1\xb25 x"], [b"250-a", b"251 b"]]
)
def test_what_is_no_answer_is_none(lines: list[bytes]) -> None:
    assert parse_reply(lines) is None


@given(st.binary())
def test_what_a_server_says_is_made_harmless(text: bytes) -> None:
    reply = parse_reply([b"550 " + text])
    assert reply is not None
    assert all(" " <= char <= "~" for char in str(reply))
    assert len(str(reply)) < 240
