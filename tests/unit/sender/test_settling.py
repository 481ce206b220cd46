"""What comes next for a mail that may have been sent or not, and who files copies, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.sent_copies import can_look, provider_files, we_file
from postroom_sender.patience import Patience
from postroom_sender.settling import Step, means_of, next_step
from tests.unit.sender.commands import account

IMAP = {"host": "imap.example.com", "user": "u", "password": "env:P"}
PATIENCE = Patience(look_delays_s=(1, 1))
FILES: dict[str, Any] = {"imap": IMAP, "smtp": {"host": "mail.example.com", "files_sent_copies": True}}
LOOK, REPEAT, PARK = Step.LOOK, Step.REPEAT, Step.PARK


@pytest.mark.parametrize(
    ("changes", "kind", "looks", "tries", "step"),
    [
        ({}, "plain", 0, 1, PARK),
        ({}, "template", 0, 1, PARK),
        ({}, "approval", 0, 1, REPEAT),
        ({}, "help", 0, 2, REPEAT),
        ({}, "confirm", 0, 3, PARK),
        ({"uncertain": "resend"}, "plain", 0, 2, REPEAT),
        ({"uncertain": "resend"}, "plain", 0, 3, PARK),
        ({"uncertain": "park"}, "approval", 0, 1, PARK),
        # The folder for sent mail is asked first, where it can tell.
        (FILES, "approval", 0, 1, LOOK),
        (FILES, "approval", 1, 1, LOOK),
        (FILES, "approval", 2, 1, REPEAT),
        (FILES, "plain", 1, 1, LOOK),
        (FILES, "plain", 2, 1, PARK),
        ({"imap": IMAP}, "plain", 0, 1, PARK),
    ],
)
def test_the_next_step_follows_from_account_kind_looks_and_tries(
    changes: dict[str, Any], kind: str, looks: int, tries: int, step: Step
) -> None:
    assert next_step(means_of(account(**changes), kind, PATIENCE), looks, tries) is step


@pytest.mark.parametrize(
    ("host", "setting", "files"),
    [
        ("smtp.gmail.com", "auto", True),
        ("SMTP.Office365.com", "auto", True),
        ("smtp-relay.gmail.com", "auto", False),
        ("mail.example.com", "auto", False),
        ("mail.example.com", True, True),
        ("smtp.gmail.com", False, False),
    ],
)
def test_who_files_copies_follows_from_the_host_or_the_setting(
    host: str, setting: bool | str, files: bool
) -> None:
    found = account(smtp={"host": host, "files_sent_copies": setting}, imap=IMAP)
    assert (provider_files(found), can_look(found), we_file(found)) == (files, files, not files)


@pytest.mark.parametrize(
    ("changes", "files"),
    [
        ({}, False),
        ({"imap": IMAP}, True),
        ({"imap": IMAP, "sent_copies": False}, False),
        ({"imap": IMAP, "confidential": True}, False),
        ({"imap": IMAP, "confidential": True, "sent_copies": True}, True),
    ],
)
def test_we_file_where_there_is_a_mailbox_and_nothing_forbids_it(
    changes: dict[str, Any], files: bool
) -> None:
    assert we_file(account(**changes)) is files
