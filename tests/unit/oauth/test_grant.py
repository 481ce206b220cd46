"""What is made of a token endpoint's answer, and when a token is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom.errors import Transient
from postroom.oauth.grant import DEFAULT_LIFETIME_S, MAX_LIFETIME_S, Grant, received

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ACCESS, REFRESH = "an-access-token", "a-refresh-token"


def grant(**answer: Any) -> Grant:
    return received({"access_token": ACCESS, **answer}, "source", NOW)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("expires_in", "lifetime_s"),
    [
        (3599, 3599),
        ("3599", 3599),
        (None, DEFAULT_LIFETIME_S),
        (0, DEFAULT_LIFETIME_S),
        (-5, DEFAULT_LIFETIME_S),
        ("soon", DEFAULT_LIFETIME_S),
        ([], DEFAULT_LIFETIME_S),
        (10**30, MAX_LIFETIME_S),
    ],
)
def test_the_lifetime_is_what_the_provider_says_or_an_hour(expires_in: object, lifetime_s: int) -> None:
    assert grant(expires_in=expires_in).expires_at == after(lifetime_s)


@pytest.mark.parametrize(("lifetime_s", "margin_s"), [(86400, 300), (3600, 300), (600, 60), (10, 1)])
def test_a_token_is_due_when_five_minutes_or_a_tenth_are_left(lifetime_s: int, margin_s: int) -> None:
    found = grant(expires_in=lifetime_s)
    assert found.is_fresh(after(lifetime_s - margin_s - 0.1))
    assert not found.is_fresh(after(lifetime_s - margin_s))
    assert found.is_valid(after(lifetime_s - 0.1))
    assert not found.is_valid(after(lifetime_s))


def test_what_a_refresh_does_not_repeat_stays() -> None:
    former = grant(refresh_token=REFRESH, scope="mail", refresh_token_expires_in=1000)
    assert former.refresh_expires_at == after(1000)
    later = received({"access_token": "another"}, "source", after(500), former)
    assert (later.refresh_token, later.scope, later.refresh_expires_at) == (REFRESH, "mail", after(1000))
    rotated = received({"access_token": "another", "refresh_token": "third"}, "source", after(500), former)
    assert (rotated.refresh_token, rotated.refresh_expires_at) == ("third", None)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": ""},
        {"access_token": 5},
        {"access_token": "a b"},
        {"access_token": "a\r\nb"},
        {"access_token": "a\x01auth"},
        {"access_token": "x" * 20000},
        {"access_token": ACCESS, "refresh_token": {"a": 1}},
    ],
)
def test_what_is_no_token_is_not_taken_for_one(answer: dict[str, Any]) -> None:
    with pytest.raises(Transient, match="no usable token"):
        received(answer, "source", NOW)


def test_a_grant_comes_back_from_the_store_as_it_was_and_shows_no_token() -> None:
    found = grant(refresh_token=REFRESH, refresh_expires_in=9, expires_in=7, scope="a b")
    assert Grant.from_json(found.to_json()) == found
    assert Grant.from_json(Grant("source").to_json()) == Grant("source")
    for text in (repr(found), str(found)):
        assert ACCESS not in text
        assert REFRESH not in text


def test_a_token_that_was_refused_is_of_no_use_and_the_refresh_token_is() -> None:
    found = grant(refresh_token=REFRESH).without_access()
    assert not found.is_valid(NOW)
    assert found.refresh_token == REFRESH
