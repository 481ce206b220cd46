"""How to sign in at an IMAP server: which SASL mechanism, and what is sent for it (pure)."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from postroom.account_servers import ImapAuth

PASSWORD_MECHANISMS: tuple[ImapAuth, ...] = ("plain", "login")
TOKEN_MECHANISMS: tuple[ImapAuth, ...] = ("xoauth2", "oauthbearer")
"""The best first, for `auto`."""

_CAPABILITIES: Mapping[ImapAuth, str] = {
    "plain": "AUTH=PLAIN",
    "xoauth2": "AUTH=XOAUTH2",
    "oauthbearer": "AUTH=OAUTHBEARER",
}
_MAX_STATUS_CHARS = 40


@dataclass(frozen=True)
class Endpoint:
    """The server as the client was told of it; OAUTHBEARER repeats that (RFC 7628, section 3.1)."""

    host: str
    port: int


def choose(auth: ImapAuth, capabilities: Collection[str], *, has_token: bool) -> ImapAuth | None:
    """The mechanism for an account's `imap.auth` at a server with these capabilities; None: it has none."""
    wanted = (auth,) if auth != "auto" else TOKEN_MECHANISMS if has_token else PASSWORD_MECHANISMS
    return next((each for each in wanted if _is_offered(each, capabilities)), None)


def offered(capabilities: Collection[str]) -> str:
    """What a server offers, for a sentence."""
    found = {each.removeprefix("AUTH=") for each in capabilities if each.startswith("AUTH=")}
    login = set() if "LOGINDISABLED" in capabilities else {"LOGIN"}
    return ", ".join(sorted(found | login)) or "nothing"


def plain(user: str, password: str) -> bytes:
    """The response for PLAIN (RFC 4616)."""
    return f"\0{user}\0{password}".encode()


def xoauth2(user: str, token: str) -> bytes:
    """The response for XOAUTH2 (Google and Microsoft)."""
    return f"user={user}\1auth=Bearer {token}\1\1".encode()


def oauthbearer(user: str, token: str, endpoint: Endpoint) -> bytes:
    """The response for OAUTHBEARER (RFC 7628, section 3.1; the name as in RFC 5801, section 4)."""
    name = user.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={name},\1host={endpoint.host}\1port={endpoint.port}\1auth=Bearer {token}\1\1".encode()


def after_error(mechanism: ImapAuth) -> bytes:
    """What is sent after the server's error, so that it ends the exchange (RFC 7628, section 3.2.3)."""
    return b"\1" if mechanism == "oauthbearer" else b""


def error_status(challenge: bytes) -> str:
    """The `status` in the error that a server sends as a challenge; empty if there is none."""
    try:
        status = json.loads(challenge)["status"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    text = str(status) if isinstance(status, str | int) else ""
    return "".join(char for char in text if char.isprintable())[:_MAX_STATUS_CHARS]


def _is_offered(mechanism: ImapAuth, capabilities: Collection[str]) -> bool:
    if mechanism == "login":
        return "LOGINDISABLED" not in capabilities
    return _CAPABILITIES[mechanism] in capabilities
