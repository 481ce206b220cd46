"""Signing in (RFC 4954): mechanisms as a table, the best one that the server offers."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping

from postroom.errors import Misconfigured
from postroom_sender.outcome import Reply

Ask = Callable[[str], Reply]
"""Writes a line and returns the server's reply."""


def sign_in(ask: Ask, offered: frozenset[str], user: str, password: str) -> Reply:
    """Sign in and return the server's last word.

    Raises:
        Misconfigured: the server offers no mechanism that we have.
    """
    for name, mechanism in MECHANISMS.items():
        if name in offered:
            return mechanism(ask, user, password)
    known = ", ".join(MECHANISMS)
    raise Misconfigured("auth_method", f"the server offers none of {known} for signing in here")


def _plain(ask: Ask, user: str, password: str) -> Reply:
    """RFC 4616."""
    return ask("AUTH PLAIN " + _base64(f"\0{user}\0{password}".encode()))


def _login(ask: Ask, user: str, password: str) -> Reply:
    """The obsolete one that some servers have instead of PLAIN (draft-murchison-sasl-login)."""
    reply = ask("AUTH LOGIN")
    for answer in (user, password):
        if reply.code != 334:
            return reply
        reply = ask(_base64(answer.encode()))
    return reply


def _cram_md5(ask: Ask, user: str, password: str) -> Reply:
    """RFC 2195: the password does not travel."""
    reply = ask("AUTH CRAM-MD5")
    if reply.code != 334:
        return reply
    try:
        challenge = base64.b64decode(reply.text, validate=True)
    except ValueError:
        return ask("*")
    digest = hmac.new(password.encode(), challenge, hashlib.md5).hexdigest()
    return ask(_base64(f"{user} {digest}".encode()))


MECHANISMS: Mapping[str, Callable[[Ask, str, str], Reply]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
