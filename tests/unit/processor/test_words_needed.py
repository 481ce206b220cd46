"""Each word of the tables is needed: `word_examples.txt` has one that nothing else in its row matches.

A word that is dropped leaves its example unmatched, and one that is added asks for an example here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from postroom_processor import automatic, bounce, decision_words, doubt_words, html_style, html_text
from postroom_processor.html_style import look_of
from postroom_processor.reply_text import cut_plain_text
from postroom_processor.verdict import Decided, read_verdict

Row = tuple[str, str]
_PATTERN = re.compile(r"[\\()\[\]?*+{}^$|.]")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_AFTER = " ,.!…"


def read_examples() -> dict[Row, tuple[str, ...]]:
    found: dict[Row, tuple[str, ...]] = {}
    for line in Path(__file__).with_name("word_examples.txt").read_text(encoding="utf-8").splitlines():
        (table, language), entries = line.partition(": ")[0].split(" "), line.partition(": ")[2]
        found[table, language] = tuple(entries.split("; "))
    return found


EXAMPLES = read_examples()
EXPRESSIONS = {
    "_AWAY": automatic._AWAY.match,
    "_AWAY_TEXT": automatic._AWAY_TEXT.search,
    "_SUBJECT": bounce._SUBJECT.match,
    "_SERVER": bounce._SERVER.search,
}

SETS = {
    name: members
    for module in (html_text, html_style, automatic, doubt_words)
    for name, members in vars(module).items()
    if isinstance(members, frozenset)
}


def rows() -> dict[Row, tuple[str, ...]]:
    """Each row of each table of words, by the table's name and the language."""
    found: dict[Row, tuple[str, ...]] = {}
    for module in (decision_words, doubt_words):
        for name, table in vars(module).items():
            if isinstance(table, dict) and name.isupper():
                found.update({(name, language): row for language, row in table.items()})
            elif isinstance(table, tuple) and name.isupper():
                found[name, "all"] = table
    return found


ROWS = rows()


def takes(entry: str, example: str) -> bool:
    """Whether an entry of a table is what an example says, marks after it aside."""
    if not _PATTERN.search(entry):
        return example == entry
    end = "" if _CJK.search(entry) else r"(?!\w)"
    found = re.compile(f"(?:{entry}){end}").match(example)
    return found is not None and not example[found.end() :].strip(_AFTER)


def test_there_are_examples_for_each_row() -> None:
    others = {(name, "all") for name in EXPRESSIONS} | {(name, "set") for name in SETS}
    by_hand = {row for row in EXAMPLES if row[0] in ("_HIDDEN", "_UNSURE", "_MARKS")}
    assert set(ROWS) | others | by_hand == set(EXAMPLES)


@pytest.mark.parametrize("name", SETS)
def test_a_set_of_names_has_what_is_listed(name: str) -> None:
    assert {each for each in SETS[name] if each} == set(EXAMPLES[name, "set"])


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_each_example_is_of_a_word_in_its_row_and_each_word_has_one_of_its_own(row: Row) -> None:
    takers = {example: [entry for entry in ROWS[row] if takes(entry, example)] for example in EXAMPLES[row]}
    assert [example for example, entries in takers.items() if not entries] == []
    needed = {entries[0] for entries in takers.values() if len(entries) == 1}
    assert set(ROWS[row]) - needed == set()
    assert len(set(ROWS[row])) == len(ROWS[row])


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_each_example_of_an_automatic_mail_is_known(name: str) -> None:
    assert [each for each in EXAMPLES[name, "all"] if not EXPRESSIONS[name](each)] == []


def reads(text: str) -> str:
    verdict = read_verdict(cut_plain_text(text))
    return verdict.choice if isinstance(verdict, Decided) else "-"


