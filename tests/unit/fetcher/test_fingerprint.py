"""The same header block has the same hash, however a server cuts it out of the mail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_fetcher.fingerprint import HEADER_BYTES, header_sha256
from postroom_fetcher.response import header_block

HEADER = b"From: a@example.org\r\nSubject: x"


@pytest.mark.parametrize(
    "content",
    [
        HEADER,
        HEADER + b"\r\n",
        HEADER + b"\r\n\r\n",
        HEADER + b"\r\n\r\nbody\r\n\r\nmore",
        HEADER + b"\r\n\nbody",
    ],
)
def test_whatever_follows_the_header_does_not_count(content: bytes) -> None:
    assert header_sha256(content) == header_sha256(HEADER)


def test_a_mail_that_begins_with_an_empty_line_has_no_header() -> None:
    assert header_sha256(b"\r\nbody\r\n\r\nmore") == header_sha256(b"")
    assert header_block(b"\r\nbody\r\n\r\nmore") == b""


def test_another_header_has_another_hash() -> None:
    assert header_sha256(HEADER + b"\r\n\r\n") != header_sha256(HEADER + b"y\r\n\r\n")


def test_of_a_very_long_header_the_beginning_counts() -> None:
    long = HEADER + b"\r\nX: y" * HEADER_BYTES
    assert header_sha256(long) == header_sha256(long[:HEADER_BYTES])


@given(
    st.lists(st.sampled_from([b"A: b", b"\r\n", b"\n", b"\r", b" folded", b"x"]), max_size=12).map(b"".join)
)
def test_the_noted_header_and_the_whole_mail_have_the_same_hash(content: bytes) -> None:
    assert header_sha256(header_block(content)) == header_sha256(content)
