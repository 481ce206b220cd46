"""Which mechanism is used to sign in, and what is sent for it."""

from __future__ import annotations

import pytest

from postroom.account_servers import ImapAuth
from postroom_fetcher.mechanism import (
    Endpoint,
    after_error,
    choose,
    error_status,
    oauthbearer,
    offered,
    plain,
    xoauth2,
)

BOTH = {"AUTH=PLAIN", "AUTH=XOAUTH2", "AUTH=OAUTHBEARER"}


@pytest.mark.parametrize(
    ("auth", "capabilities", "has_token", "expected"),
    [
        ("auto", BOTH, False, "plain"),
        ("auto", {"IMAP4REV1"}, False, "login"),
        ("auto", {"LOGINDISABLED"}, False, None),
        ("auto", {"LOGINDISABLED", "AUTH=PLAIN"}, False, "plain"),
        ("login", BOTH, False, "login"),
        ("plain", {"IMAP4REV1"}, False, None),
        ("auto", BOTH, True, "xoauth2"),
        ("auto", {"AUTH=OAUTHBEARER"}, True, "oauthbearer"),
        ("auto", {"AUTH=PLAIN"}, True, None),
        ("oauthbearer", BOTH, True, "oauthbearer"),
        ("xoauth2", {"AUTH=OAUTHBEARER"}, True, None),
    ],
)
def test_the_best_mechanism_that_is_offered_is_used_unless_the_account_names_one(
    auth: ImapAuth, capabilities: set[str], has_token: bool, expected: str | None
) -> None:
    assert choose(auth, capabilities, has_token=has_token) == expected


def test_what_is_offered_is_told() -> None:
    assert offered({"IMAP4REV1", "AUTH=XOAUTH2", "AUTH=PLAIN"}) == "LOGIN, PLAIN, XOAUTH2"
    assert offered({"LOGINDISABLED"}) == "nothing"


def test_responses_are_those_of_the_specifications() -> None:
    assert plain("jörg", "päss") == "\0jörg\0päss".encode()
    assert xoauth2("a@b", "TOKEN") == b"user=a@b\x01auth=Bearer TOKEN\x01\x01"
    # RFC 7628, section 4.1
    assert oauthbearer("user@example.com", "vF9dft4q", Endpoint("server.example.com", 143)) == (
        b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4q\x01\x01"
    )
    assert oauthbearer("a,b=c", "T", Endpoint("h", 1)).startswith(b"n,a=a=2Cb=3Dc,\x01")
    assert [after_error("xoauth2"), after_error("oauthbearer")] == [b"", b"\x01"]


@pytest.mark.parametrize(
    ("challenge", "status"),
    [
        (b'{"status":"invalid_token","scope":"mail"}', "invalid_token"),
        (b'{"status":"401","schemes":"bearer","scope":"https://mail.google.com/"}', "401"),
        (b'{"status":400}', "400"),
        (b'{"status":"a\\u0000b"}', "ab"),
        (b'{"status":["x"]}', ""),
        (b'{"status":"' + b"x" * 900 + b'"}', "x" * 40),
        (b"[" * 100_000, ""),
        (b"\xff", ""),
        (b"", ""),
        (b"7", ""),
    ],
)
def test_the_status_of_an_error_is_read_whatever_the_server_writes(challenge: bytes, status: str) -> None:
    assert error_status(challenge) == status
