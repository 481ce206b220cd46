"""The options of `postroom approvals request`, and what `show` prints of votes and of what comes next."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest
from rich.console import Console

from postroom.messages import ApprovalState, ApprovalVote
from postroom_console.approvals import Delegate, Escalate, print_state
from postroom_console.moment import Duration

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def shown(**changes: Any) -> str:
    fields: dict[str, Any] = {
        "id": "r-1",
        "account": "ops",
        "subject": "Release?",
        "approvers": ("anna@x.example", "bert@x.example"),
        "choices": ("approve", "reject"),
        "state": "pending",
        "decision": None,
        "decided_by": None,
        "comment": None,
        "requested_at": NOW,
        "deadline": NOW + timedelta(days=1),
        "decided_at": None,
    }
    file = io.StringIO()
    print_state(Console(file=file, width=200, color_system=None), ApprovalState(**{**fields, **changes}))
    return file.getvalue()


def test_a_plain_request_shows_no_line_about_rules() -> None:
    assert not {"rule", "votes", "next"} & {line.split()[0] for line in shown().splitlines()}


def test_votes_and_who_is_missing_and_what_comes_next_are_shown() -> None:
    vote = ApprovalVote(
        approver="dora@x.example",
        choice="approve",
        comment="Fine.",
        mail_id="m",
        voted_at=NOW,
        stands_for="anna@x.example",
    )
    text = shown(
        rule="2",
        votes=(vote,),
        waiting_for=("bert@x.example",),
        reminders=1,
        reminded_at=NOW,
        round=2,
        changed_at=NOW,
        next_due="escalation",
        next_due_at=NOW,
    )
    assert "at least 2" in text
    assert "approve by dora@x.example in the place of anna@x.example" in text
    assert "waiting for" in text
    assert "(1 so far)" in text
    assert "(round 2)" in text
    assert "escalation at" in text


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Duration(), "2d", 172_800),
        (Escalate(), "90m:boss@x.example", (5400, "boss@x.example")),
        (Delegate(), "anna@x.example=dora@x.example", ("anna@x.example", "dora@x.example")),
    ],
)
def test_an_option_is_read(kind: click.ParamType[Any], text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Duration(), "soon"),
        (Escalate(), "2d"),
        (Escalate(), "later:boss@x.example"),
        (Escalate(), "2d:"),
        (Delegate(), "anna@x.example"),
    ],
)
def test_a_malformed_option_is_refused_with_an_example(kind: click.ParamType[Any], text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected"):
        kind.convert(text, None, None)
