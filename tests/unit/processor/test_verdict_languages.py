"""Labelled replies in all the languages, under all programs' quoting, measured; and hostile ones made up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom_processor import decision_words, doubt_words
from postroom_processor.reply_text import cut_plain_text
from postroom_processor.verdict import Decided, read_verdict
from tests.unit.processor.language_cases import BY_LANGUAGE, QUOTING
from tests.unit.processor.verdict_cases import CLEAR, ORIGINAL, QUOTED, UNCLEAR

LABELLED = [
    *(case for cases in BY_LANGUAGE.values() for case in cases),
    *CLEAR,
    *((text, "-") for text in UNCLEAR),
]
PROGRAMS_EACH = 4
"""Under how many programs' quoting each case by language is read: all of them are too many to be quick."""


def read(text: str) -> str:
    verdict = read_verdict(cut_plain_text(text))
    return verdict.choice if isinstance(verdict, Decided) else "-"


def quoted_cases() -> Iterable[tuple[str, str, str]]:
    """Program, text, label: each case under some programs, each program under some cases of each language."""
    programs = list(QUOTING)
    for cases in BY_LANGUAGE.values():
        for index, (text, label) in enumerate(cases):
            for turn in range(PROGRAMS_EACH):
                program = programs[(index * PROGRAMS_EACH + turn) % len(programs)]
                whole = QUOTING[program].format(text=text, quoted=QUOTED, original=ORIGINAL)
                yield program, whole, label


@pytest.mark.parametrize("language", BY_LANGUAGE)
def test_a_language_has_cases_of_each_kind_and_none_is_misread(language: str) -> None:
    cases = BY_LANGUAGE[language]
    assert {label for _, label in cases} == {"approve", "reject", "-"}
    assert [(text, label, read(text)) for text, label in cases if read(text) not in (label, "-")] == []


def test_own_cases_have_no_false_decision_and_nearly_all_clear_ones_are_understood() -> None:
    found = [(text, label, read(text)) for text, label in LABELLED]
    false = [case for case in found if case[2] not in (case[1], "-")]
    clear = [case for case in found if case[1] != "-"]
    understood = [case for case in clear if case[2] == case[1]]
    share = 100 * len(understood) / len(clear)
    print(f"{len(found)} labelled cases in {len(BY_LANGUAGE)} languages: {len(false)} false decisions,")
    print(f"{len(understood)} of {len(clear)} clear replies understood ({share:.1f} %)")
    print("not understood:", [case[0] for case in clear if case[2] == "-"])
    assert len({text for text, _ in LABELLED}) >= 800
    assert false == []
    assert share >= 99


def test_the_quoting_of_no_program_changes_what_is_read() -> None:
    counts: Counter[tuple[str, str]] = Counter()
    wrong = []
    for program, text, label in quoted_cases():
        choice = read(text)
        if choice not in (label, "-"):
            wrong.append((program, text))
        if label != "-":
            counts[program, "understood" if choice == label else "unclear"] += 1
    for program in QUOTING:
        print(f"{program}: {counts[program, 'understood']} understood, {counts[program, 'unclear']} unclear")
    understood = sum(number for (_, kind), number in counts.items() if kind == "understood")
    assert wrong == []
    assert understood >= 0.99 * counts.total()


# Words that decide and words that stop a decision, in any order.

YES = sorted(
    {
        word
        for table in (decision_words.APPROVE_WORDS, decision_words.YES_WORDS)
        for words in table.values()
        for word in words
    }
)
_PATTERN = re.compile(r"[\\()\[\]?*+|{}^$.]")
STOPPERS = sorted(
    {
        word
        for table in (
            doubt_words.NEGATIONS,
            doubt_words.CONDITIONS,
            doubt_words.HEDGES,
            doubt_words.RETRACTIONS,
            doubt_words.DISSENT,
        )
        for words in table.values()
        for word in words
        if not _PATTERN.search(word)
    }
)
HOSTILE = (
    "{stop} {yes}",
    "{stop}, {yes}",
    "{stop}\n{yes}",
    "{stop}\n\n{yes}",
    "{stop}: {yes}",
    "{yes} {stop}",
    "{yes}, {stop}",
    "{yes} - {stop}",
    "{yes} ({stop})",
    "{yes}, bob {stop} anna",
    "{yes}\n{stop}",
    "{yes}. {stop}.",
    "{yes}\n\n{stop}",
    "{yes}\n\n{stop}!",
    "{yes}\n\nWell, {stop}.",
    "hi bob, {stop} {yes}",
    "{yes}\n\nThe plan was read by all of us here.\n\n{stop}",
)


@settings(max_examples=600)
@given(st.sampled_from(YES), st.sampled_from(STOPPERS), st.sampled_from(HOSTILE))
def test_no_approval_survives_any_stopping_word_of_any_language_anywhere(
    yes: str, stop: str, template: str
) -> None:
    assert read(template.format(yes=yes, stop=stop)) != "approve"


@given(st.sampled_from(YES), st.text(max_size=12), st.text(max_size=12))
def test_an_approval_with_letters_glued_to_it_is_none(yes: str, before: str, after: str) -> None:
    letters_before = "".join(each for each in before if each.isalpha() and each.isascii())
    letters_after = "".join(each for each in after if each.isalpha() and each.isascii())
    if yes.isascii() and (letters_before or letters_after):
        glued = f"{letters_before}{yes}{letters_after}"
        assert glued.casefold() in YES or read(glued) != "approve"


@given(
    st.sampled_from(YES),
    st.sampled_from("\u200b\u200c\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff\u00ad\u034f\u180e"),
    st.integers(0, 40),
)
def test_a_hidden_character_anywhere_in_the_first_line_stops_a_decision(
    yes: str, hidden: str, position: int
) -> None:
    at = position % len(yes)
    if at:  # at its ends clients themselves leave some, and the cutting takes them away
        assert read(yes[:at] + hidden + yes[at:]) == "-"
