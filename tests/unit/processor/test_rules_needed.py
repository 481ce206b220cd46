# ruff: noqa: RUF001
# Look-alike letters are what one rule is about.
"""Mutation of the tables of rules: with any one rule left out, a labelled case comes out otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from postroom.reply_token import make_token
from postroom_processor import decide as deciding
from postroom_processor.decide import Facts, TokenRecord, decide
from postroom_processor.examine import examine
from postroom_processor.reply_text import cut_plain_text
from postroom_processor.verdict import RULES, Rules, Verdict, read_verdict
from tests.unit.processor.language_cases import BY_LANGUAGE
from tests.unit.processor.test_decide import (
    ACCOUNT,
    CLAIM,
    KEYS,
    OTHER_CLAIM,
    OTHER_KEYS,
    TOKEN,
    facts,
    mail,
    received,
    record,
)
from tests.unit.processor.verdict_cases import CLEAR, QUOTED, UNCLEAR

# One text for each rule that reads a person's words: without the rule it would be read otherwise.
UNCLEAR_TEXTS = (
    "> Please approve or\napprove\n",
    "",
    f"Approve\n\n{'All is well here. ' * 2_000}",
    "app\u200brove",
    "аррrove",
    "approve, he said?",
    "Approve\n\nreject",
    "Approve. Just kidding.",
    "Approve\n\nI disagree with most of what is written there.",
    "approve, not",
    "Approve.\n\nThis was read, and nobody here should approve.",
    "approve, if green",
    "approve, maybe",
    "approve, great work…",
    "approve, theoretically",
    "approve 😂",
    "Yes, I see",
    "approve, \u05dc\u05d0",
    "Approve.\n\nUnless Bob objects to what the second page says about it.",
    "Approve\n\nThe plan was read. Not yet.",
    "Approve\n-- \nno, stop",
    f"Approve?\n\n{QUOTED}",
    "Approve\n\n-----Original Message-----\nFrom: Ann\nSent: Monday\n\nPlan\n\nActually no",
)
LABELLED = (
    *UNCLEAR_TEXTS,
    *(text for text, _ in CLEAR),
    *UNCLEAR,
    *(text for cases in BY_LANGUAGE.values() for text, _ in cases),
)


def verdicts(texts: tuple[str, ...], rules: Rules) -> list[Verdict]:
    return [read_verdict(cut_plain_text(text), rules=rules) for text in texts]


@pytest.mark.parametrize("name", [rule.__name__ for rule in RULES.obstacles])
def test_each_obstacle_is_needed(name: str) -> None:
    obstacles = tuple(rule for rule in RULES.obstacles if rule.__name__ != name)
    assert verdicts(UNCLEAR_TEXTS, replace(RULES, obstacles=obstacles)) != verdicts(UNCLEAR_TEXTS, RULES)


@pytest.mark.parametrize("name", [rule.__name__ for _, rule in RULES.checks])
def test_each_check_of_a_decision_is_needed(name: str) -> None:
    fewer = replace(RULES, checks=tuple(row for row in RULES.checks if row[1].__name__ != name))
    assert any(
        read_verdict(own, rules=fewer) != read_verdict(own, rules=RULES)
        for own in (cut_plain_text(text) for text in LABELLED)
    )


REPLY = mail("Approve", token=TOKEN)
MAILS: tuple[tuple[str, bytes, Facts, dict[str, object]], ...] = (
    ("sent", REPLY, facts(record()), {"role": "sent"}),
    ("denied", mail("Hello", sender="x@spam.example"), facts(record()), {}),
    (
        "automatic",
        mail("Approve", token=TOKEN, headers=["Auto-Submitted: auto-replied"]),
        facts(record()),
        {},
    ),
    ("over_the_limit", mail("Hello"), facts(room=0), {}),
    (
        "contradictory",
        mail(
            "Approve", token=TOKEN, headers=[f"References: <{make_token(OTHER_CLAIM, KEYS)}.x@corp.example>"]
        ),
        facts(record(), record(OTHER_CLAIM)),
        {},
    ),
    ("unproven", mail("Approve", token=make_token(CLAIM, OTHER_KEYS)), facts(record()), {}),
    (
        "not_the_approver",
        mail("Approve", token=TOKEN, sender="mallory@evil.example"),
        facts(record()),
        {},
    ),
    ("passed_on", mail("Approve", token=TOKEN, headers=["Resent-From: b@corp.example"]), facts(record()), {}),
    ("late", REPLY, facts(record(state="cancelled")), {}),
    ("truncated", REPLY, facts(record()), {"truncated": True}),
    ("reply", REPLY, facts(record()), {}),
    ("accepted", mail("Hello"), facts(), {}),
)


def answer(row: tuple[str, bytes, Facts, dict[str, object]], rules: tuple[deciding.Rule, ...]) -> object:
    _, content, known, changes = row
    examined = examine(received(content, **changes), content, ACCOUNT)
    try:
        outcome, _ = decide(examined, known, rules)
    except AssertionError as error:
        return str(error)
    return outcome.kind, outcome.reason


def test_each_rule_about_mail_has_its_case() -> None:
    assert [name for name, *_ in MAILS] == [rule.__name__.strip("_") for rule in deciding.RULES]
    for row in MAILS:
        examined = examine(received(row[1], **row[3]), row[1], ACCOUNT)
        assert decide(examined, row[2])[0].asked[-1] == row[0]


@pytest.mark.parametrize("row", MAILS, ids=[row[0] for row in MAILS])
def test_each_rule_about_mail_is_needed(row: tuple[str, bytes, Facts, dict[str, object]]) -> None:
    fewer = tuple(rule for rule in deciding.RULES if rule.__name__.strip("_") != row[0])
    assert len(fewer) == len(deciding.RULES) - 1
    assert answer(row, fewer) != answer(row, deciding.RULES)


def test_the_order_of_the_rules_is_that_of_how_much_they_stop() -> None:
    """A mail that several rules would stop is stopped by the first: none may be asked after `reply`."""
    names = [rule.__name__.strip("_") for rule in deciding.RULES]
    assert names[-2:] == ["reply", "accepted"]
    late: TokenRecord = record(claim=replace(CLAIM, expires_at=CLAIM.expires_at - timedelta(days=2)))
    content = mail("Approve", token=make_token(late.claim, KEYS), headers=["Auto-Submitted: auto-replied"])
    outcome, _ = decide(examine(received(content), content, ACCOUNT), facts(late))
    assert (outcome.kind, outcome.asked[-1]) == ("ignored", "automatic")
