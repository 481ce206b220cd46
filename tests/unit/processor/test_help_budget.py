"""Who gets a help mail for an unclear reply, and why somebody gets none."""

import pytest

from postroom_processor.help_budget import MAX_A_DAY, MAX_IN_THREAD, RULES, Helped, refusal
from postroom_processor.mail import read_mail


def mail(text: str, subject: str = "Re: Release 4.2") -> bytes:
    return f"From: anna@corp.example\r\nSubject: {subject}\r\n\r\n{text}".encode()


UNCLEAR, AWAY = mail("What is it about?"), mail("I am out of the office until Monday.")
AWAY_SUBJECT = mail("Hello, I will answer in March.", subject="Re: Out of office")
NOTHING = Helped(0, 0, 0)
REFUSED = [
    (AWAY, NOTHING, "reads like an out-of-office reply"),
    (AWAY_SUBJECT, NOTHING, "reads like an out-of-office reply"),
    (UNCLEAR, Helped(1, 1, 1), "one went today"),
    (UNCLEAR, Helped(0, MAX_IN_THREAD, 0), "about this request"),
    (UNCLEAR, Helped(0, 0, MAX_A_DAY), "to this person today"),
]


def test_an_unclear_reply_gets_a_help_mail() -> None:
    assert refusal(read_mail(UNCLEAR), NOTHING) is None
    assert refusal(read_mail(UNCLEAR), Helped(0, MAX_IN_THREAD - 1, MAX_A_DAY - 1)) is None


@pytest.mark.parametrize(("content", "helped", "reason"), REFUSED)
def test_no_help_mail_keeps_a_loop_going(content: bytes, helped: Helped, reason: str) -> None:
    assert reason in (refusal(read_mail(content), helped) or "")


def test_a_quoted_absence_is_not_the_authors() -> None:
    assert refusal(read_mail(mail("Who is it?\n\n> I am out of the office")), NOTHING) is None


@pytest.mark.parametrize("left_out", range(len(RULES)))
def test_each_rule_is_needed(left_out: int) -> None:
    rules = tuple(rule for index, rule in enumerate(RULES) if index != left_out)
    assert any(refusal(read_mail(content), helped, rules) is None for content, helped, _ in REFUSED)
