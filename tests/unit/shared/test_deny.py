"""Deny lists: one form for every spelling of an address, and what can be denied at all."""
# ruff: noqa: RUF001
# Look-alike letters are what this is about.

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.deny import (
    DenyList,
    Rule,
    canonical_address,
    canonical_pattern,
    compile_patterns,
    first_covering,
    keys_of,
    written_pattern,
)

BUCHER = compile_patterns(("bücher.example", "Eve+x@Shop.example"), "release")


@pytest.mark.parametrize(
    "address",
    [
        "a@bücher.example",
        "a@BÜCHER.EXAMPLE.",
        "a@bu\u0308cher.example",
        "a@xn--bcher-kva.example",
        "a@XN--BCHER-KVA.example",
        "a@mail.news.bücher.example",
        "a@bücher。example",
        "a@ｂüｃher．example",
        "a@bü\u00adcher.example",
        "a@bü\u200bcher.example",
        "bücher.example",
        "eve@shop.example",
        "EVE+anything+else@shop.example",
        "ｅｖｅ@shop.example",
        "e\u200bve@shop.example",
        '"eve"@shop.example',
        '"e\\ve+7"@shop.example',
    ],
)
def test_every_spelling_is_covered(address: str) -> None:
    assert BUCHER.covers(address) is not None


@pytest.mark.parametrize(
    "address",
    ["a@bucher.example", "a@notbücher.example", "a@bücher.example.org", "a@shop.example", "a@example", "eve"],
)
def test_another_address_is_not(address: str) -> None:
    assert BUCHER.covers(address) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("com", "top-level domain"),
        ("a@com", "top-level domain"),
        ("com.", "top-level domain"),
        ("", "expected an address"),
        ("@", "expected an address"),
        ("a@", "expected an address"),
        ("a b@shop.example", "not allowed before the @"),
        ("a@b@shop.example", "not allowed before the @"),
        ("shop..example", "expected an address"),
        ("*.shop.example", "expected an address"),
        ("-shop.example", "expected an address"),
        ("shop_/.example", "expected an address"),
        ("192.0.2.1", "IP address"),
        ("a@[192.0.2.1]", "IP address"),
        ("a@[IPv6:2001:db8::1]", "IP address"),
        ("a" * 600 + "@shop.example", "too long"),
        (f"a@{'b' * 64}.example", "expected an address"),
    ],
)
def test_what_cannot_be_denied_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        canonical_pattern(text)


@given(st.text(max_size=40), st.sampled_from(["shop.example", "Bücher.example", "☃.example", "a_b.example"]))
def test_a_rule_covers_its_own_address_and_reads_the_same_when_written(local: str, domain: str) -> None:
    text = f"{local}@{domain}"
    try:
        key = canonical_pattern(text)
    except ValueError:
        return
    assert canonical_pattern(written_pattern(key)) == key
    assert DenyList({key: Rule(text)}).covers(text) is not None


@given(st.text(max_size=300))
def test_whatever_a_sender_writes_has_keys_or_none(text: str) -> None:
    canonical_address(text)
    assert len(list(keys_of(text))) <= 301


def test_the_first_list_that_covers_any_address_wins() -> None:
    own = compile_patterns(("a@shop.example",), "release")
    everybodys = compile_patterns(("shop.example",), None)
    found = first_covering([own, everybodys], ["b@shop.example", "a@shop.example"])
    assert found is not None
    assert found.told == "a@shop.example (of release, from the accounts file)"
    assert first_covering([], ["a@shop.example"]) is None


def test_a_hundred_thousand_rules_cost_a_look_no_more_than_ten() -> None:
    few = DenyList({f"n{number}.example": Rule(f"n{number}.example") for number in range(10)})
    many = DenyList({f"n{number}.example": Rule(f"n{number}.example") for number in range(100_000)})
    senders = [f"x@mail.n{number}.example.org" for number in range(1_000)]

    def look(rules: DenyList) -> float:
        started = time.process_time()
        for sender in senders:
            assert rules.covers(sender) is None
        return time.process_time() - started

    assert min(look(many) for _ in range(5)) < 5 * min(look(few) for _ in range(5))
