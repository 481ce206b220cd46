"""What a server's words mean when it refuses: its response code (RFC 5530), or what they say (pure)."""

import re
from collections.abc import Mapping

BUSY = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "OVERQUOTA", "SERVERBUG"})

SIGN_IN_CODES: Mapping[str, str] = {
    "AUTHENTICATIONFAILED": "auth_failed",
    "AUTHORIZATIONFAILED": "auth_failed",
    "EXPIRED": "password_change",
    "PRIVACYREQUIRED": "login_disabled",
    "CONTACTADMIN": "auth_refused",
    **dict.fromkeys(BUSY, "throttled"),
}
"""Response code: reason code (`postroom.account_reason`)."""

SIGN_IN_WORDS: Mapping[str, str] = {
    # Microsoft 365: "BasicAuthBlocked", "basic authentication is disabled", or the codes of SMTP.
    r"basic\s?auth\w*.{0,40}(block|disabl)|5\.7\.139|5\.7\.30": "basic_auth_disabled",
    # Gmail: "Application-specific password required", "Web login required", "log in via your web browser".
    r"application-specific password|app password": "app_password",
    r"web login|web browser|webalert": "browser_sign_in",
    r"password.{0,20}(expired|must be changed)": "password_change",
}
"""Words that say more than the code beside them, in their order."""

_CODE = re.compile(r"\[([A-Z][A-Z0-9-]*)")
_BUSY_WORDS = re.compile(r"throttl|too many|try again|temporar|rate limit", re.IGNORECASE)


def response_code(said: str) -> str:
    """The response code in an answer, such as `TRYCREATE`; empty if there is none."""
    match = _CODE.search(said)
    return match.group(1) if match else ""


def is_busy(said: str) -> bool:
    """Whether an answer means that the same may work later."""
    return response_code(said) in BUSY or bool(_BUSY_WORDS.search(said))


def sign_in_reason(said: str) -> str:
    """The reason code for the words with which a sign-in was refused."""
    for words, reason_code in SIGN_IN_WORDS.items():
        if re.search(words, said, re.IGNORECASE):
            return reason_code
    by_code = SIGN_IN_CODES.get(response_code(said))
    if by_code is not None:
        return by_code
    return "throttled" if _BUSY_WORDS.search(said) else "auth_failed"
