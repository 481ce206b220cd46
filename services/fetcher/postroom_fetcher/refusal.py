"""What a server's words mean when it refuses: its response code (RFC 5530), or what they say (pure)."""

import re
from collections.abc import Mapping

BUSY = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "OVERQUOTA", "SERVERBUG", "THROTTLED"})
MAX_WAIT_S = 3600.0
"""A wait that a server asks for is kept up to this; a mistaken one must not end the watching."""

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

_UNITS_S: Mapping[str, float] = {"ms": 0.001, "milliseconds": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_WAITS = (
    # Exchange: "Request is throttled. Suggested Backoff Time: 299999 milliseconds".
    r"back[- ]?off\s*time\s*:?\s*([0-9]{1,9})\s*(milliseconds|ms|s|m|h)?",
    # "try again in 10 minutes", "retry after 30 seconds", "wait 5 min", "Retry-After: 30".
    r"(?:again|retry|wait|later)[ -]*(?:in|after|for)?:?\s+(?:about |at least )?"
    r"([0-9]{1,9})\s*(milliseconds|ms|s|m|h)?",
    r"(?:blocked|locked|unavailable|disabled) for ([0-9]{1,9})\s*(milliseconds|ms|s|m|h)",
)
"""How servers say how long to wait: a number and the beginning of its unit; without one, seconds."""

_CODE = re.compile(r"\[([A-Z][A-Z0-9-]*)")
_BUSY_WORDS = re.compile(
    # Dovecot: "Maximum number of connections from user+IP exceeded"; Gmail: "Account exceeded command or
    # bandwidth limits", "Too many simultaneous connections".
    r"throttl|too many|try again|temporar|(rate|bandwidth|connection) limit|back[- ]?off time|"
    r"maximum number of connections",
    re.IGNORECASE,
)


def response_code(said: str) -> str:
    """The response code in an answer, such as `TRYCREATE`; empty if there is none."""
    match = _CODE.search(said)
    return match.group(1) if match else ""


def is_busy(said: str) -> bool:
    """Whether an answer means that the same may work later."""
    return response_code(said) in BUSY or bool(_BUSY_WORDS.search(said))


def suggested_wait_s(said: str) -> float | None:
    """How long a busy server asks to be left alone, in seconds; None if it does not say."""
    for words in _WAITS:
        match = re.search(words, said, re.IGNORECASE)
        if match is not None:
            return min(MAX_WAIT_S, int(match.group(1)) * _UNITS_S[(match.group(2) or "s").lower()])
    return None


def sign_in_reason(said: str) -> str:
    """The reason code for the words with which a sign-in was refused."""
    for words, reason_code in SIGN_IN_WORDS.items():
        if re.search(words, said, re.IGNORECASE):
            return reason_code
    by_code = SIGN_IN_CODES.get(response_code(said))
    if by_code is not None:
        return by_code
    return "throttled" if _BUSY_WORDS.search(said) else "auth_failed"
