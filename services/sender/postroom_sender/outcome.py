"""What a server's answer means for a mail and for its account: a table (pure).

A row says one of four things. *Retry*: the mail later. *Permanent*: this mail never. *Configuration*: no
mail of the account, until its owner acts. *Quota*: no mail of the account for a while, since the server
counts or is busy.

Sources: RFC 5321 sections 4.2 and 4.3.2 (codes by command), RFC 3463 (enhanced codes), RFC 4954 section 6
(AUTH), RFC 3207 section 4 (STARTTLS), RFC 6531 section 3.5 (SMTPUTF8), RFC 7504 (521, 556). The words of
providers: Microsoft, "Email non-delivery report (NDR) and SMTP errors in Exchange Online", "Message storage
and concurrent connection throttling for SMTP Authenticated Submission", "Deprecation of Basic authentication
in Exchange Online" and "Enable or disable authenticated client SMTP submission"; Google, "Gmail SMTP errors
and codes"; Yahoo, "SMTP Error Codes" of its sender hub; Postfix, `smtpd_sender_restrictions` and
`smtpd_client_*_limit` in postconf(5); Exim, "Access control lists" in its specification. What no rule names
follows the first digit: 4 is tried again, 5 is final.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Stage = Literal["greeting", "starttls", "auth", "token", "mail", "rcpt", "data", "dot"]
"""`auth`: signing in with a password; `token`: with an access token."""
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_CODE = re.compile(rb"[2-5][0-9][0-9]")  # RFC 5321 section 4.2
_UNPRINTABLE = re.compile(r"[^ -~]+")
# Greylisting and busy servers say when: "try again in 5 minutes", "greylisted, please wait 300 seconds".
_LATER = re.compile(
    r"(?:again|retry|wait|back|resume|delayed?|greylisted|deferred)\b.{0,40}?\b(?:in|for|after|wait)?\s*"
    r"(?P<count>\d{1,6})\s*(?P<unit>seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h)\b",
    re.I,
)
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_WAIT_S = 86_400.0
MAX_TEXT_CHARS = 200
MAX_CHALLENGE_CHARS = 4000  # base64 that is to be decoded, and never shown (RFC 4954 section 4)
_ALL = ""


class Result(StrEnum):
    """What becomes of a mail after an attempt."""

    SENT = "sent"
    RETRY = "retry"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


class Scope(StrEnum):
    """Whom an answer concerns. PAUSE: the account for a while; RED: the account, until its owner acts."""

    MAIL = "mail"
    PAUSE = "pause"
    RED = "red"


@dataclass(frozen=True)
class Reply:
    """An answer of a server: code, enhanced code (RFC 2034; may be empty) and its text made harmless."""

    code: int
    enhanced: str = ""
    text: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the command was taken (2yz or 3yz)."""
        return 200 <= self.code < 400

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)


@dataclass(frozen=True)
class Outcome:
    """What an attempt came to. `reason_code` is stable for machines, `sentence` is for people."""

    result: Result
    reason_code: str
    sentence: str
    scope: Scope = Scope.MAIL
    code: int | None = None
    retry_after_s: float = 0.0
    """How long the server itself, or its kind of refusal, asks to wait; 0 if it says nothing of it."""


@dataclass(frozen=True)
class Rule:
    """A row of the table; the first one that fits counts.

    Empty stages: any; `enhanced` is a beginning; `words`: one of them is in the text, in lower case;
    `wait_s`: how long the account is left alone at least.
    """

    stages: tuple[Stage, ...]
    codes: tuple[int, ...]
    enhanced: str
    result: Result
    scope: Scope
    reason_code: str
    sentence: str
    words: tuple[str, ...] = ()
    wait_s: float = 0.0


_RETRY, _FAILED = Result.RETRY, Result.FAILED
_MAIL, _PAUSE, _RED = Scope.MAIL, Scope.PAUSE, Scope.RED
_SENDING: tuple[Stage, ...] = ("mail", "rcpt", "data", "dot")

_SIGN_IN: tuple[Stage, ...] = ("auth", "token")
_BUSY = "the server is busy or closing"
_NO_PASSWORDS = "the provider takes no passwords for sending"
_NO_PERSON = "the provider wants to see a person sign in with a browser"
_FULL_DAY = "the provider takes no more mail from this account today"
_BLOCKED = "the provider has stopped this account from sending"
_NOT_OURS = "the server does not let this user send from this address"
_HOUR_S = 3600.0
_NO_SMTP = "the provider has sending by SMTP switched off for this mailbox or organization"

