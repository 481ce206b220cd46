"""What `postroom approvals explain` says of a mail."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.reply_token import make_token
from postroom_processor.explain import Asked, Step, explain, harmless, main
from postroom_processor.verdict import stopping_words
from tests.unit.processor.test_decide import ACCOUNT, KEYS, OTHER_CLAIM, TOKEN, facts, mail, record


def said(steps: tuple[Step, ...], name: str) -> str:
    return "\n".join(next(step.lines for step in steps if step.name == name))


STEPS = [
    *("limits", "structure", "sender", "program", "tokens"),
    *("part", "lines", "words", "verdict", "rules"),
]


def test_every_step_is_named_in_order() -> None:
    assert [step.name for step in explain(mail("Approve"), None, None)] == STEPS
    assert [step.name for step in explain(b"", None, None)] == STEPS


def test_a_decision_is_explained_with_the_rules_it_passed() -> None:
    steps = explain(mail("Approve, fine work\n\n> hi"), None, None)
    assert "decides: approve" in said(steps, "verdict")
    assert "comment: fine work" in said(steps, "verdict")
    assert "questions" in said(steps, "verdict")
    assert "quote [" in said(steps, "lines")


def test_an_unclear_reply_is_explained_with_the_word_and_the_rule_that_stopped_it() -> None:
    steps = explain(mail("Approve, if the tests pass"), None, None)
    assert said(steps, "words") == "condition: if"
    assert "stopped by: conditions" in said(steps, "verdict")
    assert "unclear: condition" in said(steps, "verdict")


def test_own_choices_are_offered() -> None:
    steps = explain(mail("Ship"), ("ship", "hold"), None)
    assert "decides: ship" in said(steps, "verdict")
    assert "offered: ship, hold" in said(steps, "verdict")


def test_what_the_store_knows_is_told_and_the_rules_are_asked() -> None:
    known = Asked(ACCOUNT, facts(record(choices=("approve", "reject", "defer"))))
    steps = explain(mail("defer", token=TOKEN), None, known)
    assert "verified, for r-1, anna@corp.example, pending" in said(steps, "tokens")
    assert "decides: defer" in said(steps, "verdict")
    assert "answered: reply" in said(steps, "rules")
    assert "asked without an answer: sent, denied, automatic" in said(steps, "rules")


def test_a_token_of_no_request_and_a_forged_one_are_told_apart() -> None:
    known = Asked(ACCOUNT, facts(record()))
    foreign = mail("Approve", token=make_token(OTHER_CLAIM, KEYS))
    assert "of no request in the store" in said(explain(foreign, None, known), "tokens")
    forged = mail("Approve", token=f"{TOKEN[:-1]}{'a' if TOKEN[-1] != 'a' else 'b'}")
    assert "does not verify" in said(explain(forged, None, known), "tokens")
    assert "held: its reply token" in said(explain(forged, None, known), "rules")


def test_a_token_is_never_shown_whole() -> None:
    content = mail("Approve", token=TOKEN)
    steps = explain(content, None, Asked(ACCOUNT, facts(record())))
    fields = [step for step in steps if step.name != "lines"]
    assert TOKEN not in "\n".join(line for step in fields for line in step.lines)


def test_a_program_and_a_bounce_are_named() -> None:
    steps = explain(mail("I am away", headers=["Auto-Submitted: auto-replied"]), None, None)
    assert said(steps, "program") == "not written by a person: auto-reply"


@given(st.binary(max_size=300))
def test_any_bytes_are_explained_and_nothing_of_them_steers_a_terminal(content: bytes) -> None:
    for step in explain(b"From: a@b.example\nSubject: x\n\n" + content, None, None):
        assert all(line.isprintable() for line in step.lines)


@given(st.text())
def test_shown_text_has_no_character_that_cannot_be_seen(text: str) -> None:
    assert harmless(text).isprintable()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["/there/is/no/such.eml"], "cannot be read"),
        ([str(Path(__file__).parent)], "cannot be read"),
        (["--choices", "ship", __file__], "give two words or more"),
        (["--account", "a", "/dev/null"], "is empty"),
    ],
)
def test_bad_input_gets_a_sentence(
    arguments: list[str], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert fault in printed.err
    assert printed.out == ""
    assert printed.err.count("\n") == 1


def test_standard_input_is_read_and_json_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(mail("Approve"))))
    assert main(["--json", "-"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [step["name"] for step in printed] == STEPS


def test_words_that_stop_are_looked_for_no_further_than_a_decision_may_go() -> None:
    assert stopping_words(f"{'fine ' * 1_000}maybe") == (("hedging", "maybe"),)
    assert stopping_words(f"{'fine ' * 60_000}maybe") == ()
