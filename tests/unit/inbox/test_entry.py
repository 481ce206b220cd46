"""What a mail says as a message: bounded, clean, and without what proves a decision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.inbox.cursor import Position, decode, encode
from postroom.inbox.entry import MAX_TEXT_CHARS, clean, clean_line, search_form
from postroom_processor.markup import without_markup
from tests.unit.inbox.test_placing import NOW


@given(st.text())
def test_cleaned_text_goes_into_any_database_and_is_cleaned_once(text: str) -> None:
    found = clean(text)
    assert "\0" not in found
    assert found.encode().decode() == found
    assert clean(found) == found
    assert "\n" not in clean_line(text, 50)


def test_text_is_bounded() -> None:
    assert len(clean("x" * 10**6)) == MAX_TEXT_CHARS
    assert len(clean_line("\x00" * 10**6 + "x", 200)) <= 200


@given(st.text())
def test_what_is_searched_for_is_found_in_itself(text: str) -> None:
    assert search_form(search_form(text)) == search_form(text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>One<p>Two", "One\n\nTwo".replace("\n\n", "\n")),
        ("a<!-- <b>hidden</b> -->b", "ab"),
        ("a<!--[if mso]><p>x</p><![endif]-->b", "ab"),
        ("a<!-- never closed <b>shown</b>", "ashown"),
        ("<style>p { color: red }</style>x<script>if (a < b) {}</script>y", "xy"),
        ("1 &lt; 2 &amp; 3", "1 < 2 & 3"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<td>a</td><td>b</td>", "a b"),
        ("", ""),
        ("<", "<"),
    ],
)
def test_the_words_of_html(source: str, text: str) -> None:
    assert without_markup(source) == text


@given(st.text(alphabet="<>!-/abpstyle \n&;", max_size=200))
def test_html_of_any_kind_is_read(source: str) -> None:
    assert isinstance(without_markup(source), str)


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_cursor_leads_back_in_its_own_query_alone(row_id: str, query: str) -> None:
    cursor = encode(Position(NOW, row_id), query)
    assert decode(cursor, query) == Position(NOW, row_id)
    with pytest.raises(ValueError, match="no page ended there"):
        decode(cursor, query + "x")
    with pytest.raises(ValueError, match="no page ended there"):
        decode(cursor[:-2], query)
