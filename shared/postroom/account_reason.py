"""Why an account is not green: every reason code of a status or a test, its kind, and the advice (pure).

The kind says what happens next. *Outage*: nothing is wrong with the settings, it is tried again by itself.
*Settings*: the owner has to change something; it is tried again all the same, since the other side may
change too. *Credentials*: as settings, and after `MAX_SIGN_IN_TRIES` tries nothing is tried until settings or
secrets change, since providers lock out who keeps asking with a wrong password.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["outage", "settings", "credentials"]
MAX_SIGN_IN_TRIES = 3


@dataclass(frozen=True)
class Reason:
    """What a reason code means, and what a person does about it."""

    kind: Kind
    advice: str


_TLS = "set security and port together: IMAP tls 993, starttls 143; SMTP tls 465, starttls 587"

REASONS: Mapping[str, Reason] = {
    "unreachable": Reason("outage", "check host and port, and whether a firewall lets this machine out"),
    "unknown_host": Reason("settings", "check the spelling of host"),
    "disconnected": Reason(
        "outage", "nothing to do; if it stays, the server or the network in between has a fault"
    ),
    "protocol_error": Reason("outage", "check that host and port are those of this kind of server"),
    "too_slow": Reason(
        "outage", "nothing to do; if it stays, the server or the network in between is too slow to be read"
    ),
    "incomplete_answer": Reason(
        "outage", "nothing to do; if it stays, the server has a fault: it lists a mail and does not give it"
    ),
    "mail_set_aside": Reason(
        "outage",
        "open the mail in a mail program, and delete it there if that cannot show it either; "
        "`postroom accounts fetch-now NAME` tries it again at once",
    ),
    "connection_limit": Reason(
        "outage", "raise imap.max_connections or POSTROOM_IMAP_CONNECTIONS_PER_HOST if it stays"
    ),
    "throttled": Reason("outage", "nothing to do; if it stays, use a longer interval"),
    "refused": Reason("settings", "the sentence has the server's own words"),
    "tls_failed": Reason("settings", f"{_TLS}; for an authority of your own set ca_file"),
    "certificate": Reason(
        "settings", "set ca_file to the authority's certificate, or host to the name in it"
    ),
    "ca_file": Reason("settings", "ca_file must be a readable PEM file where the service runs"),
    "starttls_missing": Reason("settings", "use security: tls with its port (IMAP 993, SMTP 465)"),
    "login_disabled": Reason("settings", _TLS),
    "preauth": Reason("settings", "use a server that asks for a log-in"),
    "auth_method": Reason("settings", "set auth to a mechanism that the server offers, or auto"),
    "auth_failed": Reason(
        "credentials",
        "check user and the secret behind password; providers with two-factor sign-in want an app password",
    ),
    "auth_busy": Reason("outage", "nothing to do: the server cannot check passwords now"),
    "auth_refused": Reason("settings", "the sentence has the server's own words"),
    "password_change": Reason(
        "credentials", "sign in by hand once, change the password and update the secret"
    ),
    "basic_auth_disabled": Reason(
        "credentials",
        "the provider takes no passwords any more: use type: outlook (or gmail, oauth2) with an oauth "
        "section, then `postroom accounts login NAME`",
    ),
    "smtp_auth_disabled": Reason(
        "settings",
        "ask the provider's administrator to allow authenticated SMTP for this mailbox and organization",
    ),
    "app_password": Reason(
        "credentials",
        "make an app password at the provider and put it behind password, or sign in with OAuth 2",
    ),
    "browser_sign_in": Reason(
        "credentials", "sign in once with a browser as this user, then run `postroom accounts test NAME`"
    ),
    "token_refused": Reason(
        "credentials",
        "check that user is the mailbox at the provider and that the scopes of the sign-in cover this side, "
        "then `postroom accounts login NAME`",
    ),
    "auth_required": Reason("settings", "give user and password; the server takes mail after a sign-in only"),
    "secret_missing": Reason(
        "settings", "set the variable, write the file, or `postroom accounts set-secret NAME`"
    ),
    "secret_malformed": Reason("settings", "the secret must be one line of text"),
    "secret_key": Reason(
        "settings", "give this service the secret keys of the machine that stored the secret"
    ),
    "sign_in_needed": Reason("credentials", "run `postroom accounts login NAME`"),
    "sign_in_again": Reason("credentials", "run `postroom accounts login NAME`"),
    "oauth_client": Reason("credentials", "check oauth.client_id, oauth.client_secret and oauth.tenant"),
    "oauth_settings": Reason("settings", "check the oauth section: endpoints, scopes and tenant"),
    "oauth_unavailable": Reason("outage", "nothing to do: the provider's token endpoint does not answer now"),
    "folder_missing": Reason(
        "settings", "`postroom accounts folders NAME` lists the folders as the server spells them"
    ),
    "sender_refused": Reason("settings", "the server lets this user not send as address: change one of them"),
    "smtputf8": Reason("settings", "use an address in ASCII, or a server that has SMTPUTF8"),
    "refused_us": Reason("settings", "ask the server's operator to take mail from this machine"),
    "quota": Reason(
        "outage",
        "nothing to do: it goes on when the provider counts anew; set smtp.rate below its limit",
    ),
    "rate_limited": Reason("outage", "nothing to do; set smtp.rate and smtp.max_connections if it stays"),
    "own_mailbox_full": Reason("settings", "make room in the mailbox, above all in its folder for sent mail"),
    "sending_blocked": Reason(
        "settings",
        "ask the provider's administrator to let this mailbox send again, and find out why it was stopped",
    ),
    "busy": Reason("outage", "nothing to do: the server is busy"),
    "system_smtp": Reason("settings", "add system_smtp to the accounts file, and the account to its list"),
    "unknown_account": Reason("settings", "`postroom accounts list` shows the names that there are"),
    "invalid_settings": Reason("settings", "correct the setting that the sentence names"),
    "receiving_disabled": Reason("settings", "set receive: true and give imap"),
    "sending_disabled": Reason("settings", "set send: true and give smtp, or use_system_smtp: true"),
    "internal_error": Reason("outage", "a fault of Postroom: its log has the details"),
}
_UNKNOWN = Reason("outage", "the sentence has the server's own words")


def reason(code: str) -> Reason:
    """What a reason code means; an unknown one counts as an outage."""
    return REASONS.get(code, _UNKNOWN)


def advice(code: str, account: str) -> str:
    """What a person does about it, for the account of that name."""
    return reason(code).advice.replace("NAME", account)


def waits_for_change(code: str, failures: int) -> bool:
    """Whether, after so many failures in a row, nothing is tried until settings or secrets change."""
    return reason(code).kind == "credentials" and failures >= MAX_SIGN_IN_TRIES