STOPPING = ("NEGATIONS", "CONDITIONS", "HEDGES", "RETRACTIONS", "DISSENT", "SELECTIONS", "QUESTIONS")


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] in STOPPING], ids=" ".join)
def test_no_approval_stands_beside_a_word_that_stops(row: Row) -> None:
    texts = [f"approve, {example}" for example in EXAMPLES[row]]
    assert [text for text in texts if reads(text) == "approve"] == []


@pytest.mark.parametrize(
    ("table", "text", "choice"),
    [
        ("APPROVE_WORDS", "{}", "approve"),
        ("YES_WORDS", "{}", "approve"),
        ("REJECT_WORDS", "{}", "reject"),
        ("NO_WORDS", "{}", "reject"),
        ("TAIL_WORDS", "approve {}", "approve"),
        ("CONFIRMATIONS", "yes, {}", "approve"),
        ("GREETINGS", "{},\napprove", "approve"),
        ("ALONE", "approve.\n\n{}", "-"),
        ("BEFOREHAND", "approve.\n\nthe new page on the old host {}", "-"),
        ("FILLERS", "approve.\n\nThe plan was read by all of us here. {}, no", "-"),
        ("LEADING_HEDGES", "approve.\n\n{} the plan was read by all of us here", "-"),
    ],
)
def test_each_word_means_what_its_table_says(table: str, text: str, choice: str) -> None:
    examples = [each for row in ROWS if row[0] == table for each in EXAMPLES[row]]
    read = {each: reads(text.format(each)) for each in examples}
    assert {each: found for each, found in read.items() if found != choice} == {}


@pytest.mark.parametrize(
    ("table", "patterns", "attribute"),
    [("_HIDDEN", html_style._HIDDEN, "hidden"), ("_UNSURE", html_style._UNSURE, "unsure")],
)
def test_each_declaration_that_hides_is_needed(table: str, patterns: tuple[str, ...], attribute: str) -> None:
    examples = EXAMPLES[table, "style"]
    assert [each for each in examples if not getattr(look_of(each), attribute)] == []
    takers = [{each for each in patterns if re.match(each, example)} for example in examples]
    assert set(patterns) - {next(iter(each)) for each in takers if len(each) == 1} == set()


@pytest.mark.parametrize("kind", ["attribution", "signature", "quote"])
def test_each_mark_of_a_program_is_known(kind: str) -> None:
    marks = EXAMPLES["_MARKS", kind]
    assert [mark for mark in marks if html_text._kind("div", mark) != kind] == []


@pytest.mark.parametrize("mark", ["appendonsend", "x_divrplyfwdmsg", "stopspelling"])
def test_each_mark_from_which_all_is_history_is_known(mark: str) -> None:
    assert html_text._HISTORY.search(mark)


FIELD_VALUES = (
    *("auto-submitted: auto-replied", "precedence: auto_reply", "x-precedence: auto-reply"),
    *(
        "x-auto-response-suppress: DR, All",
        "x-post-messageclass: 9; Autoresponder",
        "delivered-to: Autoresponder",
    ),
    *("x-delivered-to: autoresponder", "x-fc-machinegenerated: true"),
    *("precedence: list", "precedence: bulk", "precedence: junk"),
    *("x-precedence: list", "x-precedence: bulk", "x-precedence: junk"),
)


def test_each_value_of_a_field_that_tells_a_program_is_needed() -> None:
    table = (*automatic.AUTO_REPLY_VALUES, *automatic.LIST_VALUES)
    taken = [
        [row for row in table if row[0] == name and row[1].match(value)]
        for name, _, value in (each.partition(": ") for each in FIELD_VALUES)
    ]
    assert [len(each) for each in taken] == [1] * len(FIELD_VALUES)
    assert {id(row) for each in taken for row in each} == {id(row) for row in table}


def test_a_declaration_that_shows_a_text_is_none_that_hides() -> None:
    looks = {each: look_of(each) for each in EXAMPLES["_HIDDEN", "seen"]}
    assert [each for each, look in looks.items() if look.hidden or look.unsure] == []
