"""Signing in (RFC 4954): mechanisms as a table, the one that is set or the best one offered (pure)."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from postroom import sasl
from postroom.errors import Misconfigured
from postroom_sender.outcome import Reply

Ask = Callable[[str], Reply]
"""Writes a line and returns the server's reply."""
Kind = Literal["password", "token"]

# RFC 4954 section 4: an initial response that would make a line longer than RFC 5321 allows has its own line.
_MAX_COMMAND_CHARS = 510


@dataclass(frozen=True)
class Login:
    """Who signs in, with what, and where."""

    user: str
    secret: str = field(repr=False)
    host: str
    port: int


@dataclass(frozen=True)
class SignedIn:
    """The server's last word. `status`: what it said about a token before that (RFC 7628 section 3.2.2)."""

    reply: Reply
    status: str = ""


@dataclass(frozen=True)
class Mechanism:
    """A way to sign in: its name on the wire, and what it takes."""

    name: str
    takes: Kind
    run: Callable[[Ask, Login], SignedIn]


def choose(auth: str, takes: Kind, offered: frozenset[str]) -> Mechanism:
    """The mechanism for the setting `smtp.auth`, for a password or a token.

    Raises:
        Misconfigured: the server does not offer it.
    """
    fitting = [each for each in MECHANISMS if each.takes == takes and auth in ("auto", each.name.lower())]
    for mechanism in fitting:
        if mechanism.name in offered:
            return mechanism
    wanted = " or ".join(each.name for each in fitting) or auth.upper()
    raise Misconfigured(
        "auth_method", f"the server does not offer {wanted} for signing in, but {_listed(offered)}"
    )


def _plain(ask: Ask, login: Login) -> SignedIn:
    return SignedIn(_initial(ask, "PLAIN", sasl.plain(login.user, login.secret)))


def _login(ask: Ask, login: Login) -> SignedIn:
    """The obsolete one that some servers have instead of PLAIN (draft-murchison-sasl-login)."""
    reply = ask("AUTH LOGIN")
    for answer in (login.user, login.secret):
        if reply.code != 334:
            break
        reply = ask(_base64(answer.encode()))
    return SignedIn(reply)


def _cram_md5(ask: Ask, login: Login) -> SignedIn:
    """RFC 2195: the password does not travel."""
    reply = ask("AUTH CRAM-MD5")
    if reply.code != 334:
        return SignedIn(reply)
    challenge = _decoded(reply.text)
    if challenge is None:
        return SignedIn(ask("*"))
    digest = hmac.new(login.secret.encode(), challenge, hashlib.md5).hexdigest()
    return SignedIn(ask(_base64(f"{login.user} {digest}".encode())))


def _xoauth2(ask: Ask, login: Login) -> SignedIn:
    reply = _initial(ask, "XOAUTH2", sasl.xoauth2(login.user, login.secret))
    return _after_error(ask, reply, sasl.AFTER_ERROR["xoauth2"])


def _oauthbearer(ask: Ask, login: Login) -> SignedIn:
    message = sasl.oauthbearer(login.user, login.secret, login.host, login.port)
    return _after_error(ask, _initial(ask, "OAUTHBEARER", message), sasl.AFTER_ERROR["oauthbearer"])


MECHANISMS = (
    Mechanism("PLAIN", "password", _plain),
    Mechanism("LOGIN", "password", _login),
    Mechanism("CRAM-MD5", "password", _cram_md5),
    Mechanism("XOAUTH2", "token", _xoauth2),
    Mechanism("OAUTHBEARER", "token", _oauthbearer),
)
"""In the order of preference; two mechanisms for the same secret differ in nothing that matters under TLS."""


def _initial(ask: Ask, name: str, message: bytes) -> Reply:
    response = _base64(message)
    command = f"AUTH {name} {response}"
    if len(command) <= _MAX_COMMAND_CHARS:
        return ask(command)
    reply = ask(f"AUTH {name}")
    return ask(response) if reply.code == 334 else reply


def _after_error(ask: Ask, reply: Reply, acknowledgement: bytes) -> SignedIn:
    if reply.code != 334:
        return SignedIn(reply)
    status = sasl.error_status(_decoded(reply.text) or b"")
    return SignedIn(ask(_base64(acknowledgement)), status or "error")


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def _base64(message: bytes) -> str:
    return base64.b64encode(message).decode()


def _listed(offered: frozenset[str]) -> str:
    return ", ".join(sorted(offered))[:200] or "nothing"
