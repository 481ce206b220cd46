"""Which mails come next."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.account_servers import Imap
from postroom_fetcher.cursor import (
    Cursor,
    Limits,
    Selected,
    Start,
    chunks,
    criteria,
    start,
    within,
)
from postroom_fetcher.response import Metadata

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BEFORE = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
SELECTED = Selected(uidvalidity=7, uidnext=101, exists=40)


def imap(**fields: Any) -> Imap:
    return Imap(host="imap.example.org", port=993, user="u", password="env:P", **fields)


@pytest.mark.parametrize(
    ("since", "last_uid", "criterion"),
    [("now", 100, None), ("beginning", 0, None), (date(2026, 1, 31), 0, date(2026, 1, 31))],
)
def test_a_new_folder_begins_where_the_account_says(
    since: Any, last_uid: int, criterion: date | None
) -> None:
    begun = start(imap(since=since), SELECTED, None, NOW)
    assert begun.cursor == Cursor(
        7,
        last_uid,
        NOW,
        # With `since: now` nothing below the first look is new, whenever it appears.
        settled_uid=last_uid,
        marked_uid=100,
        marked_at=NOW,
        scanned_after_uid=last_uid,
        scanned_uid=last_uid,
    )
    assert begun.fresh
    assert begun.since == criterion


@pytest.mark.parametrize("since", ["now", "beginning"])
def test_a_known_folder_goes_on_after_its_cursor(since: Any) -> None:
    stored = Cursor(7, 60, BEFORE)
    assert start(imap(since=since), SELECTED, stored, NOW) == Start(stored, fresh=False, since=None)


def test_a_day_holds_for_later_mail_as_well() -> None:
    stored = Cursor(7, 60, BEFORE)
    assert start(imap(since=date(2026, 1, 31)), SELECTED, stored, NOW).since == date(2026, 1, 31)


@pytest.mark.parametrize(
    ("since", "criterion"),
    [("now", date(2026, 2, 28)), ("beginning", None), (date(2026, 1, 1), date(2026, 1, 1))],
)
def test_another_uidvalidity_begins_anew_and_the_past_stays_past(since: Any, criterion: date | None) -> None:
    begun = start(imap(since=since), SELECTED, Cursor(6, 500, BEFORE), NOW)
    assert (begun.cursor.uidvalidity, begun.cursor.last_uid) == (7, 0)
    assert begun.fresh
    assert begun.since == criterion


def test_the_day_that_keeps_the_past_past_is_kept() -> None:
    begun = start(imap(since="now"), SELECTED, Cursor(6, 500, BEFORE), NOW)
    assert start(imap(since="now"), SELECTED, begun.cursor, NOW).since == date(2026, 2, 28)


@pytest.mark.parametrize(
    ("fields", "since", "expected"),
    [
        ({}, None, "UID 5:9"),
        ({"messages": "unread"}, None, "UID 5:9 UNSEEN"),
        ({"messages": "unread"}, date(2026, 2, 3), "UID 5:9 UNSEEN SINCE 3-Feb-2026"),
    ],
)
def test_the_search_follows_the_account(fields: dict[str, Any], since: date | None, expected: str) -> None:
    assert criteria(imap(**fields), "5:9", since) == expected


def test_what_a_search_gives_unasked_is_left_out() -> None:
    # `UID 5:9` finds the last mail of a folder even when its UID is lower, if a server reads 9 as *.
    assert within([9, 4, 7, 7, 12], (5, 9)) == [7, 9]


sizes = st.lists(st.integers(0, 300), max_size=120)


@given(sizes, st.integers(1, 20), st.integers(1, 900))
def test_chunks_keep_every_mail_and_its_order_within_their_bounds(
    found: list[int], chunk_mails: int, chunk_bytes: int
) -> None:
    limits = Limits(inline_bytes=200, max_size_bytes=1000, chunk_mails=chunk_mails, chunk_bytes=chunk_bytes)
    mails = [Metadata(uid, size, None) for uid, size in enumerate(found, start=1)]
    made = list(chunks(mails, limits))
    assert [mail for chunk in made for mail in chunk.mails] == mails
    for chunk in made:
        assert len(chunk.mails) <= (chunk_mails if chunk.inline else 1)
        assert all((mail.size_bytes <= 200) == chunk.inline for mail in chunk.mails)
        assert len(chunk.mails) == 1 or sum(mail.size_bytes for mail in chunk.mails) <= chunk_bytes
