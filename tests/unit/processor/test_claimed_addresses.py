"""What a mail may be said to be from, where its From cannot be read strictly."""
# ruff: noqa: RUF001
# Look-alike letters are what one case is about.

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.account import Account
from postroom_processor.claimed_addresses import MAX_FOUND, claimed_addresses
from postroom_processor.examine import examine
from postroom_processor.mail import read_mail
from tests.unit.processor.test_decide import received

VECTORS = Path(__file__).resolve().parents[4] / "shared/data/vectors/from_header.json"
ACCOUNT = Account.model_validate(
    {
        "name": "release",
        "address": "release@corp.example",
        "deny": "spam.example\neve@shop.example",
        "imap": {"host": "imap.example", "user": "u", "password": "env:P"},
    }
)


def denied_by(header: str) -> str | None:
    content = header.encode("utf-8", "surrogateescape") + b"\r\nTo: x@y.z\r\n\r\nhi\r\n"
    return examine(received(content), content, ACCOUNT).denied_by


@pytest.mark.parametrize(
    "header",
    [
        "From: eve@shop.example",
        "From: EVE+news@SHOP.example",
        'From: "A friend" <eve@shop.example>',
        'From: "friend@good.example" <x@mail.spam.example>',
        'From: "eve"@shop.example',
        'From: "e\\ve"@shop.example',
        'From: "eve" @ shop . example',
        "From: eve(the friend)@shop.example",
        "From: eve@(the (nested) friend)shop.example",
        "From: eve@shop.example.",
        "From: <@relay.example:eve@shop.example>",
        "From: undisclosed: eve@shop.example;",
        "From: good@good.example, eve@shop.example",
        "From: good@good.example\r\nFrom: eve@shop.example",
        "From : good@good.example\r\nfrom: eve@shop.example",
        "From: =?utf-8?q?eve=40shop=2Eexample?=",
        "From: <=?utf-8?b?ZXZlQHNob3AuZXhhbXBsZQ==?=>",
        "From: eve@shop.example)x",
        "From: a@b.example\r\nFrom: c@d.example\r\nSender: eve@shop.example",
        "From:\r\nReturn-Path: <eve@shop.example>",
        "From: nobody\r\nReply-To: eve@shop.example",
        "From: x@ｓｐａｍ。example",
        "From: <x@spam.example> (eve",
        f"From: {'x' * 30_000} <eve@shop.example>",
        f'From: "{"x" * 15_000}" <eve@shop.example> {"y" * 8_000}',
    ],
)
def test_no_way_of_writing_it_gets_around_a_rule(header: str) -> None:
    assert denied_by(header) is not None


@pytest.mark.parametrize(
    "header",
    [
        'From: "eve@shop.example" <good@good.example>',
        "From: good@good.example\r\nSender: eve@shop.example",
        "From: good@good.example\r\nReply-To: eve@shop.example",
        "From: =?utf-8?q?=3Ceve=40shop.example=3E?= <good@good.example>",
        "From: eve%shop.example@good.example",
    ],
)
def test_a_strictly_read_author_alone_counts(header: str) -> None:
    assert denied_by(header) is None


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"{VECTORS} is not here")
def test_every_vector_is_denied_by_its_sender_or_by_all_that_stand_in_it() -> None:
    for case in json.loads(VECTORS.read_text(encoding="utf-8")):
        mail = read_mail(case["header"].encode("latin-1") + b"\r\n\r\n")
        if case["sender"] is None:
            found = claimed_addresses(mail)
            assert any("corp.com" in each or "evil" in each or "x.org" in each for each in found), case[
                "name"
            ]


def test_all_that_hides_is_found() -> None:
    mail = read_mail(
        b'From: "evil@x.org" <good@y.org>, =?utf-8?q?Bad=40Z.org?= <q@r.org>\r\n'
        b"Sender: S@t.org\r\nReply-To: a:b@c.org;\r\nTo: no@no.org\r\n\r\n"
    )
    found = set(claimed_addresses(mail))
    assert {"evil@x.org", "good@y.org", "Bad@Z.org", "q@r.org", "S@t.org", "b@c.org"} <= found
    assert "no@no.org" not in found


@given(st.text(alphabet='ab@.<>"\\(),: \t', max_size=200))
def test_whatever_stands_there_is_read(text: str) -> None:
    claimed_addresses(read_mail(f"From: {text}\r\nSender: {text}\r\n\r\n".encode()))


@pytest.mark.parametrize("unit", ["a@", "@", '"a"@b.c,', "(", '"', "\\", " .", "=?utf-8?q?a=40b?=", "a@b.c "])
def test_a_hostile_header_is_read_in_bounded_time(unit: str) -> None:
    lines = [f"From: {unit * (18_000 // len(unit))}" for _ in range(13)]
    mail = read_mail("\r\n".join([*lines, "", ""]).encode())
    started = time.process_time()
    assert len(claimed_addresses(mail)) <= MAX_FOUND
    assert time.process_time() - started < 2