RULES = (
    # The provider's own counts. Before the codes that would be about the recipient: 5.1.90, 5.4.5, 5.2.0.
    Rule(
        (),
        (),
        _ALL,
        _RETRY,
        _RED,
        "quota",
        _FULL_DAY,
        (
            "daily user sending",  # Google: 550 5.4.5
            "daily sending quota",
            "daily smtp relay",  # Google: 550 5.7.1
            "daily limit for message recipients",  # Microsoft: 550 5.1.90
            "daily limit for sending",  # Microsoft: 550 5.7.232, 5.7.233
            "submissionquotaexceeded",  # Microsoft: 554 5.2.0
            "recipient rate limit",
            "sending limit exceeded",
        ),
        _HOUR_S,
    ),
    Rule(_SENDING, (), "5.1.90", _RETRY, _RED, "quota", _FULL_DAY, wait_s=_HOUR_S),
    Rule(_SENDING, (), "5.4.5", _RETRY, _RED, "quota", _FULL_DAY, ("limit", "quota"), _HOUR_S),
    Rule(_SENDING, (), "5.7.705", _RETRY, _RED, "quota", _FULL_DAY, wait_s=_HOUR_S),
    # Yahoo, Postfix and others end a connection that has had its share: another one is good.
    Rule(
        (),
        (421,),
        _ALL,
        _RETRY,
        _MAIL,
        "connection_full",
        "the server wants another connection",
        ("message per connection", "messages per connection", "mails per connection", "max message per"),
    ),
    # Microsoft: three at a time; Google: 450 4.2.1 of the relay; Postfix: smtpd_client_*_limit; Exim:
    # ratelimit.
    Rule(
        (),
        (421, 432, 450, 451, 452, 454),
        _ALL,
        _RETRY,
        _PAUSE,
        "rate_limited",
        "the server wants fewer mails or connections at a time",
        (
            "concurrent connection",
            "sender thread limit",
            "peak smtp relay limit",
            "message submission rate",
            "too many connections",
            "too much mail",
            "rate limit",
            "ratelimit",
            "connection rate",
            "too many messages",
            "too many concurrent",
        ),
        60.0,
    ),
    # Microsoft: the mailbox that we send from is full (its folder for sent mail), not the recipient's.
    Rule(
        (),
        (554, 552, 452),
        _ALL,
        _RETRY,
        _RED,
        "own_mailbox_full",
        "the mailbox that is sent from is full",
        ("storedrv.submission.exception:quotaexceeded",),
    ),
    Rule(
        _SENDING,
        (),
        _ALL,
        _RETRY,
        _RED,
        "sending_blocked",
        _BLOCKED,
        (
            "bad outbound sender",  # Microsoft: 550 5.1.8
            "banned sender",  # 550 5.7.501 to 5.7.503
            "spam abuse detected",
            "sending from unregistered domain",  # 550 5.7.750
        ),
    ),
    # Microsoft: 5.7.60, 5.2.252; Postfix: reject_sender_login_mismatch. Every mail of the account would fail.
    Rule(
        _SENDING,
        (),
        _ALL,
        _RETRY,
        _RED,
        "sender_refused",
        _NOT_OURS,
        ("sendasdenied", "permissions to send as this sender", "sender address rejected: not owned by"),
    ),
    # Google: 550 5.7.0 and 5.7.1 of the relay.
    Rule(
        _SENDING,
        (),
        "5.7.",
        _RETRY,
        _RED,
        "auth_required",
        "the server wants a sign-in, or to know this machine",
        ("mail relay denied", "invalid credentials for relay"),
    ),
    # A server that relays to some recipients and not to others refuses this mail, not the account.
    Rule(
        ("rcpt",),
        (550, 551, 553, 554),
        _ALL,
        _FAILED,
        _MAIL,
        "relay_denied",
        "the server does not take mail for this recipient from us; perhaps the account must sign in",
        ("relay access denied", "relay not permitted", "relaying denied", "unable to relay", "not a relay"),
    ),
    # Microsoft says these when it wants to, also after it has let us in. 5.7.30 alone is RFC 8689's.
    Rule((), (), "5.7.30", _RETRY, _RED, "basic_auth_disabled", _NO_PASSWORDS, ("basic authentication",)),
    Rule((), (), "5.7.139", _RETRY, _RED, "smtp_auth_disabled", _NO_SMTP, ("smtpclientauthentication",)),
    Rule(
        ("auth", *_SENDING),
        (),
        "5.7.139",
        _RETRY,
        _RED,
        "basic_auth_disabled",
        _NO_PASSWORDS,
        ("basic authentication", "security defaults", "did not meet the criteria"),
    ),
    Rule(
        ("token",),
        (),
        "5.7.139",
        _RETRY,
        _RED,
        "auth_refused",
        "the organization's policy refuses this sign-in",
        ("security defaults", "did not meet the criteria"),
    ),
    # Google: 534 5.7.9 with two-step sign-in, 534 5.7.14 when it wants to see a person first.
    Rule(
        ("auth",),
        (534, 535),
        _ALL,
        _RETRY,
        _RED,
        "app_password",
        "the provider wants an app password here",
        ("application-specific password", "app password"),
    ),
    Rule(("auth",), (534,), "5.7.14", _RETRY, _RED, "browser_sign_in", _NO_PERSON),
    Rule(("auth",), (534, 535), _ALL, _RETRY, _RED, "browser_sign_in", _NO_PERSON, ("web browser",)),
    # RFC 4954 section 6. 535: credentials invalid; 534, 538: mechanism too weak or needs TLS; 432: password
    # transition; 454: temporary failure of the server, not of the password.
    Rule(_SIGN_IN, (454,), _ALL, _RETRY, _RED, "auth_busy", "the server cannot check the sign-in now"),
    Rule(("auth",), (432,), _ALL, _RETRY, _RED, "password_change", "the password must be changed first"),
    Rule(_SIGN_IN, (534, 538), _ALL, _RETRY, _RED, "auth_method", "this way to sign in is not accepted"),
    Rule(("auth",), (535,), _ALL, _RETRY, _RED, "auth_failed", "the server refused user or password"),
    Rule(("token",), (535,), _ALL, _RETRY, _RED, "token_refused", "the server refused user or access token"),
    # RFC 5321 section 3.8: 421 closes the connection, whatever was asked.
    Rule(
        ("greeting", "starttls", *_SIGN_IN),
        (421,),
        _ALL,
        _RETRY,
        _RED,
        "busy",
        "the server is busy or closing",
    ),
    Rule((), (421,), _ALL, _RETRY, _PAUSE, "busy", "the server is busy or closing"),
    # RFC 5321 section 3.1 (554) and RFC 7504 (521): no mail service for us here.
    Rule(("greeting",), (), _ALL, _RETRY, _RED, "refused_us", "the server does not take connections from us"),
    # RFC 3207 section 4: 454, 501, 502: no TLS now or at all; we do not go on without.
    Rule(("starttls",), (), _ALL, _RETRY, _RED, "starttls_missing", "the server refused STARTTLS"),
    Rule(_SIGN_IN, (), _ALL, _RETRY, _RED, "auth_refused", "the server did not let us sign in"),
    # RFC 4954 section 6 (530), RFC 3463 X.7.0: 530 also says "issue STARTTLS first" (RFC 3207 section 4).
    Rule(_SENDING, (530,), _ALL, _RETRY, _RED, "auth_required", "the server wants a sign-in or TLS first"),
    Rule(_SENDING, (535, 534, 538), _ALL, _RETRY, _RED, "auth_failed", "the server refused the sign-in"),
    # RFC 5321 section 4.5.3.1.10: too many recipients is temporary though some servers say 552 for it.
    Rule(("rcpt",), (552,), "5.5.3", _RETRY, _MAIL, "too_many", "the server wants fewer recipients at once"),
    # RFC 3463: 5.2.2 mailbox full, 5.3.4 and 5.2.3 too large, 5.1.x no such recipient, 5.7.x policy.
    Rule((), (552, 523), "5.3.4", _FAILED, _MAIL, "too_large", "the mail is too large for the server"),
    Rule((), (552, 554), "5.2.3", _FAILED, _MAIL, "too_large", "the mail is too large for the mailbox"),
    Rule((), (), "5.2.2", _FAILED, _MAIL, "mailbox_full", "the recipient's mailbox is full"),
    Rule(("mail",), (), "5.1.7", _FAILED, _MAIL, "sender_refused", "the server does not take our address"),
    Rule(("mail",), (), "5.1.8", _FAILED, _MAIL, "sender_refused", "the server does not take our address"),
    Rule((), (), "5.1.", _FAILED, _MAIL, "unknown_recipient", "the server does not know the recipient"),
    Rule((), (556,), _ALL, _FAILED, _MAIL, "unknown_recipient", "the recipient's domain takes no mail"),
    Rule((), (), "5.6.7", _FAILED, _MAIL, "smtputf8", "the server cannot take this address (SMTPUTF8)"),
    Rule((), (553, 550), "5.7.", _FAILED, _MAIL, "policy", "the server's policy refuses the mail"),
    Rule((), (554,), "5.7.", _FAILED, _MAIL, "policy", "the server's policy refuses the mail"),
    Rule(
        ("mail",), (550, 553), _ALL, _FAILED, _MAIL, "sender_refused", "the server does not take our address"
    ),
    Rule(
        ("rcpt",),
        (550, 551, 553),
        _ALL,
        _FAILED,
        _MAIL,
        "unknown_recipient",
        "the server refuses the recipient",
    ),
    # RFC 5321 section 4.2.3: 552 without more is "exceeded storage allocation".
    Rule((), (552,), _ALL, _FAILED, _MAIL, "too_large", "the server has no room for the mail"),
)


