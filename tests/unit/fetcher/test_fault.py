"""What goes wrong on the way to a mailbox, by who has to act."""

from __future__ import annotations

import imaplib
import socket
import ssl

import pytest
from imapclient.exceptions import LoginError, ProtocolError

from postroom.errors import Misconfigured
from postroom_fetcher.fault import CONNECT, Place, Refused, Unavailable, translated

SIGN_IN = "the sign-in"
PLACE = Place("imap.example.org", 993, "INBOX")


def _caught(doing: str, error: Exception) -> Unavailable | Misconfigured:
    with pytest.raises((Unavailable, Misconfigured)) as caught, translated(PLACE, doing):
        raise error
    assert isinstance(caught.value, Unavailable | Misconfigured)
    return caught.value


@pytest.mark.parametrize(
    ("doing", "error", "kind", "code"),
    [
        (CONNECT, ConnectionRefusedError(111, "Connection refused"), Unavailable, "unreachable"),
        (CONNECT, TimeoutError("timed out"), Unavailable, "unreachable"),
        (CONNECT, socket.gaierror(-2, "Name or service not known"), Misconfigured, "unknown_host"),
        (CONNECT, socket.gaierror(-3, "Temporary failure"), Unavailable, "unreachable"),
        (CONNECT, ssl.SSLCertVerificationError(1, "certificate verify failed"), Misconfigured, "certificate"),
        (CONNECT, ssl.SSLError(1, "wrong version number"), Misconfigured, "tls_failed"),
        (CONNECT, ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), Unavailable, "unreachable"),
        ("FETCH", ssl.SSLError(1, "bad record mac"), Unavailable, "disconnected"),
        ("FETCH", ConnectionResetError(104, "Connection reset by peer"), Unavailable, "disconnected"),
        ("FETCH", TimeoutError("timed out"), Unavailable, "disconnected"),
        ("FETCH", imaplib.IMAP4.abort("socket error: EOF"), Unavailable, "disconnected"),
        ("FETCH", imaplib.IMAP4.abort("Too many simultaneous connections"), Unavailable, "throttled"),
        ("FETCH", ProtocolError("uneven number"), Unavailable, "protocol_error"),
        ("FETCH", ValueError("invalid literal for int()"), Unavailable, "protocol_error"),
        ("COPY", imaplib.IMAP4.error("copy failed: [INUSE] Mailbox in use"), Unavailable, "throttled"),
        ("COPY", imaplib.IMAP4.error("copy failed: [TRYCREATE] no such"), Refused, "refused"),
        (
            "the sign-in",
            LoginError("[AUTHENTICATIONFAILED] Authentication failed."),
            Misconfigured,
            "auth_failed",
        ),
        (SIGN_IN, LoginError("LOGIN failed."), Misconfigured, "auth_failed"),
        (
            "the sign-in",
            LoginError("[UNAVAILABLE] Temporary authentication failure."),
            Unavailable,
            "throttled",
        ),
        (SIGN_IN, LoginError("Too many login attempts, try again later"), Unavailable, "throttled"),
    ],
)
def test_every_fault_has_a_reason_and_a_sentence(
    doing: str, error: Exception, kind: type[Exception], code: str
) -> None:
    caught = _caught(doing, error)
    assert isinstance(caught, kind)
    assert caught.reason_code == code
    assert "imap.example.org" in str(caught)
    assert caught.__cause__ is error


def test_a_connection_lost_during_the_log_in_is_no_wrong_password() -> None:
    try:
        try:
            raise imaplib.IMAP4.abort("socket error: EOF")
        except imaplib.IMAP4.abort as error:
            raise LoginError(str(error))  # noqa: B904 - as imapclient does
    except LoginError as login:
        assert _caught(SIGN_IN, login).reason_code == "disconnected"


def test_what_a_server_says_becomes_one_short_printable_line() -> None:
    said = "NO \x1b[31mred\r\nA1 OK fake " + "x" * 900
    sentence = str(_caught("COPY", imaplib.IMAP4.error(said)))
    assert sentence.isprintable()
    assert len(sentence) < 300


def test_our_own_errors_pass_as_they_are() -> None:
    ours = Misconfigured("starttls_missing", "no STARTTLS")
    assert _caught("STARTTLS", ours) is ours
