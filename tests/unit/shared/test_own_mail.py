"""A mail that we sent is known again, whatever a provider does to its header and its line ends."""

from __future__ import annotations

import pytest

from postroom.own_mail import content_sha256

SENT = b"From: a@example.org\r\nSubject: x\r\n\r\nOne\r\n\r\nTwo\r\n"


@pytest.mark.parametrize(
    "filed",
    [
        b"Received: here\r\n" + SENT,
        SENT.replace(b"\r\n", b"\n"),
        SENT + b"\r\n\r\n",
        SENT.rstrip(b"\r\n"),
    ],
)
def test_a_body_is_the_same(filed: bytes) -> None:
    assert content_sha256(filed) == content_sha256(SENT)


@pytest.mark.parametrize(
    "other", [b"", SENT + b"Three", SENT.replace(b"\r\n\r\nTwo", b"\r\nTwo"), b"\r\nOne"]
)
def test_another_body_is_another(other: bytes) -> None:
    assert content_sha256(other) != content_sha256(SENT)
