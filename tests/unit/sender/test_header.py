"""The gate of headers: what it refuses, and that it believes no interpreter's encoding."""

from __future__ import annotations

import email.base64mime
import email.header
import email.utils
import re
import urllib.parse

import pytest

from postroom.errors import Permanent
from postroom_sender.header import (
    Field,
    Mailbox,
    Mailboxes,
    Text,
    Verbatim,
    WithParameter,
    header_block,
    read_back,
)

ENCODED = "=?utf-8?b?eA==?="
BREAK = "=?utf-8?q?a=0D=0ABcc:_x@example.com?="


def words(text: str) -> str:
    """What a reader shows for encoded words."""
    return str(email.header.make_header(email.header.decode_header(text)))


@pytest.mark.parametrize(
    "written",
    [
        "x\r\nBcc: eve@example.com",
        "=?utf-8?b?w6Q=?=\r\nBcc: eve@example.com",  # after what was meant
        "=?utf-8?b?w6Q=?=\r\n\r\n<p>",
        "x\r\n\r\n<p>",
        "x\nBcc: eve@example.com",
        "x\r Bcc",
        "x\0",
        "",
        "=?utf-8?b?ZXZl?=",  # "eve"
        "=?utf-8?b?!?=",
        "=?no-such-charset?b?ZXZl?=",
        "x" * 1000,
    ],
)
@pytest.mark.parametrize("field", [Text("Subject", "ä"), Mailbox("From", "anna@example.com", "ä")])
def test_an_interpreter_that_encodes_wrongly_gets_no_header_out(
    monkeypatch: pytest.MonkeyPatch, field: Field, written: str
) -> None:
    header_block([field])
    monkeypatch.setattr(email.base64mime, "header_encode", lambda *_: written)
    with pytest.raises(Permanent):
        header_block([field])


@pytest.mark.parametrize(
    "written", ['x"; filename="eve.exe', "x; name=eve", "x\r\nBcc: eve@example.com", "eve.pdf", "x\0", ""]
)
def test_an_interpreter_that_encodes_the_name_of_a_file_wrongly_gets_no_header_out(
    monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    field = WithParameter("Content-Disposition", "attachment", "filename", "ä.pdf")
    header_block([field])
    monkeypatch.setattr(urllib.parse, "quote_from_bytes", lambda *_: written)
    with pytest.raises(Permanent):
        header_block([field])


def test_an_interpreter_that_reads_an_address_otherwise_gets_no_header_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    field = Mailbox("To", "unread@example.com", "Ann Unread")
    monkeypatch.setattr(email.utils, "parseaddr", lambda *_: ("Ann Unread", "eve@example.com"))
    with pytest.raises(Permanent, match="the header To would not be read as it was meant"):
        header_block([field])


@pytest.mark.parametrize(
    "field",
    [
        Text("Subject", "a\r\nBcc: x"),
        Text("Subject", "ä\nBcc: x"),
        Text("Subject", "a\u2028b"),
        Text("Subject", "a\x9bb"),
        Text("Subject", "a\ud800b"),
        Verbatim("X-Postroom-Id", "a\r\n b"),
        Verbatim("X-Postroom-Id", "ä"),
        Verbatim("X-Postroom-Id", "x" * 1000),
        Mailbox("To", "a@example.com", "a\r\nb"),
        Mailbox("To", "a\nb@example.com"),
        Mailbox("To", "a\ud800b@example.com"),
        Mailboxes("Cc", ("a@example.com", "b@example.com, c@example.com")),
        Mailboxes("Cc", ("a@example.com", "b@example.com\r\nBcc: c@example.com")),
        WithParameter("Content-Type", "text/plain", "name", "a\r\nb"),
        WithParameter("Content-Type", "text/plain", "name", "a\ud800b"),
        WithParameter("Content-Type", "text/plain; charset=utf-8", "name", "a"),
        WithParameter("Content-Type", "text/plain\r\nBcc: x", "name", "a"),
    ],
    ids=repr,
)
def test_what_no_header_may_hold_is_refused(field: Field) -> None:
    with pytest.raises(Permanent):
        header_block([field])


@pytest.mark.parametrize("name", ["Sub ject", "Subject: a", "Subjäct", "", " Subject", "Subject\r\nBcc"])
def test_what_is_no_name_of_a_header_is_refused(name: str) -> None:
    with pytest.raises(Permanent):
        header_block([Text("X-First", "x"), Text(name, "value")])


@pytest.mark.parametrize(
    "block", [b"A: b\nC: d\r\n", b"A: b\rC: d\r\n", b"A: \0\r\n", b"A: b\r\n\r\n", b" a: b\r\n", b"A:b\r\n"]
)
def test_what_readers_may_take_for_other_headers_is_not_read_as_a_header(block: bytes) -> None:
    with pytest.raises(Permanent):
        read_back(block)


@pytest.mark.parametrize(
    "field",
    [
        Verbatim("In-Reply-To", f"<{BREAK}@example.com>"),
        Verbatim("X-Postroom-Id", "=?utf-8?b?AA==?="),
        Mailbox("To", f"{BREAK}@example.com"),
        # Readers decode before they find the address, and write to eve@example.com.
        Mailbox("To", "=?utf-8?q?eve=40example.com=2C?=@example.net"),
        Mailbox("To", "=?utf-8?q?eve=40example.com=2C?=@example.net", "Anna"),
        Mailboxes("Cc", ("anna@example.com", "=?utf-8?q?eve=40example.com=2C?=@example.net")),
    ],
    ids=repr,
)
def test_what_is_harmful_once_it_is_decoded_is_refused(field: Field) -> None:
    with pytest.raises(Permanent):
        header_block([field])


def test_a_url_may_look_like_the_beginning_of_an_encoded_word() -> None:
    way = "<https://example.com/leave?next=?x&page=?=>"
    assert header_block([Verbatim("List-Unsubscribe", way)]) == f"List-Unsubscribe: {way}\r\n".encode()


@pytest.mark.parametrize("value", [ENCODED, BREAK, f"a {ENCODED} b", "=?", "=?utf-8?x?no?="])
def test_what_looks_like_an_encoded_word_is_shown_as_it_is(value: str) -> None:
    fields: list[Field] = [Text("Subject", value), Mailbox("From", "a@example.com", value)]
    (_, subject), (_, sender) = read_back(header_block(fields))
    assert words(subject) == value
    assert words(sender.removesuffix(" <a@example.com>")) == value


def test_encoded_words_have_the_length_that_readers_take_and_split_no_character() -> None:
    block = header_block([Text("Subject", "ä€😀" * 30)]).decode()
    found = re.findall(r"=\?[^ \r\n]+\?=", block)
    assert len(found) > 5
    assert all(len(word) <= 75 for word in found)  # RFC 2047 section 2
    assert all(set(words(word)) <= set("ä€😀") for word in found)
    assert all(len(line) <= 78 for line in block.split("\r\n"))
