"""What a refused sign-in means."""

from __future__ import annotations

import pytest

from postroom.account_reason import REASONS
from postroom.errors import Misconfigured
from postroom_fetcher.fault import Place, Unavailable, sign_in_error
from postroom_fetcher.refusal import SIGN_IN_CODES, SIGN_IN_WORDS, sign_in_reason

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
