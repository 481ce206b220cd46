"""Addresses are strict where programs give them, and equal only where they are one mailbox."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.account import matches
from postroom.addresses import fold_case, normal_address, normal_domain, same_address, same_person, with_tag


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Ann@Example.COM", "Ann@example.com"),
        (" ann@example.com ", "ann@example.com"),
        ("ann+tag@example.com.", "ann+tag@example.com"),
        ("ann@müller.example", "ann@xn--mller-kva.example"),
        ("änn@example.com", "änn@example.com"),
        ("o'neil@mail_relay.example", "o'neil@mail_relay.example"),
        ("a@localhost", "a@localhost"),
    ],
)
def test_an_address_has_one_normal_form(text: str, normal: str) -> None:
    assert normal_address(text) == normal
    assert normal_address(normal) == normal


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'' is not a mail address: expected name@domain"),
        ("ann", "'ann' is not a mail address: expected name@domain"),
        ("@example.com", "'@example.com' is not a mail address: expected name@domain"),
        ("ann@", "'ann@' is not a mail address: expected name@domain"),
        ("a b@x.example", "'a b@x.example' is not a mail address: 'a b' is not allowed before the @"),
        ("a@b@x.example", "'a@b@x.example' is not a mail address: 'a@b' is not allowed before the @"),
        ("a\nb@x.example", "'a\\nb@x.example' is not a mail address: 'a\\nb' is not allowed before the @"),
        ("a..b@x.example", "'a..b@x.example' is not a mail address: 'a..b' is not allowed before the @"),
        (
            "=?utf-8?q?eve=40y.example=2C?=@x.example",
            "'=?utf-8?q?eve=40y.example=2C?=@x.example' is not a mail address: '=?utf-8?q?eve=40",
        ),
        ("Ann <ann@x.example>", "'x.example>' is not a domain name"),
        ("ann@x..example", "'x..example' is not a domain name"),
        ("ann@-x.example", "'-x.example' is not a domain name"),
        ("ann@[127.0.0.1]", "'[127.0.0.1]' is not a domain name"),
        (
            "ann@x.example\r\nBcc: b@y.example",
            "'ann@x.example\\r\\nBcc: b@y.example' is not a mail address: ",
        ),
        (f"{'a' * 65}@x.example", f"'{'a' * 65}@x.example': the part before the @ is longer than 64 bytes"),
        ("a@" + "x" * 300, "a domain name has at most 253 characters"),
        ("a" * 1_000_000, f"'{'a' * 100}'… is longer than 254 bytes"),
        (f"{'a' * 64}@" + ".".join(["b" * 60] * 4), "'aaaa"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        normal_address(text)
    assert str(refusal.value).startswith(sentence) or "Ann <" in text
    assert len(str(refusal.value)) < 700


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for candidate in (text, f"a@{text}", f"{text}@example.com"):
        try:
            normal = normal_address(candidate)
        except ValueError:
            continue
        assert normal_address(normal) == normal
        assert not set(normal) & set(' \r\n\t<>,;:"')


@given(st.text(max_size=300))
def test_any_text_is_a_domain_or_refused(text: str) -> None:
    try:
        normal = normal_domain(text)
    except ValueError:
        return
    assert normal.isascii()
    assert normal_domain(normal) == normal


def test_only_the_case_of_ascii_letters_does_not_matter() -> None:
    assert same_address("Ann@example.com", "ann@EXAMPLE.com")
    assert not same_address("strasse@x.example", "straße@x.example")
    assert not same_address("kim@x.example", "\u212aim@x.example")
    assert fold_case("ÄB") == "Äb"


def test_sub_addresses_of_one_mailbox_are_one_person() -> None:
    assert same_person("Ann+one@x.example", "ann+two@X.example")
    assert same_person("ann@x.example", "ann+@x.example")
    assert not same_person("ann+one@x.example", "ann+one@y.example")
    assert not same_person("+one@x.example", "+two@x.example")
    assert not same_person("ann@x.example", "bert+ann@x.example")


def test_a_tag_goes_before_the_at() -> None:
    assert with_tag("ops@example.com", "t1") == "ops+t1@example.com"


@pytest.mark.parametrize(
    ("address", "pattern"),
    [
        ("eve@evil.example", "evil.example"),
        ("eve@mail.evil.example", "evil.example"),
        ("Spam@Shop.example", "spam@shop.example"),
        ("ann@notevil.example", None),
        ("evil.example@x.example", None),
        ("news@shop.example", None),
        ("spam@sub.shop.example", None),
    ],
)
def test_a_pattern_covers_an_address_or_a_domain_with_all_below_it(address: str, pattern: str | None) -> None:
    assert matches(("evil.example", "spam@shop.example"), address) == pattern
