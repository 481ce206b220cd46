"""Who gets a help mail for a reply that was not clear, and why somebody gets none (pure).

Nothing that Postroom writes by itself may keep a loop going: two programs that answer each other stop here,
whatever their headers say. Rules are asked in the order of `RULES`; the first that has an answer refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postroom_processor.automatic import seems_away
from postroom_processor.mail import Mail
from postroom_processor.reply_text import own_text

MAX_IN_THREAD = 3
"""Help mails for one request and approver, ever."""
MAX_A_DAY = 10
"""Help mails to one correspondent a day (UTC), over all requests and accounts."""


@dataclass(frozen=True)
class Helped:
    """How many help mails went already.

    Attributes:
        today: For this request to this approver today (UTC).
        in_thread: For this request to this approver.
        to_person: To this approver today, for whatever request.
    """

    today: int
    in_thread: int
    to_person: int


Rule = Callable[[Mail, Helped], str | None]


def refusal(mail: Mail, helped: Helped, rules: tuple[Rule, ...] | None = None) -> str | None:
    """Why this unclear reply gets no help mail; None if it gets one.

    Args:
        mail: The reply.
        helped: What its author got before.
        rules: What is asked, in order, if not `RULES`; a test leaves one out to see that it is needed.
    """
    answers = (rule(mail, helped) for rule in rules or RULES)
    return next((answer for answer in answers if answer is not None), None)


def _away(mail: Mail, _helped: Helped) -> str | None:
    away = seems_away(mail.subject) or seems_away(own_text(mail).text)
    return "it reads like an out-of-office reply" if away else None


def _daily(_mail: Mail, helped: Helped) -> str | None:
    return "one went today" if helped.today else None


def _thread(_mail: Mail, helped: Helped) -> str | None:
    if helped.in_thread < MAX_IN_THREAD:
        return None
    return f"{helped.in_thread} went about this request, which is all that may"


def _correspondent(_mail: Mail, helped: Helped) -> str | None:
    if helped.to_person < MAX_A_DAY:
        return None
    return f"{helped.to_person} went to this person today, which is all that may"


RULES: tuple[Rule, ...] = (_away, _daily, _thread, _correspondent)