def judge(stage: Stage, reply: Reply, shown: Reply | None = None) -> Outcome:
    """What the answer to this stage comes to. An acceptance counts as sent only after the final dot.

    Args:
        stage: What was asked.
        reply: The answer.
        shown: As much of it as people may read. Default: all.
    """
    if stage == "dot" and reply.accepted:
        # Only 2yz says "taken" (RFC 5321 section 4.3.2); 3yz there means that we are out of step.
        result = Result.SENT if reply.code < 300 else Result.UNCERTAIN
        return Outcome(result, result.value, str(reply), code=reply.code)
    rule = next((rule for rule in RULES if _fits(rule, stage, reply)), None) or _by_first_digit(reply)
    sentence = f"{rule.sentence} ({shown or reply})"
    wait_s = max(rule.wait_s, asked_wait_s(reply.text)) if rule.result is _RETRY else 0.0
    # A wait that is asked for before there is a recipient is about all mails, not about this one.
    scope = _PAUSE if rule.scope is _MAIL and wait_s and stage == "mail" else rule.scope
    return Outcome(rule.result, rule.reason_code, sentence, scope, reply.code, wait_s)


def asked_wait_s(text: str) -> float:
    """For how long a server asks to be left alone ("try again in 5 minutes"), a day at most; else 0."""
    found = _LATER.search(text)
    if not found:
        return 0.0
    return min(float(found["count"]) * _UNITS_S[found["unit"][0].lower()], _LONGEST_WAIT_S)


