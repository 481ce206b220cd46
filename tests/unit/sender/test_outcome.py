"""The table of answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.account_reason import REASONS
from postroom_sender.answers import RULES
from postroom_sender.judging import judge
from postroom_sender.outcome import Reply, Result, Scope, Stage, asked_wait_s, parse_reply

STAGES: tuple[Stage, ...] = ("greeting", "starttls", "auth", "token", "mail", "rcpt", "data", "dot")
_RED = (Result.RETRY, Scope.RED)

# As Microsoft writes it.
NO_SMTP = (
    "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. "
    "Visit https://aka.ms/smtp_auth_disabled for more information."
)
BASIC = "Authentication unsuccessful, basic authentication is disabled."
CRITERIA = (
    "Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. "
    "Contact your administrator."
)
DEFAULTS = (
    "Authentication unsuccessful, user is locked by your organization's security defaults policy. "
    "Contact your administrator."
)
INCORRECT = "Authentication unsuccessful, the user credentials were incorrect."
OWN_FULL = "STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionQuotaExceeded"
CLIENT_SUBMISSION = "550 5.7.30 Basic authentication is not supported for Client Submission"


@pytest.mark.parametrize(
    ("stage", "answer", "result", "scope", "reason_code"),
    [
        ("dot", "250 2.0.0 queued", Result.SENT, Scope.MAIL, "sent"),
        ("dot", "252 perhaps", Result.SENT, Scope.MAIL, "sent"),
        ("greeting", "421 too many", *_RED, "busy"),
        ("greeting", "554 not for you", *_RED, "refused_us"),
        ("greeting", "521 no mail", *_RED, "refused_us"),
        ("starttls", "454 4.7.0 no TLS now", *_RED, "starttls_missing"),
        ("auth", "535 5.7.8 wrong", *_RED, "auth_failed"),
        ("auth", f"535 5.7.139 {NO_SMTP}", *_RED, "smtp_auth_disabled"),
        ("token", f"535 5.7.139 {NO_SMTP}", *_RED, "smtp_auth_disabled"),
        ("auth", f"535 5.7.139 {BASIC}", *_RED, "basic_auth_disabled"),
        ("auth", f"535 5.7.139 {CRITERIA}", *_RED, "basic_auth_disabled"),
        ("token", f"535 5.7.139 {CRITERIA}", *_RED, "auth_refused"),
        ("auth", f"535 5.7.139 {DEFAULTS}", *_RED, "basic_auth_disabled"),
        ("auth", f"535 5.7.139 {INCORRECT}", *_RED, "auth_failed"),
        ("auth", "535 5.7.3 Authentication unsuccessful", *_RED, "auth_failed"),
        ("auth", CLIENT_SUBMISSION, *_RED, "basic_auth_disabled"),
        ("mail", CLIENT_SUBMISSION, *_RED, "basic_auth_disabled"),
        ("rcpt", CLIENT_SUBMISSION, *_RED, "basic_auth_disabled"),
        ("data", CLIENT_SUBMISSION, *_RED, "basic_auth_disabled"),
        ("dot", CLIENT_SUBMISSION, *_RED, "basic_auth_disabled"),
        ("dot", "550 5.7.30 REQUIRETLS support required", Result.FAILED, Scope.MAIL, "policy"),
        ("mail", f"535 5.7.139 {NO_SMTP}", *_RED, "smtp_auth_disabled"),
        ("mail", "530 5.7.57 Client not authenticated", *_RED, "auth_required"),
        ("auth", "534 5.7.9 Application-specific password required", *_RED, "app_password"),
        ("auth", "534 5.7.14 <https://accounts.google.com/signin/continue>", *_RED, "browser_sign_in"),
        ("auth", "535 5.7.8 Username and Password not accepted", *_RED, "auth_failed"),
        ("auth", "454 4.7.0 Too many login attempts, please try again later", *_RED, "auth_busy"),
        ("token", "535 5.7.8 no", *_RED, "token_refused"),
        ("token", "454 4.7.0 later", *_RED, "auth_busy"),
        ("auth", "432 4.7.12 change it", *_RED, "password_change"),
        ("auth", "534 5.7.9 too weak", *_RED, "auth_method"),
        ("auth", "538 5.7.11 TLS first", *_RED, "auth_method"),
        ("auth", "454 4.7.0 later", *_RED, "auth_busy"),
        ("auth", "550 no", *_RED, "auth_refused"),
        ("mail", "530 5.7.0 sign in", *_RED, "auth_required"),
        ("mail", "421 4.3.2 closing", Result.RETRY, Scope.PAUSE, "busy"),
        ("dot", "421 4.3.2 closing", Result.RETRY, Scope.PAUSE, "busy"),
        ("mail", "550 5.1.8 who", Result.FAILED, Scope.MAIL, "sender_refused"),
        ("mail", "451 4.3.0 later", Result.RETRY, Scope.MAIL, "deferred"),
        ("rcpt", "450 4.2.1 greylisted", Result.RETRY, Scope.MAIL, "deferred"),
        ("rcpt", "452 4.5.3 too many", Result.RETRY, Scope.MAIL, "deferred"),
        ("rcpt", "552 5.5.3 too many", Result.RETRY, Scope.MAIL, "too_many"),
        ("rcpt", "552 5.5.37 other", Result.FAILED, Scope.MAIL, "too_large"),
        ("rcpt", "552 5.2.2 full", Result.FAILED, Scope.MAIL, "mailbox_full"),
        ("rcpt", "550 5.1.1 unknown", Result.FAILED, Scope.MAIL, "unknown_recipient"),
        ("rcpt", "550 no", Result.FAILED, Scope.MAIL, "unknown_recipient"),
        ("rcpt", "550 5.7.1 blocked", Result.FAILED, Scope.MAIL, "policy"),
        ("rcpt", "556 5.1.10 null MX", Result.FAILED, Scope.MAIL, "unknown_recipient"),
        ("dot", "552 5.3.4 too large", Result.FAILED, Scope.MAIL, "too_large"),
        ("dot", "552 full", Result.FAILED, Scope.MAIL, "too_large"),
        ("dot", "554 5.7.1 spam", Result.FAILED, Scope.MAIL, "policy"),
        ("dot", "554 no", Result.FAILED, Scope.MAIL, "refused"),
        ("dot", "550 5.4.5 Daily user sending limit exceeded.", *_RED, "quota"),
        (
            "rcpt",
            "550 5.1.90 Your message can't be sent because you've reached your daily limit",
            *_RED,
            "quota",
        ),
        ("dot", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", *_RED, "quota"),
        ("dot", f"554 5.2.2 mailbox full; {OWN_FULL}", *_RED, "own_mailbox_full"),
        ("mail", "421 Max message per connection reached", Result.RETRY, Scope.MAIL, "connection_full"),
        (
            "mail",
            "432 4.3.2 Concurrent connections limit exceeded",
            Result.RETRY,
            Scope.PAUSE,
            "rate_limited",
        ),
        ("rcpt", "432 4.3.2 STOREDRV.Deliver; recipient thread limit", Result.RETRY, Scope.MAIL, "deferred"),
        ("mail", "450 4.2.1 Peak SMTP relay limit exceeded", Result.RETRY, Scope.PAUSE, "rate_limited"),
        ("rcpt", "450 4.2.1 The user is receiving mail too quickly", Result.RETRY, Scope.MAIL, "deferred"),
        ("mail", "450 4.7.1 Error: too much mail from 192.0.2.1", Result.RETRY, Scope.PAUSE, "rate_limited"),
        ("mail", "421 4.7.0 [TSS04] Messages temporarily deferred", Result.RETRY, Scope.PAUSE, "busy"),
        (
            "rcpt",
            "450 4.7.1 Error: too many recipients from 192.0.2.1",
            Result.RETRY,
            Scope.PAUSE,
            "rate_limited",
        ),
        (
            "auth",
            "450 4.7.1 Error: too many AUTH commands from 192.0.2.1",
            Result.RETRY,
            Scope.PAUSE,
            "rate_limited",
        ),
        ("starttls", "454 4.7.0 Error: too many new TLS sessions", Result.RETRY, Scope.PAUSE, "rate_limited"),
        ("auth", "451 4.3.0 no database", *_RED, "auth_busy"),
        ("token", "450 4.3.2 later", *_RED, "auth_busy"),
        ("dot", "550 5.7.705 Access denied, tenant has exceeded threshold", *_RED, "sending_blocked"),
        (
            "dot",
            "550 5.2.252 Sender throttled due to continuous send as denied errors.",
            *_RED,
            "sending_blocked",
        ),
        ("rcpt", "552 Too many recipients", Result.RETRY, Scope.MAIL, "too_many"),
        (
            "rcpt",
            "450 5.1.1 unknown, says a server that contradicts itself",
            Result.RETRY,
            Scope.MAIL,
            "deferred",
        ),
        ("dot", "451 5.7.1 no", Result.RETRY, Scope.MAIL, "deferred"),
        ("rcpt", "550 4.2.1 for good, whatever follows", Result.FAILED, Scope.MAIL, "unknown_recipient"),
        ("dot", "550 5.1.8 Access denied, bad outbound sender", *_RED, "sending_blocked"),
        ("dot", "554 5.2.252 SendAsDenied; a@example.com not allowed", *_RED, "sender_refused"),
        ("mail", "553 5.7.1 <a@b>: Sender address rejected: not owned by user", *_RED, "sender_refused"),
        ("rcpt", "554 5.7.1 <a@b>: Relay access denied", Result.FAILED, Scope.MAIL, "relay_denied"),
        ("rcpt", "550 relay not permitted", Result.FAILED, Scope.MAIL, "relay_denied"),
        ("mail", "550 5.7.1 Invalid credentials for relay [192.0.2.1]", *_RED, "auth_required"),
        ("mail", "451 4.7.1 Please try again in 5 minutes", Result.RETRY, Scope.PAUSE, "deferred"),
        ("rcpt", "451 4.7.1 Greylisted, try again in 300 seconds", Result.RETRY, Scope.MAIL, "deferred"),
        ("dot", "554 5.7.9 Message not accepted for policy reasons", Result.FAILED, Scope.MAIL, "policy"),
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


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("Please try again in 5 minutes", 300),
        ("Greylisted, please wait 30 seconds", 30),
        ("try again later, in 2 hours", 7200),
        ("retry after 90s", 90),
        ("deferred for 10 min", 600),
        ("come back in 999999 hours", 86_400),
        ("Greylisting in action, please come back in 00:05:00", 300),
        ("try again later", 0),
        ("see https://example.com/5-minutes", 0),
        ("4.7.1 blocked by 10 hosts", 0),
    ],
)
def test_a_server_that_says_for_how_long_is_understood(text: str, wait_s: float) -> None:
    assert asked_wait_s(text) == wait_s


def test_every_reason_about_an_account_has_an_advice() -> None:
    codes = {rule.reason_code for rule in RULES if rule.scope is not Scope.MAIL}
    assert codes - set(REASONS) == set()


def test_every_row_names_its_source() -> None:
    known = ("RFC ", "Google, ", "Microsoft, ", "Yahoo, ", "Postfix, ", "Exim, ")
    assert [rule for rule in RULES if not rule.source.startswith(known)] == []


@given(
    stage=st.sampled_from(STAGES),
    code=st.integers(400, 499),
    enhanced=st.sampled_from(("4", "5")),
    detail=st.integers(0, 99),
)
def test_a_4yz_answer_is_never_final_whatever_its_enhanced_code(
    stage: Stage, code: int, enhanced: str, detail: int
) -> None:
    assert judge(stage, Reply(code, f"{enhanced}.{detail % 8}.{detail}")).result is Result.RETRY


@given(
    stage=st.sampled_from(("mail", "rcpt", "data", "dot")),
    code=st.integers(500, 599),
    detail=st.integers(0, 99),
)
def test_a_5yz_answer_is_final_unless_the_table_names_it(stage: Stage, code: int, detail: int) -> None:
    reply = Reply(code, f"5.{detail % 8}.{detail}")
    named = (
        reply.enhanced == "5.1.90"
        or code in (530, 534, 535, 538)
        or (stage, code, reply.enhanced) == ("rcpt", 552, "5.5.3")
    )
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
