"""A mail about a request says why it comes: a reminder, a delegation, an escalation, a change, a comment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from postroom.messages import ApprovalMail, HelpMail
from postroom_sender.compose import compose
from postroom_sender.letter import Letter, approval_letter, help_letter
from tests.unit.sender.commands import account, approval, command

TOKEN = "pr" + "a" * 40
REPLY = {"reply_address": f"ops+{TOKEN}@corp.example", "from_address": "ops@corp.example"}


def letter(**changes: Any) -> Letter:
    fields: dict[str, Any] = {
        "approval_id": "r-1",
        "subject": "Release 4.2",
        "body": "",
        "choices": ("approve", "reject"),
        "requester": "",
        "deadline": datetime(2026, 3, 4, tzinfo=UTC),
        "reply_token": TOKEN,
    }
    return approval_letter(ApprovalMail(**{**fields, **changes}), **REPLY)


def test_the_first_mail_to_somebody_who_was_named_says_nothing_more() -> None:
    assert letter().opening == ()
    assert letter().label == "Decision needed"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reminder": 2}, "Your answer has not come in so far."),
        ({"stands_for": "anna@corp.example"}, "You are asked in the place of anna@corp.example."),
        ({"escalated": True}, "You are asked too, since it was not decided in the time given."),
        ({"changed": True}, "This request was changed."),
    ],
)
def test_the_reason_is_said(changes: dict[str, Any], said: str) -> None:
    assert said in " ".join(letter(**changes).opening)


def test_a_reminder_is_called_so() -> None:
    assert letter(reminder=1).label == "Reminder: decision needed"
    first, again = (compose(command(approval(reminder=number)), account()).content for number in (0, 2))
    assert b"Subject: Decision needed: Deploy" in first
    assert b"Subject: Reminder: Decision needed: Deploy" in again


def test_the_choices_that_need_a_comment_are_named() -> None:
    advice = letter(comment_required=("reject",)).advice
    assert advice[-1] == 'Write why below the word "reject": without a comment it does not count.'


@pytest.mark.parametrize(
    ("reason_code", "said"),
    [
        ("no-comment", "write why below the word"),
        ("unsure-visibility", "as plain text if you can"),
        ("selection", "it was not clear what you decide"),
    ],
)
def test_help_says_what_to_do_otherwise(reason_code: str, said: str) -> None:
    content = HelpMail(
        approval_id="r-1",
        subject="Release 4.2",
        choices=("approve", "reject"),
        understood="reject",
        reply_token=TOKEN,
        reason_code=reason_code,
    )
    assert said in " ".join(help_letter(content, **REPLY).opening)
