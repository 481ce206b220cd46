import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_processor.mail import read_mail
from postroom_processor.sender_address import only_sender

VECTORS = Path(__file__).resolve().parents[4] / "shared/data/vectors/from_header.json"


def sender_of(header: str) -> str | None:
    return only_sender(read_mail(header.encode("latin-1") + b"\r\nTo: x@y.z\r\n\r\nhi\r\n"))


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"{VECTORS} is not here")
def test_every_vector_has_the_sender_it_says() -> None:
    wrong = [
        case["name"]
        for case in json.loads(VECTORS.read_text(encoding="utf-8"))
        if sender_of(case["header"]) != case["sender"]
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        ("From: boss@corp.com", "boss@corp.com"),
        ("From:boss@corp.com", "boss@corp.com"),
        ("From: <boss@corp.com>", "boss@corp.com"),
        ("From: The Boss <boss@CORP.com>", "boss@corp.com"),
        ("From: The.Boss <Big.Boss@corp.com>", "Big.Boss@corp.com"),
        ('From: "Boss, The" <boss@corp.com>', "boss@corp.com"),
        ("from: =?utf-8?q?B=C3=B6ss?= <boss@corp.com>", "boss@corp.com"),
        ("From: B\xf6ss <boss@corp.com>", "boss@corp.com"),
        ("From: boss@corp.com (The Boss)", "boss@corp.com"),
        ("From: Boss (Chief) <boss@corp.com> (really)", "boss@corp.com"),
        ("From: The Boss\r\n <boss@corp.com>", "boss@corp.com"),
        ("From: boss+tag@corp.com", "boss+tag@corp.com"),
        ("From: boss@localhost", "boss@localhost"),
    ],
)
def test_one_plain_mailbox_is_the_sender(header: str, sender: str) -> None:
    assert sender_of(header) == sender


@pytest.mark.parametrize(
    "header",
    [
        "X: y",
        "From:",
        "From: <>",
        "From: boss",
        "From: The Boss",
        "From: boss@corp.com\r\nFrom: boss@corp.com",
        "From: boss@corp.com\r\nFROM : evil@x.org",
        "From: boss@corp.com, evil@x.org",
        "From: <boss@corp.com> <evil@x.org>",
        "From: boss@corp.com <evil@x.org>",
        "From: <boss@corp.com> evil@x.org",
        "From: group: boss@corp.com;",
        "From: boss@corp.com;evil@x.org",
        "From: <@corp.com:evil@x.org>",
        "From: boss@corp.com(evil)@x.org",
        "From: boss(x)@corp.com)",
        "From: boss @corp.com",
        "From: <boss @corp.com>",
        "From: boss@corp..com",
        "From: .boss@corp.com",
        "From: boss.@corp.com",
        "From: boss@-corp.com",
        "From: boss@corp.com.",
        "From: boss@corp_x.com",
        "From: boss@[127.0.0.1]",
        'From: "boss"@corp.com',
        'From: "boss@corp.com"@evil.org',
        "From: =?utf-8?q?boss=40corp.com?=",
        "From: <=?utf-8?q?boss?=@corp.com>",
        "From: b\xf6ss@corp.com",
        "From: boss@c\xf6rp.com",
        "From: boss@corp.com\x00",
        "From: boss@corp.com\revil@x.org",
        "From: boss@corp.com\x0bevil",
        'From: "Boss <boss@corp.com>',
        "From: Boss <boss@corp.com",
        "From: (" + "(" * 500 + " <boss@corp.com>",
        "From: " + "a" * 65 + "@corp.com",
        "From: boss@" + "a." * 200 + "com",
    ],
)
def test_anything_else_has_no_sender(header: str) -> None:
    assert sender_of(header) is None


@given(st.text(alphabet=' \t"\\()<>@,;:.ab-=?\r\n\x00é', max_size=60))
def test_a_sender_is_always_one_plain_address_of_the_field(value: str) -> None:
    sender = sender_of(f"From: {value}")
    if sender is not None:
        assert sender.count("@") == 1
        assert sender.lower() in value.lower()
