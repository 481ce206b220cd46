"""What a client says in a SASL exchange (RFC 4422), whatever the protocol around it (pure)."""

import json

_MAX_STATUS_CHARS = 40

AFTER_ERROR = {"xoauth2": b"", "oauthbearer": b"\1"}
"""What ends the exchange after the server's error, by mechanism (RFC 7628, section 3.2.3)."""


def plain(user: str, password: str) -> bytes:
    """The response for PLAIN (RFC 4616)."""
    return f"\0{user}\0{password}".encode()


def xoauth2(user: str, token: str) -> bytes:
    """The response for XOAUTH2 (Google: "OAuth 2.0 Mechanism"; Microsoft: "SASL XOAUTH2")."""
    return f"user={user}\1auth=Bearer {token}\1\1".encode()


def oauthbearer(user: str, token: str, host: str, port: int) -> bytes:
    """The response for OAUTHBEARER (RFC 7628, section 3.1; the name as in RFC 5801, section 4).

    It repeats the server as the client was told of it.
    """
    name = user.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={name},\1host={host}\1port={port}\1auth=Bearer {token}\1\1".encode()


def error_status(challenge: bytes) -> str:
    """The `status` in the error that a server sends as a challenge (RFC 7628, section 3.2.2), or nothing."""
    try:
        status = json.loads(challenge)["status"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    text = str(status) if isinstance(status, str | int) else ""
    return "".join(char for char in text if char.isprintable())[:_MAX_STATUS_CHARS]
