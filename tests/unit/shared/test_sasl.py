"""What is sent to sign in, and what is understood of a refusal."""

from __future__ import annotations

import pytest

from postroom.sasl import AFTER_ERROR, error_status, oauthbearer, plain, xoauth2


def test_responses_are_those_of_the_specifications() -> None:
    assert plain("jörg", "päss") == "\0jörg\0päss".encode()
    assert xoauth2("a@b", "TOKEN") == b"user=a@b\x01auth=Bearer TOKEN\x01\x01"
    # RFC 7628, section 4.1
    assert oauthbearer("user@example.com", "vF9dft4q", "server.example.com", 143) == (
        b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4q\x01\x01"
    )
    assert oauthbearer("a,b=c", "T", "h", 1).startswith(b"n,a=a=2Cb=3Dc,\x01")
    assert AFTER_ERROR == {"xoauth2": b"", "oauthbearer": b"\x01"}


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
