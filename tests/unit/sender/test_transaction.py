"""The envelope's replies, one by one."""

from __future__ import annotations

import pytest

from postroom_sender.outcome import Outcome, Reply, Result, Scope
from postroom_sender.transaction import Handover, Transaction, steps

PEOPLE = ("anna@example.net", "bert@example.net")
OK, GO = Reply(250, "2.1.0", "ok"), Reply(354, "", "go")
LATER, NO = Reply(450, "4.2.1", "later"), Reply(550, "5.1.1", "who")
CLOSING = Reply(421, "4.3.2", "closing")


@pytest.mark.parametrize(
    ("replies", "ended", "refused", "open_content"),
    [
        ((OK, OK, OK, GO), None, {}, False),
        ((OK, OK, LATER, GO), None, {"bert@example.net": Result.RETRY}, False),
        ((NO, NO, NO, NO), Result.FAILED, {}, False),
        ((OK, NO, NO, NO), Result.FAILED, dict.fromkeys(PEOPLE, Result.FAILED), False),
        ((OK, LATER, NO, GO), Result.RETRY, {PEOPLE[0]: Result.RETRY, PEOPLE[1]: Result.FAILED}, True),
        ((OK, OK, NO, LATER), Result.RETRY, {"bert@example.net": Result.FAILED}, False),
        ((OK, NO, CLOSING), Result.RETRY, {"anna@example.net": Result.FAILED}, False),
    ],
)
def test_each_recipient_is_judged_by_itself(
    replies: tuple[Reply, ...], ended: Result | None, refused: dict[str, Result], open_content: bool
) -> None:
    transaction = Transaction()
    plan = steps("ops@example.com", PEOPLE, international=False, reset=False)
    for step, reply in zip(plan, replies, strict=False):
        transaction.take(step, reply)
    assert (transaction.ended.result if transaction.ended else None) == ended
    assert {each: outcome.result for each, outcome in transaction.refused.items()} == refused
    assert transaction.open_content == open_content


def test_what_concerns_the_account_is_heeded_though_it_was_said_of_one_recipient() -> None:
    sent = Outcome(Result.SENT, "sent", "250 ok", code=250)
    quota = Outcome(Result.RETRY, "quota", "no more today", Scope.RED)
    assert Handover(sent, {"anna@example.net": quota}).about_account == quota


def test_a_mail_with_letters_beyond_ascii_in_addresses_says_so_to_the_server() -> None:
    to = ("jürgen@example.net",)
    lines = [step.line for step in steps("a@example.com", to, international=True, reset=False)]
    assert lines == [
        "MAIL FROM:<a@example.com> SMTPUTF8 BODY=8BITMIME\r\n",  # RFC 6531 section 3.4
        "RCPT TO:<jürgen@example.net>\r\n",
        "DATA\r\n",
    ]
    others = [step.line for step in steps("a@example.com", PEOPLE, international=False, reset=True)]
    assert others[:2] == ["RSET\r\n", "MAIL FROM:<a@example.com>\r\n"]
