"""The envelope of one mail as commands, and what the replies to them come to (pure; RFC 5321, RFC 2920).

Each reply is judged by itself: some recipients may be refused, for now or for good, while the others get
the mail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from postroom_sender.judging import judge
from postroom_sender.outcome import Outcome, Reply, Result, Scope, Stage

CONNECTION_LOST = "connection_lost"


@dataclass(frozen=True)
class Handover:
    """What an attempt came to: for the mail, and for the recipients whom the server refused by themselves."""

    outcome: Outcome
    refused: Mapping[str, Outcome] = field(default_factory=dict)

    def of(self, recipient: str) -> Outcome:
        """What it came to for this recipient."""
        return self.refused.get(recipient, self.outcome)

    @property
    def about_account(self) -> Outcome:
        """The outcome that says most about the account and its server."""
        found = (each for each in (self.outcome, *self.refused.values()) if each.scope is not Scope.MAIL)
        return next(found, self.outcome)


@dataclass(frozen=True)
class Step:
    """A command, and for RCPT whom it is about."""

    stage: Stage | Literal["reset"]
    line: str
    recipient: str = ""


def steps(sender: str, recipients: Sequence[str], *, international: bool, reset: bool) -> tuple[Step, ...]:
    """MAIL, RCPT and DATA; `reset`: after RSET, since an earlier envelope lies at the server."""
    options = " SMTPUTF8 BODY=8BITMIME" if international else ""
    return (
        *((Step("reset", "RSET\r\n"),) if reset else ()),
        Step("mail", f"MAIL FROM:<{sender}>{options}\r\n"),
        *(Step("rcpt", f"RCPT TO:<{each}>\r\n", each) for each in recipients),
        Step("data", "DATA\r\n"),
    )


class Transaction:
    """Takes the replies in their order. For one mail."""

    def __init__(self) -> None:
        self.refused: dict[str, Outcome] = {}
        self.ended: Outcome | None = None
        """What the mail comes to, if it does not go on to its content."""
        self.open_content = False
        """Whether the server waits for content all the same (RFC 2920 section 3.1)."""
        self.has_recipients = False
        """Whether the server takes the mail for anybody."""

    def take(self, step: Step, reply: Reply) -> None:
        """Judge the reply to a step."""
        taken = reply.code == 354 if step.stage == "data" else 200 <= reply.code < 300
        if step.stage == "rcpt":
            self._take_recipient(step, reply, taken=taken)
        elif step.stage == "data":
            self._take_data(reply, taken=taken)
        elif not taken:
            self.ended = self.ended or _at_the_beginning(step, reply)

    def nobody_left(self) -> bool:
        """Whether all recipients were refused; then the mail is, for the first one's reason."""
        if self.ended is None and not self.has_recipients and self.refused:
            self.ended = next(iter(self.refused.values()))
        return self.ended is not None

    def _take_recipient(self, step: Step, reply: Reply, *, taken: bool) -> None:
        self.has_recipients |= taken
        if taken or self.ended is not None:
            return
        outcome = judge("rcpt", reply)
        if reply.code == 421:  # the connection ends, whoever was asked about (RFC 5321 section 3.8)
            self.ended = outcome
        else:
            self.refused[step.recipient] = outcome

    def _take_data(self, reply: Reply, *, taken: bool) -> None:
        if self.nobody_left():
            self.open_content = taken
        elif not taken:
            self.ended = judge("data", reply)


def _at_the_beginning(step: Step, reply: Reply) -> Outcome:
    """What a refusal of RSET or MAIL comes to. RSET is about this connection, not about the mail."""
    if step.stage == "mail" or reply.code == 421:
        return judge("mail", reply)
    return Outcome(Result.RETRY, CONNECTION_LOST, f"the server does not take RSET ({reply})")
