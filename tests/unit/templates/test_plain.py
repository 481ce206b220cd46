"""The text that is made of an HTML part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.templates.plain import text_of


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<p>One <b>two</b>\n three</p><p>Four</p>", "One two three\n\nFour\n"),
        ("a<br>b<br/>c", "a\nb\nc\n"),
        ("<ul><li>one<li>two</li></ul>", "- one\n- two\n"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a  b\nc\n"),
        ('<a href="https://x.example/?a=1&amp;b">go</a>', "go <https://x.example/?a=1&b>\n"),
        ('<a href="https://x.example">https://x.example</a>', "https://x.example\n"),
        ('<a href="mailto:a@x.example">a@x.example</a>', "a@x.example\n"),
        ('<a href="javascript:alert(1)">go</a>', "go\n"),
        ('<img src="cid:logo" alt="Our logo">', "Our logo\n"),
        ("<head><title>no</title><style>p{}</style></head><body>yes</body>", "yes\n"),
        ("<div style='display:none'>a<div>b</div>c</div>d", "d\n"),
        ("<script>if (a < b) x()</script>y", "y\n"),
        ("a &lt;b&gt; &amp; &auml; 1 < 2", "a <b> & ä 1 < 2\n"),
        ("<!DOCTYPE html><!-- no -->yes", "yes\n"),
        ('<p title="a > b">x</p>', "x\n"),
        ("<p>a</p><!-- never closed", "a\n"),
        ("", "\n"),
    ],
)
def test_it_is_what_the_page_shows(page: str, expected: str) -> None:
    assert text_of(page) == expected


def test_long_lines_are_broken_between_words_and_links_are_not() -> None:
    link = "https://example.com/" + "x" * 100
    text = text_of(f"<p>{'word ' * 40}</p><p>{link}</p>")
    *lines, _, last = text.rstrip("\n").split("\n")
    assert all(len(line) <= 76 for line in lines)
    assert last == link


@given(st.text(st.sampled_from("<>!-/ab \"'=\n&;"), max_size=200))
def test_no_page_is_too_strange(page: str) -> None:
    assert text_of(page).endswith("\n")


# Quadratic reading of this would take longer than a test may.
@pytest.mark.parametrize(
    "piece", ["<!--", "<a ", "<a href='", '<a "', "<div style='display:none'>", "<", "&"]
)
def test_a_long_page_of_broken_markup_is_read_in_linear_time(piece: str) -> None:
    assert text_of(piece * 100_000).endswith("\n")
