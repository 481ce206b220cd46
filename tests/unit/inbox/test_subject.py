# ruff: noqa: RUF001
"""Subjects of one conversation are the same without what mail programs write before them."""

from __future__ import annotations

import pytest

from postroom.inbox.subject import MAX_CHARS, PREFIXES, subject_core, without_token

TOKEN = "pr" + "a2" * 20


@pytest.mark.parametrize("form", ["{}: {}", "{} : {}", "{}：{}", "{}[2]: {}", "{}(3): {}", "{}^4: {}"])
def test_prefixes_of_every_language_do_not_matter(form: str) -> None:
    prefixes = [word for line in PREFIXES.strip().splitlines() for word in line.split()[1:]]
    for word in (form for prefix in prefixes for form in (prefix, prefix.upper(), prefix.capitalize())):
        assert subject_core(form.format(word, "Budget 2027")) == "budget 2027"


def test_there_is_a_row_for_each_of_the_languages_that_replies_are_read_in() -> None:
    languages = "en de fr es it pt nl pl da sv no fi cs ru uk zh ja ko tr"
    assert " ".join(line.partition(":")[0] for line in PREFIXES.strip().splitlines()) == languages


@pytest.mark.parametrize(
    ("subject", "core"),
    [
        ("Re: AW: SV: Antw: RE[4]: Budget", "budget"),
        ("Budget: Re: more", "budget: re: more"),
        ("Resume: the meeting", "resume: the meeting"),
        ("  two   blanks ", "two blanks"),
        ("İLT: Bütçe", "bütçe"),
        ("Ｂｕｄｇｅｔ", "budget"),
        (f"Re: Decision needed: Release [{TOKEN}]", "decision needed: release"),
        ("Re:", ""),
        ("", ""),
    ],
)
def test_what_is_left_of_a_subject(subject: str, core: str) -> None:
    assert subject_core(subject) == core


def test_a_subject_of_prefixes_alone_ends_in_bounded_time() -> None:
    assert len(subject_core("Re: " * 100_000)) <= MAX_CHARS


def test_a_token_is_not_shown_wherever_it_stands() -> None:
    assert without_token(f"see [{TOKEN}] and {TOKEN.upper()}") == "see […] and […]"
    assert (
        without_token(f"mailto:a%2B{TOKEN}@x?subject=%5B{TOKEN}%5D") == "mailto:a%2B[…]@x?subject=%5B[…]%5D"
    )


@pytest.mark.parametrize(
    "between", ["\n", "\r\n", " \n", "\n> ", "\n> > ", "=\n", "\u200b", "\u00ad"], ids=ascii
)
def test_a_token_that_a_mail_program_broke_is_not_shown_either(between: str) -> None:
    for place in (1, 2, 20, 41):
        broken = TOKEN[:place] + between + TOKEN[place:]
        assert without_token(f"> see [{broken}] ok") == "> see […] ok"


def test_looking_for_broken_tokens_takes_bounded_time_and_leaves_words_alone() -> None:
    text = "prints\nand\npriorities " * 50
    assert without_token(text) == text
    for hostile in ("pr\n", "p\n" + ">" * 5000, "pr" + " " * 5000, "pra\n" + "a\n" * 41):
        without_token(hostile * (200_000 // len(hostile)))