def parse_reply(lines: list[bytes]) -> Reply | None:
    """The reply in its lines (RFC 5321 section 4.2); None if they are none."""
    code = lines[-1][:3]
    if not _CODE.fullmatch(code) or any(line[:3] != code for line in lines):
        return None
    text = " ".join(harmless(line[4:]) for line in lines).strip()
    match = _ENHANCED.match(text)
    enhanced = match.group(1) if match else ""
    limit = MAX_CHALLENGE_CHARS if code == b"334" else MAX_TEXT_CHARS
    return Reply(int(code), enhanced, text.removeprefix(enhanced).strip()[:limit])


def harmless(text: bytes) -> str:
    """What a stranger's server says, without anything that could break a log line or a page."""
    return _UNPRINTABLE.sub(" ", text.decode("ascii", "replace"))


def _fits(rule: Rule, stage: Stage, reply: Reply) -> bool:
    return (
        (not rule.stages or stage in rule.stages)
        and (not rule.codes or reply.code in rule.codes)
        and f"{reply.enhanced}.".startswith(_ended(rule.enhanced))
        and (not rule.words or any(words in reply.text.lower() for words in rule.words))
    )


def _ended(enhanced: str) -> str:
    """A whole code as one that no longer one begins with: 5.5.3 is not 5.5.37."""
    return enhanced if not enhanced or enhanced.endswith(".") else f"{enhanced}."


def _by_first_digit(reply: Reply) -> Rule:
    if 500 <= reply.code < 600:
        return Rule((), (), _ALL, _FAILED, _MAIL, "refused", "the server refused the mail for good")
    # Also what is no answer to the question, such as 250 to DATA: nothing is known to be wrong with the mail.
    return Rule((), (), _ALL, _RETRY, _MAIL, "deferred", "the server does not take the mail now")
