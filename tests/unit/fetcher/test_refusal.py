"""What a refused sign-in means."""

from __future__ import annotations

import pytest

from postroom.account_reason import REASONS
from postroom.errors import Misconfigured
from postroom_fetcher.fault import Place, Unavailable, sign_in_error
from postroom_fetcher.refusal import SIGN_IN_CODES, SIGN_IN_WORDS, is_busy, sign_in_reason, suggested_wait_s

PLACE = Place("imap.example.org", 993)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("[AUTHENTICATIONFAILED] Authentication failed.", "auth_failed"),
        ("[AUTHENTICATIONFAILED] Invalid credentials (Failure)", "auth_failed"),
        ("[AUTHORIZATIONFAILED] No such authorization-ID", "auth_failed"),
        ("[ALERT] Invalid credentials (Failure)", "auth_failed"),
        ("LOGIN failed.", "auth_failed"),
        ("[EXPIRED] That password isn't valid any more", "password_change"),
        ("Your password has expired and must be changed", "password_change"),
        ("[PRIVACYREQUIRED] Plaintext authentication disallowed", "login_disabled"),
        ("[CONTACTADMIN] Your account is locked", "auth_refused"),
        ("[UNAVAILABLE] Temporary authentication failure.", "throttled"),
        ("[INUSE] Mailbox in use", "throttled"),
        ("[LIMIT] Too many connections", "throttled"),
        ("Too many simultaneous connections. (Failure)", "throttled"),
        ('AUTHENTICATE failed. "BasicAuthBlocked"', "basic_auth_disabled"),
        ("LOGIN failed: basic authentication is disabled for this tenant", "basic_auth_disabled"),
        (
            "[ALERT] Application-specific password required: https://support.google.com/185833",
            "app_password",
        ),
        ("[WEBALERT https://accounts.google.com/signin] Web login required.", "browser_sign_in"),
        ("[ALERT] Please log in via your web browser: https://support.google.com/78754", "browser_sign_in"),
    ],
)
def test_the_code_or_the_words_of_a_refusal_say_who_has_to_act(said: str, code: str) -> None:
    assert sign_in_reason(said) == code
    error = sign_in_error(PLACE, said)
    assert isinstance(error, Unavailable if code == "throttled" else Misconfigured)
    assert said.rstrip(".") in str(error)


def test_every_meaning_of_a_refusal_has_its_advice() -> None:
    assert {*SIGN_IN_CODES.values(), *SIGN_IN_WORDS.values()} <= set(REASONS)


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [
        ("[THROTTLED] Request is throttled. Suggested Backoff Time: 299999 milliseconds", 299.999),
        ("Request is throttled. Suggested Backoff Time: 5000 Milliseconds", 5.0),
        ("[UNAVAILABLE] Server busy, try again in 10 minutes", 600.0),
        ("[LIMIT] Too many connections, please try again after 30 seconds", 30.0),
        ("[INUSE] retry in 45 s", 45.0),
        ("[UNAVAILABLE] Please wait 5 min", 300.0),
        ("rate limit exceeded. Retry-After: 90", 90.0),
        ("Your account is temporarily locked for 2 hours", 3600.0),
        ("try again in 99999999 hours", 3600.0),
        ("Too many simultaneous connections. (Failure)", None),
        ("[UNAVAILABLE] Try again later", None),
        ("Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", None),
    ],
)
def test_the_wait_that_a_busy_server_suggests_is_kept(said: str, wait_s: float | None) -> None:
    assert is_busy(said)
    assert suggested_wait_s(said) == wait_s
    error = sign_in_error(PLACE, said)
    assert isinstance(error, Unavailable)
    assert error.retry_after_s == wait_s
