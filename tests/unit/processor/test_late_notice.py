"""Who is told that a reply changed nothing, and why somebody is not."""

from __future__ import annotations

from typing import Any

import pytest

from postroom_processor.examine import Examined, examine
from postroom_processor.late_notice import MAX_A_DAY, RULES, Told, addressee, refusal
from postroom_processor.lifecycle import Seat, Terms, Vote
from tests.unit.processor.test_decide import ACCOUNT, NOW, TOKEN, mail, received, record

ANNA, DORA = "anna@corp.example", "dora@corp.example"
NOBODY = Told(0, 0)
APPROVED = (Vote(ANNA, ANNA, "approve", NOW),)


def examined(text: str, sender: str = ANNA, headers: tuple[str, ...] = (), **changes: Any) -> Examined:
    content = mail(text, token=TOKEN, sender=sender, headers=headers)
    return examine(received(content, **changes), content, ACCOUNT)


def test_who_is_late_is_told_and_so_is_who_votes_again_otherwise() -> None:
    assert refusal(examined("Approve"), record(state="decided"), NOBODY) is None
    assert refusal(examined("What is it?"), record(state="expired"), Told(0, MAX_A_DAY - 1)) is None
    assert refusal(examined("Reject"), record(votes=APPROVED), NOBODY) is None
    by_delegate = (Vote(ANNA, DORA, "approve", NOW),)
    assert refusal(examined("Approve"), record(votes=by_delegate), NOBODY) is None


REFUSED: list[tuple[Examined, dict[str, Any], Told, str]] = [
    (examined("Approve", truncated=True), {}, NOBODY, "whole"),
    (examined("Approve", headers=("X: " + "x" * 2_000_000,)), {}, NOBODY, "whole"),
    (examined("I am out of the office until Monday."), {}, NOBODY, "out-of-office"),
    (examined("Approve"), {"votes": APPROVED}, NOBODY, "has voted"),
    (examined("Thank you!"), {"votes": APPROVED}, NOBODY, "has voted"),
    (examined("Reject"), {"votes": APPROVED}, Told(1, 0), "told before"),
    (examined("Approve"), {}, Told(0, MAX_A_DAY), "today"),
]


@pytest.mark.parametrize(("reply", "changes", "told", "reason"), REFUSED)
def test_nobody_is_told_of(reply: Examined, changes: dict[str, Any], told: Told, reason: str) -> None:
    assert reason in (refusal(reply, record(state="decided", **changes), told) or "")


@pytest.mark.parametrize("left_out", range(len(RULES)))
def test_each_rule_is_needed(left_out: int) -> None:
    rules = tuple(rule for index, rule in enumerate(RULES) if index != left_out)
    assert any(
        refusal(reply, record(state="decided", **changes), told, rules) is None
        for reply, changes, told, _ in REFUSED
    )


def test_told_is_a_registered_address_and_never_a_strangers() -> None:
    delegated = record(terms=Terms(seats=(Seat(ANNA), Seat(DORA, "delegate", ANNA))))
    assert addressee(examined("Approve", sender="Dora@corp.example"), delegated) == DORA
    assert addressee(examined("Approve", sender="eve@evil.example"), delegated) == ANNA
