"""Reply tokens prove what they stand for and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.reply_token import (
    MAX_FOUND,
    ParsedToken,
    TokenClaim,
    TokenKey,
    TokenKeys,
    bears_token,
    find_tokens,
    make_token,
    parse_token,
    verify_token,
)

OLD, NEW = TokenKey(1, b"a" * 32), TokenKey(2, b"b" * 32)
KEYS = TokenKeys((NEW, OLD))
CLAIM = TokenClaim("rel-1", "ann@example.com", "0" * 64, datetime(2026, 1, 31, tzinfo=UTC))
TOKEN = make_token(CLAIM, KEYS)
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
CLAIMS = st.builds(
    TokenClaim,
    approval_id=st.text(max_size=20),
    approver=st.text(max_size=20),
    content_hash=st.text(max_size=20),
    expires_at=st.datetimes(timezones=st.just(UTC)),
)


def parsed(text: str) -> ParsedToken:
    token = parse_token(text)
    assert token is not None
    return token


@given(CLAIMS, st.binary(min_size=32, max_size=40), st.integers(0, 255))
def test_a_token_proves_its_claim(claim: TokenClaim, secret: bytes, key_id: int) -> None:
    keys = TokenKeys((TokenKey(key_id, secret),))
    text = make_token(claim, keys)
    assert parsed(text).text == text
    assert verify_token(parsed(text), claim, keys)


@given(CLAIMS, CLAIMS)
def test_a_token_proves_no_other_claim(one: TokenClaim, other: TokenClaim) -> None:
    seconds = [replace(claim, expires_at=claim.expires_at.replace(microsecond=0)) for claim in (one, other)]
    same = seconds[0] == seconds[1] or (
        replace(seconds[0], approver="") == replace(seconds[1], approver="")
        and one.approver.lower() == other.approver.lower()
    )
    assert same or not verify_token(parsed(make_token(one, KEYS)), other, KEYS)


@given(st.integers(0, 39), st.sampled_from(BASE32))
def test_any_other_letter_breaks_a_token(position: int, letter: str) -> None:
    index = 2 + position
    changed = TOKEN[:index] + letter + TOKEN[index + 1 :]
    assert verify_token(parsed(changed), CLAIM, KEYS) == (changed == TOKEN)


@pytest.mark.parametrize(
    "other",
    [
        replace(CLAIM, approval_id="rel-2"),
        replace(CLAIM, approver="bob@example.com"),
        replace(CLAIM, content_hash="1" * 64),
        replace(CLAIM, expires_at=CLAIM.expires_at + timedelta(seconds=1)),
        # The same letters, cut into fields elsewhere.
        replace(CLAIM, approval_id="rel-1a", approver="nn@example.com"),
        # Full case folding would make these two people one.
        replace(CLAIM, approver="ann@example.\u212aom"),
    ],
)
def test_a_token_does_not_serve_for_anything_else(other: TokenClaim) -> None:
    assert not verify_token(parsed(TOKEN), other, KEYS)


def test_case_of_the_token_and_of_the_approver_do_not_matter() -> None:
    assert verify_token(parsed(TOKEN.upper()), CLAIM, KEYS)
    assert verify_token(parsed(TOKEN), replace(CLAIM, approver="Ann@Example.COM"), KEYS)


def test_approvers_that_only_full_case_folding_makes_equal_have_different_tokens() -> None:
    one, other = replace(CLAIM, approver="straße@x.example"), replace(CLAIM, approver="strasse@x.example")
    assert not verify_token(parsed(make_token(one, KEYS)), other, KEYS)


def test_a_key_that_no_longer_signs_still_verifies_until_it_is_retired() -> None:
    token = parsed(make_token(CLAIM, TokenKeys((OLD,))))
    assert verify_token(token, CLAIM, KEYS)
    assert not verify_token(token, CLAIM, TokenKeys((NEW,)))
    assert not verify_token(token, CLAIM, TokenKeys((replace(OLD, secret=b"c" * 32),)))


def test_keys_are_not_shown() -> None:
    assert "aaaa" not in repr(OLD)
    assert "aaaa" not in repr(KEYS)


@pytest.mark.parametrize(
    "text",
    [
        f"ops+{TOKEN}@example.com",
        f"Re: Deploy 7? [{TOKEN.upper()}]",
        f"> > {TOKEN}",
        f"<{TOKEN}.1@example.com>",
        f"é{TOKEN}é",
        f'href=3D"mailto:ops+{TOKEN}@example.com"',
        "prprprpr " * 50 + TOKEN,
        f"pr{'a' * 39} {TOKEN}",
    ],
)
def test_a_token_is_found_in_what_mail_programs_make_of_it(text: str) -> None:
    assert parsed(TOKEN) in find_tokens([text])
    assert bears_token(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"x{TOKEN}",
        f"{TOKEN}x",
        TOKEN[:-1],
        f"{TOKEN[:20]} {TOKEN[20:]}",
        TOKEN.replace(TOKEN[5], "1"),
        "pr" + "\u212a" * 40,  # Kelvin signs, which ignoring case would take for the letter k
        "pr" + "\u017f" * 40,  # long s
        "p\u0155" + TOKEN[2:],
    ],
)
def test_what_is_no_token_is_not_found(text: str) -> None:
    assert find_tokens([text]) == ()
    assert parse_token(text) is None
    assert not bears_token(text.encode())


def test_a_token_that_occurs_often_is_found_once_and_in_order() -> None:
    other = make_token(replace(CLAIM, approver="bob@example.com"), KEYS)
    assert find_tokens([f"{TOKEN} {TOKEN.upper()}", "", f"{other} {TOKEN}"]) == (parsed(TOKEN), parsed(other))


def test_a_mail_full_of_tokens_gives_only_so_many() -> None:
    many = [make_token(replace(CLAIM, approval_id=str(number)), KEYS) for number in range(2 * MAX_FOUND)]
    assert find_tokens([" ".join(many)]) == tuple(map(parsed, many[:MAX_FOUND]))


@given(st.text())
def test_any_text_can_be_searched(text: str) -> None:
    find_tokens([text, text.upper(), f"pr{text * 20}"])


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", [b"pr", b"p", b" pr" + b"a" * 39, b"PR\n", b"pr" + b"a" * 41 + b"-"])
def test_a_megabyte_of_near_misses_is_searched_in_linear_time(piece: bytes) -> None:
    assert not bears_token(piece * (1_000_000 // len(piece)))
