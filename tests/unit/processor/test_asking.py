"""Who may be asked, and what makes a request another one."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.account import Account
from postroom.messages import ApprovalRequest
from postroom_processor.lifecycle import Seat
from postroom_processor.requests import content_hash, refuse_delegate, refuse_person
from tests.unit.processor.test_decide import ACCOUNT

ANNA, BERT, DORA = (f"{name}@corp.example" for name in ("anna", "bert", "dora"))
SEATS = (Seat(ANNA), Seat(BERT), Seat(DORA, "delegate", ANNA))


def nobody(_account: Account, _person: str) -> None:
    """Nobody is denied."""


WITHIN = Account.model_validate({**ACCOUNT.model_dump(by_alias=True), "approvers": "corp.example"})


def test_an_approver_whose_vote_is_missing_may_be_stood_in_for() -> None:
    assert refuse_delegate(SEATS, [ANNA], "Bert@corp.example", "carl@corp.example", WITHIN, nobody) is None


@pytest.mark.parametrize(
    ("approver", "to", "field"),
    [
        ("eve@corp.example", "carl@corp.example", "approver"),
        (DORA, "carl@corp.example", "approver"),  # a delegate has nothing to hand on
        (ANNA, "carl@corp.example", "approver"),  # the vote is in
        (BERT, BERT, "to"),
        (BERT, "Anna@corp.example", "to"),
        (BERT, DORA, "to"),
        (BERT, "anna+second@corp.example", "to"),  # one mailbox, one vote
        (BERT, "eve@evil.example", "to"),
        (BERT, "release+x@corp.example", "to"),  # the account itself
    ],
)
def test_nobody_gets_a_vote_by_delegation_who_may_not(approver: str, to: str, field: str) -> None:
    refusal = refuse_delegate(SEATS, [ANNA], approver, to, WITHIN, nobody)
    assert refusal is not None
    assert refusal.field == field


def test_the_accounts_own_address_is_nobodys() -> None:
    for own in ("release@corp.example", "Release@corp.example", "release+pr@corp.example"):
        assert refuse_person(own, ACCOUNT, nobody) is not None
    assert refuse_person("releases@corp.example", ACCOUNT, nobody) is None


def asked(**changes: Any) -> str:
    fields: dict[str, Any] = {"id": "r-1", "account": "release", "approvers": (ANNA,), "subject": "Release"}
    return content_hash(ApprovalRequest(**{**fields, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"account": "other"},
        {"subject": "Releases"},
        {"body": "."},
        {"requester": "ci"},
        {"choices": ("reject", "approve")},
        {"approvers": (BERT,)},
        {"approvers": (ANNA, BERT)},
        {"rule": "all"},
        {"comment_required": ("reject",)},
        {"delegates": {ANNA: DORA}},
        {"escalate": {"after_s": 60, "to": (BERT,)}},
        {"proof": "token+from+dmarc"},
    ],
)
def test_what_is_decided_by_whom_and_how_makes_it_another_request(changes: dict[str, Any]) -> None:
    assert asked(**changes) != asked()


def test_when_is_not_part_of_it_nor_the_case_of_addresses() -> None:
    assert asked(remind_every_s=3600) == asked(approvers=("Anna@Corp.example",)) == asked()


def test_two_peoples_mailboxes_are_two_requests_however_alike() -> None:
    assert asked(approvers=("stra\u00dfe@x.example",)) != asked(approvers=("strasse@x.example",))
