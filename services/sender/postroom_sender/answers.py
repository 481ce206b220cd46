"""What a server's answer means for a mail and for its account: a table (pure).

A row says one of four things. *Retry*: the mail later. *Permanent*: this mail never. *Configuration*: no
mail of the account, until its owner acts. *Quota*: no mail of the account for a while, since the server
counts or is busy.

Each row names its source: a section of an RFC, or the page on which a provider writes what it says. What no
rule names follows the first digit (RFC 5321 section 4.2.1): 4 is tried again, 5 is final.
"""

from dataclasses import dataclass, field

from postroom_sender.outcome import Result, Scope, Stage

ANY = ""
"""An enhanced code that every one begins with."""


@dataclass(frozen=True)
class Rule:
    """A row of the table; the first one that fits counts.

    Empty stages: any; `enhanced` is a beginning; `words`: one of them is in the text, in lower case;
    `wait_s`: how long the account is left alone at least; `source`: who says that it means this.
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
    source: str = field(kw_only=True)


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
_NOT_TAKEN = "the server does not take our address"
_POLICY = "the server's policy refuses the mail"
_FEWER = "the server wants fewer recipients at once"
_HOUR_S = 3600.0
_NO_SMTP = "the provider has sending by SMTP switched off for this mailbox or organization"

_CODES = "RFC 5321 sections 4.2.3 and 4.3.2"
_CLOSING = "RFC 5321 section 3.8"
_TOO_MANY = "RFC 5321 section 4.5.3.1.10"
_ENHANCED_CODES = "RFC 3463 section 3"
_AUTH = "RFC 4954 section 6"
_GOOGLE = "Google, Gmail SMTP errors and codes"
_YAHOO = "Yahoo, SMTP Error Codes of its sender hub"
_POSTFIX = "Postfix, postconf(5)"
_EXIM = "Exim, specification, Access control lists"
_MICROSOFT_NDR = "Microsoft, Email non-delivery reports and SMTP errors in Exchange Online"
_MICROSOFT_THROTTLING = (
    "Microsoft, Message storage and concurrent connection throttling for SMTP Authenticated Submission"
)
_MICROSOFT_ERRORS = "Microsoft, Continuous error throttling for SMTP AUTH submissions in Exchange Online"
_MICROSOFT_BASIC = "Microsoft, Deprecation of Basic authentication in Exchange Online"
_MICROSOFT_SMTP_AUTH = "Microsoft, Enable or disable authenticated client SMTP submission"

# The first rule that fits counts: what a provider says before what the RFCs say, and those before the rest.
RULES = (
    # The provider's own counts. Before the codes that would be about the recipient: 5.1.90, 5.4.5, 5.2.0.
    Rule(
        (),
        (),
        ANY,
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
        source=f"{_GOOGLE}; {_MICROSOFT_NDR}; {_MICROSOFT_THROTTLING}",
    ),
    Rule(_SENDING, (), "5.1.90", _RETRY, _RED, "quota", _FULL_DAY, wait_s=_HOUR_S, source=_MICROSOFT_NDR),
    Rule(
        _SENDING, (), "5.4.5", _RETRY, _RED, "quota", _FULL_DAY, ("limit", "quota"), _HOUR_S, source=_GOOGLE
    ),
    # Another connection is good at once.
    Rule(
        (),
        (421,),
        ANY,
        _RETRY,
        _MAIL,
        "connection_full",
        "the server wants another connection",
        ("message per connection", "messages per connection", "mails per connection", "max message per"),
        source=f"{_YAHOO}; others say it alike",
    ),
    Rule(
        (),
        (421, 432, 450, 451, 452, 454),
        ANY,
        _RETRY,
        _PAUSE,
        "rate_limited",
        "the server wants fewer mails or connections at a time",
        (
            "concurrent connection",  # Microsoft: 432 4.3.2, three at a time
            "sender thread limit",
            "message submission rate",
            "peak smtp relay limit",  # Google: 450 4.2.1 of the relay
            "rate limit",
            "too many connections",  # Postfix: 421 4.7.0
            "too much mail",  # 450 4.7.1
            "too many recipients from",
            "too many auth commands",
            "too many new tls sessions",  # 454 4.7.0
            "ratelimit",  # Exim
            "connection rate",
            "too many messages",
            "too many concurrent",
        ),
        60.0,
        source=f"{_MICROSOFT_THROTTLING}; {_GOOGLE}; {_POSTFIX}; {_EXIM}",
    ),
    # The mailbox that we send from is full (its folder for sent mail), not the recipient's.
    Rule(
        (),
        (554, 552, 452),
        ANY,
        _RETRY,
        _RED,
        "own_mailbox_full",
        "the mailbox that is sent from is full",
        ("storedrv.submission.exception:quotaexceeded",),
        source=_MICROSOFT_THROTTLING,
    ),
    Rule(
        _SENDING,
        (),
        ANY,
        _RETRY,
        _RED,
        "sending_blocked",
        _BLOCKED,
        (
            "bad outbound sender",  # 550 5.1.8
            "banned sender",  # 550 5.7.501 to 5.7.503
            "spam abuse detected",
            "tenant has exceeded threshold",  # 550 5.7.705: banned for spam, not a day's quota
            "sending from unregistered domain",  # 550 5.7.750
        ),
        source=_MICROSOFT_NDR,
    ),
    # 550 5.2.251 to 5.2.255: the mailbox may not send for a while, since it went on after such an error.
    Rule(
        _SENDING,
        (),
        ANY,
        _RETRY,
        _RED,
        "sending_blocked",
        _BLOCKED,
        ("sender throttled due to continuous",),
        _HOUR_S,
        source=_MICROSOFT_ERRORS,
    ),
    # Every mail of the account would fail.
    Rule(
        _SENDING,
        (),
        ANY,
        _RETRY,
        _RED,
        "sender_refused",
        _NOT_OURS,
        ("sendasdenied", "permissions to send as this sender", "sender address rejected: not owned by"),
        source=f"{_MICROSOFT_NDR} (5.7.60); {_POSTFIX} (reject_sender_login_mismatch)",
    ),
    Rule(
        _SENDING,
        (),
        "5.7.",
        _RETRY,
        _RED,
        "auth_required",
        "the server wants a sign-in, or to know this machine",
        ("mail relay denied", "invalid credentials for relay"),
        source=_GOOGLE,
    ),
    # A server that relays to some recipients and not to others refuses this mail, not the account.
    Rule(
        ("rcpt",),
        (550, 551, 553, 554),
        ANY,
        _FAILED,
        _MAIL,
        "relay_denied",
        "the server does not take mail for this recipient from us; perhaps the account must sign in",
        ("relay access denied", "relay not permitted", "relaying denied", "unable to relay", "not a relay"),
        source=f"{_POSTFIX} (reject_unauth_destination); {_EXIM}; {_MICROSOFT_NDR} (5.7.54)",
    ),
    # Microsoft says these when it wants to, also after it has let us in. 5.7.30 alone is RFC 8689's.
    Rule(
        (),
        (),
        "5.7.30",
        _RETRY,
        _RED,
        "basic_auth_disabled",
        _NO_PASSWORDS,
        ("basic authentication",),
        source=_MICROSOFT_BASIC,
    ),
    Rule(
        (),
        (),
        "5.7.139",
        _RETRY,
        _RED,
        "smtp_auth_disabled",
        _NO_SMTP,
        ("smtpclientauthentication",),
        source=_MICROSOFT_SMTP_AUTH,
    ),
    Rule(
        ("auth", *_SENDING),
        (),
        "5.7.139",
        _RETRY,
        _RED,
        "basic_auth_disabled",
        _NO_PASSWORDS,
        ("basic authentication", "security defaults", "did not meet the criteria"),
        source=f"{_MICROSOFT_BASIC}; {_MICROSOFT_SMTP_AUTH}",
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
        source=_MICROSOFT_SMTP_AUTH,
    ),
    # 534 5.7.9 with two-step sign-in, 534 5.7.14 when it wants to see a person first.
    Rule(
        ("auth",),
        (534, 535),
        ANY,
        _RETRY,
        _RED,
        "app_password",
        "the provider wants an app password here",
        ("application-specific password", "app password"),
        source=_GOOGLE,
    ),
    Rule(("auth",), (534,), "5.7.14", _RETRY, _RED, "browser_sign_in", _NO_PERSON, source=_GOOGLE),
    Rule(
        ("auth",),
        (534, 535),
        ANY,
        _RETRY,
        _RED,
        "browser_sign_in",
        _NO_PERSON,
        ("web browser",),
        source=_GOOGLE,
    ),
    # 454 is a failure of the server, not of the password, and so is any other 4yz but a password transition.
    Rule(
        _SIGN_IN,
        (450, 451, 452, 454),
        ANY,
        _RETRY,
        _RED,
        "auth_busy",
        "the server cannot check the sign-in now",
        source=f"{_AUTH}; {_CODES}",
    ),
    Rule(
        ("auth",),
        (432,),
        ANY,
        _RETRY,
        _RED,
        "password_change",
        "the password must be changed first",
        source=_AUTH,
    ),
    Rule(
        _SIGN_IN,
        (534, 538),
        ANY,
        _RETRY,
        _RED,
        "auth_method",
        "this way to sign in is not accepted",
        source=_AUTH,
    ),
    Rule(
        ("auth",),
        (535,),
        ANY,
        _RETRY,
        _RED,
        "auth_failed",
        "the server refused user or password",
        source=_AUTH,
    ),
    Rule(
        ("token",),
        (535,),
        ANY,
        _RETRY,
        _RED,
        "token_refused",
        "the server refused user or access token",
        source=f"{_AUTH}; RFC 7628 section 3.2.3",
    ),
    # 421 closes the connection, whatever was asked.
    Rule(("greeting", "starttls", *_SIGN_IN), (421,), ANY, _RETRY, _RED, "busy", _BUSY, source=_CLOSING),
    Rule((), (421,), ANY, _RETRY, _PAUSE, "busy", _BUSY, source=_CLOSING),
    # 554 and 521: no mail service for us here.
    Rule(
        ("greeting",),
        (),
        ANY,
        _RETRY,
        _RED,
        "refused_us",
        "the server does not take connections from us",
        source="RFC 5321 section 3.1; RFC 7504",
    ),
    # 454, 501 and others: no TLS now or at all; we do not go on without.
    Rule(
        ("starttls",),
        (),
        ANY,
        _RETRY,
        _RED,
        "starttls_missing",
        "the server refused STARTTLS",
        source="RFC 3207 section 4",
    ),
    Rule(_SIGN_IN, (), ANY, _RETRY, _RED, "auth_refused", "the server did not let us sign in", source=_AUTH),
    # 530 also says "issue STARTTLS first".
    Rule(
        _SENDING,
        (530,),
        ANY,
        _RETRY,
        _RED,
        "auth_required",
        "the server wants a sign-in or TLS first",
        source=f"{_AUTH}; RFC 3207 section 4",
    ),
    Rule(
        _SENDING,
        (535, 534, 538),
        ANY,
        _RETRY,
        _RED,
        "auth_failed",
        "the server refused the sign-in",
        source=_AUTH,
    ),
    # Too many recipients is temporary though some servers say 552 for it.
    Rule(("rcpt",), (552,), "5.5.3", _RETRY, _MAIL, "too_many", _FEWER, source=_TOO_MANY),
    Rule(
        ("rcpt",), (552,), ANY, _RETRY, _MAIL, "too_many", _FEWER, ("too many recipients",), source=_TOO_MANY
    ),
    Rule(
        (),
        (552, 523),
        "5.3.4",
        _FAILED,
        _MAIL,
        "too_large",
        "the mail is too large for the server",
        source=_ENHANCED_CODES,
    ),
    Rule(
        (),
        (552, 554),
        "5.2.3",
        _FAILED,
        _MAIL,
        "too_large",
        "the mail is too large for the mailbox",
        source=_ENHANCED_CODES,
    ),
    Rule(
        (),
        (),
        "5.2.2",
        _FAILED,
        _MAIL,
        "mailbox_full",
        "the recipient's mailbox is full",
        source=_ENHANCED_CODES,
    ),
    Rule(("mail",), (), "5.1.7", _FAILED, _MAIL, "sender_refused", _NOT_TAKEN, source=_ENHANCED_CODES),
    Rule(("mail",), (), "5.1.8", _FAILED, _MAIL, "sender_refused", _NOT_TAKEN, source=_ENHANCED_CODES),
    Rule(
        (),
        (),
        "5.1.",
        _FAILED,
        _MAIL,
        "unknown_recipient",
        "the server does not know the recipient",
        source=_ENHANCED_CODES,
    ),
    Rule(
        (),
        (556,),
        ANY,
        _FAILED,
        _MAIL,
        "unknown_recipient",
        "the recipient's domain takes no mail",
        source="RFC 7504 section 4",
    ),
    Rule(
        (),
        (),
        "5.6.7",
        _FAILED,
        _MAIL,
        "smtputf8",
        "the server cannot take this address (SMTPUTF8)",
        source="RFC 6531 section 3.5",
    ),
    Rule((), (550, 553, 554), "5.7.", _FAILED, _MAIL, "policy", _POLICY, source=_ENHANCED_CODES),
    Rule(("mail",), (550, 553), ANY, _FAILED, _MAIL, "sender_refused", _NOT_TAKEN, source=_CODES),
    Rule(
        ("rcpt",),
        (550, 551, 553),
        ANY,
        _FAILED,
        _MAIL,
        "unknown_recipient",
        "the server refuses the recipient",
        source=_CODES,
    ),
    # 552 without more is "exceeded storage allocation".
    Rule((), (552,), ANY, _FAILED, _MAIL, "too_large", "the server has no room for the mail", source=_CODES),
)
