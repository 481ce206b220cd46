"""Commands and accounts for the sender's tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from postroom.account import Account
from postroom.messages import ApprovalMail, ConfirmMail, HelpMail, MailContent, MailSend, PlainMail

TOKEN = "pr" + "abcdefgh" * 5
WRITTEN_AT = datetime(2025, 11, 22, 1, 2, 3, tzinfo=UTC)


def account(**changes: Any) -> Account:
    """An account that sends."""
    settings = {"name": "releases", "address": "releases@example.com", "smtp": {"host": "mail.example.com"}}
    return Account.model_validate({**settings, **changes})


def approval(**changes: Any) -> ApprovalMail:
    """A request."""
    settings: dict[str, Any] = {
        "approval_id": "deploy-42",
        "subject": "Deploy 4.2 to production",
        "body": "Version 4.2 is ready.\n\n  - faster search\n  - fixed login",
        "choices": ("approve", "reject"),
        "requester": "Release bot",
        "deadline": WRITTEN_AT + timedelta(days=1),
        "reply_token": TOKEN,
    }
    return ApprovalMail.model_validate({**settings, **changes})


def help_mail(**changes: Any) -> HelpMail:
    """The answer to an unclear reply."""
    settings: dict[str, Any] = {
        "approval_id": "deploy-42",
        "subject": "Deploy 4.2 to production",
        "choices": ("approve", "reject"),
        "understood": "Well, perhaps, if Anna agrees",
        "reply_token": TOKEN,
        "in_reply_to": "<question@phone.example.net>",
    }
    return HelpMail.model_validate({**settings, **changes})


def confirm_mail(**changes: Any) -> ConfirmMail:
    """The question whether a reply was the approver's."""
    settings: dict[str, Any] = {
        "approval_id": "deploy-42",
        "subject": "Deploy 4.2 to production",
        "choice": "approve",
        "choices": ("approve", "reject"),
        "comment": "Go ahead.\nReject nothing.",
        "sender": "boss@example.net",
        "deadline": WRITTEN_AT + timedelta(days=1),
        "reply_token": TOKEN,
    }
    return ConfirmMail.model_validate({**settings, **changes})


def plain(**changes: Any) -> PlainMail:
    """A mail as a program wrote it."""
    return PlainMail.model_validate({"subject": "The build", "text": "It is done.\n", **changes})


def command(content: MailContent | None = None, **changes: Any) -> MailSend:
    """The order to send it."""
    settings: dict[str, Any] = {
        "id": "deploy-42:ask:0",
        "account": "releases",
        "recipient": "boss@example.net",
        "content": content or approval(),
        "written_at": WRITTEN_AT,
    }
    return MailSend.model_validate({**settings, **changes})
