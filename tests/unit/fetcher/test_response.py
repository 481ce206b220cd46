"""Answers of servers, as they should be and as they are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_fetcher.response import (
    Metadata,
    header_block,
    read_bodies,
    read_date,
    read_fetch,
    read_head,
    read_message_id,
    read_metadata,
    read_part,
    read_search,
)


def test_metadata_is_read_in_the_order_asked_for() -> None:
    answer = read_fetch(
        [
            b'2 (UID 12 RFC822.SIZE 300 INTERNALDATE "17-Jul-2026 02:44:25 -0700")',
            b'1 (INTERNALDATE " 1-Jan-2026 00:00:00 +0000" UID 11 RFC822.SIZE 200)',
        ]
    )
    assert read_metadata(answer, [11, 12, 13]) == [
        Metadata(11, 200, datetime(2026, 1, 1, tzinfo=UTC)),
        Metadata(12, 300, datetime(2026, 7, 17, 9, 44, 25, tzinfo=UTC)),
    ]


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_mails_are_read_byte_for_byte_whatever_they_look_like(mails: list[bytes]) -> None:
    parts: list[object] = []
    for uid, mail in enumerate(mails, start=1):
        parts += [(f"{uid} (UID {uid} BODY[] {{{len(mail)}}}".encode(), mail), b" FLAGS (\\Seen))"]
    asked = range(1, len(mails) + 1)
    assert read_bodies(read_fetch(parts), asked) == dict(zip(asked, mails, strict=True))


def test_a_mail_that_came_as_a_quoted_string_is_unescaped() -> None:
    answer = read_fetch([rb'1 (UID 5 BODY[] "a \"b\" \\ c")'])
    assert read_bodies(answer, [5]) == {5: rb'a "b" \ c'}


def test_an_answer_in_pieces_is_put_together() -> None:
    answer = read_fetch([b"1 (FLAGS () UID 5)", b"1 (RFC822.SIZE 7 UID 5)"])
    assert read_metadata(answer, [5]) == [Metadata(5, 7, None)]


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [None],
        [b""],
        [b"5 (FLAGS (\\Seen))"],
        [b"1 (UID 6 RFC822.SIZE 10)"],
        [b"1 (UID 5)"],
        [b"1 (UID 5 RFC822.SIZE many)"],
        [b"1 (UID 5 RFC822.SIZE -1)"],
        [b"1 (UID 5 RFC822.SIZE 99999999999999999999)"],
        [b"1 (UID 99999999999 RFC822.SIZE 10)"],
        [b"1 (UID 5 RFC822.SIZE"],
        [b"1 (UID 5 X (((("],
        [(b"{3}", b"abc"), b""],
        [b'1 (X "UID 5 RFC822.SIZE 10")'],
    ],
)
def test_what_does_not_answer_the_question_is_no_answer(parts: list[object]) -> None:
    answer = read_fetch(parts)
    assert read_metadata(answer, [5]) == []
    assert read_bodies(answer, [5]) == {}
    assert read_part(answer, 5, 0) is None
    assert read_head(answer, 5) is None


@given(st.lists(st.binary(max_size=30) | st.tuples(st.binary(max_size=20), st.binary(max_size=20))))
def test_no_answer_raises(parts: list[object]) -> None:
    answer = read_fetch(parts)
    read_metadata(answer, [1])
    read_message_id(answer, 1)


def test_the_word_uid_inside_a_mail_or_a_list_is_not_its_uid() -> None:
    answer = read_fetch([(b"1 (UID 5 X (UID 6 (UID 7)) BODY[] {6}", b"UID 8)"), b")"])
    assert read_bodies(answer, [5, 6, 7, 8]) == {5: b"UID 8)"}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(b"1 (UID 5 BODY[]<100> {3}", b"abc"), b")"], b"abc"),
        ([b'1 (UID 5 BODY[]<100> "")'], b""),
        ([b"1 (UID 5 BODY[]<100> NIL)"], b""),
        ([(b"1 (UID 5 BODY[]<0> {3}", b"abc"), b")"], None),
        ([b"1 (UID 5 FLAGS ())"], None),
        ([None], None),
    ],
    ids=["a part", "the end", "the end as NIL", "another part", "no part", "gone"],
)
def test_a_part_is_told_from_the_end_and_from_a_mail_that_is_gone(
    parts: list[object], expected: bytes | None
) -> None:
    assert read_part(read_fetch(parts), 5, 100) == expected


def test_the_head_of_a_mail_is_its_header_and_the_beginning_of_its_text() -> None:
    parts = [(b"1 (UID 5 BODY[HEADER]<0> {8}", b"A: b\r\n\r\n"), (b" BODY[TEXT]<0> {4}", b"text"), b")"]
    assert read_head(read_fetch(parts), 5) == b"A: b\r\n\r\ntext"


def test_a_message_id_is_unfolded() -> None:
    header = b"Message-ID:\r\n <a@b.example>\r\n\r\n"
    parts = [(b"1 (UID 5 BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}" % len(header), header), b")"]
    assert read_message_id(read_fetch(parts), 5) == "<a@b.example>"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([None], []),
        ([b""], []),
        ([b"2 3 5"], [2, 3, 5]),
        ([b"2", b"3 5"], [2, 3, 5]),
        ([b"2 3 (MODSEQ 917162500)"], [2, 3]),
    ],
)
def test_a_search_may_have_no_one_or_several_lines(lines: list[object], expected: list[int]) -> None:
    assert read_search(lines) == expected


@pytest.mark.parametrize(
    "text", [None, b"", b"yesterday", b"31-Feb-2026 00:00:00 +0000", b"01-Xyz-2026 00:00:00 +0000"]
)
def test_a_date_that_is_none_is_none(text: bytes | None) -> None:
    assert read_date(text) is None


@pytest.mark.parametrize("zone", [b"+9999", b"-9999", b"+2400"])
def test_an_impossible_zone_is_no_date(zone: bytes) -> None:
    assert read_date(b"01-Jan-2026 00:00:00 " + zone) is None


def test_a_date_at_the_end_of_time_is_no_date() -> None:
    assert read_date(b"31-Dec-9999 23:59:59 -1200") is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"A: b\r\n\r\nc\n\nd", b"A: b"), (b"A: b\n\nc\r\n\r\nd", b"A: b"), (b"A: b", b"A: b"), (b"", b"")],
)
def test_the_header_ends_at_the_first_empty_line(content: bytes, expected: bytes) -> None:
    assert header_block(content) == expected


@pytest.mark.parametrize("rest", [b"lo world)", b"lo", b") UID 6)", b" lo world", b""])
def test_a_literal_that_was_announced_too_short_is_no_mail(rest: bytes) -> None:
    assert read_fetch([(b"1 (UID 5 BODY[] {3}", b"Hel"), rest]) == {}


@pytest.mark.parametrize("rest", [b")", b" FLAGS (\\Seen))", b" UID 5)", b" X-GM-MSGID 12 FLAGS ())"])
def test_what_may_follow_a_literal_is_taken(rest: bytes) -> None:
    assert read_bodies(read_fetch([(b"1 (UID 5 BODY[] {3}", b"Hel"), rest]), [5]) == {5: b"Hel"}
