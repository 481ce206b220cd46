"""The decision about each mail: examined mail and facts in, outcome out (pure).

The rules are asked in the order of `RULES`; the first that has an answer decides. When in doubt a rule
answers with an outcome that leaves the mail where it is and approves nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from postroom.addresses import same_address
from postroom.reply_token import ParsedToken, TokenClaim, TokenKeys, verify_token
from postroom_processor.examine import Examined
from postroom_processor.limits import Window
from postroom_processor.reply_text import own_text
from postroom_processor.verdict import Decided, Unclear, read_verdict

OutcomeKind = Literal[
    "accepted", "decided", "deferred", "denied", "held", "ignored", "own", "quarantined", "sent", "unclear"
]
LEFT_ALONE: frozenset[OutcomeKind] = frozenset({"deferred", "held", "own", "quarantined", "sent"})
"""Outcomes after which the mail stays as it is: somebody has still to see it, or it is its owner's own."""


@dataclass(frozen=True)
class TokenRecord:
    """What the store knows about a token: what it stands for, and how the request stands."""

    claim: TokenClaim
    position: int
    account: str
    subject: str
    choices: tuple[str, ...]
    state: str
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    correlation_id: str
    traceparent: str | None


@dataclass(frozen=True)
class Facts:
    """What is known besides the mail: the time, the keys, the records of the tokens, the account's window.

    `sent`: what Postroom sent, as Message-ID (with brackets) and hash of the body (`postroom.own_mail`).
    """

    now: datetime
    keys: TokenKeys
    records: Mapping[str, TokenRecord]
    window: Window
    sent: frozenset[tuple[str, str]] = frozenset()

    def decided(self, record: TokenRecord, choice: str) -> "Facts":
        """The facts after an approver decided: later mails of the same batch see the request as decided."""
        records = {
            ref: replace(
                each,
                state="decided",
                decision=choice,
                decided_by=record.claim.approver,
                decided_at=self.now,
            )
            if each.claim.approval_id == record.claim.approval_id
            else each
            for ref, each in self.records.items()
        }
        return replace(self, records=records)


@dataclass(frozen=True)
class Outcome:
    """What becomes of a mail. `record` and `verdict` are set where it is a proven reply to a request.

    `asked`: the names of the rules that were asked, in order; the last one is the one that had an answer.
    """

    kind: OutcomeKind
    reason: str
    record: TokenRecord | None = None
    verdict: Decided | Unclear | None = None
    until: datetime | None = None
    asked: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Case:
    """A mail before the rules. `proven`: the record of its token if we made it for exactly this claim."""

    examined: Examined
    facts: Facts
    proven: TokenRecord | None


Rule = Callable[[Case], Outcome | None]


def decide(examined: Examined, facts: Facts) -> tuple[Outcome, Facts]:
    """The outcome of a mail, and the facts as the next mail of the batch finds them."""
    case = Case(examined, facts, _proven(examined, facts))
    outcome = _answer(case)
    if outcome.kind == "decided" and outcome.record and isinstance(outcome.verdict, Decided):
        return outcome, facts.decided(outcome.record, outcome.verdict.choice)
    # A proven reply has an allowance of its own, a denied or automatic mail costs next to nothing.
    if outcome.kind == "accepted" and case.proven is None:
        return outcome, replace(facts, window=facts.window.taken())
    return outcome, facts


def _answer(case: Case) -> Outcome:
    asked = []
    for rule in RULES:
        asked.append(rule.__name__.strip("_"))
        if (outcome := rule(case)) is not None:
            return replace(outcome, asked=tuple(asked))
    raise AssertionError("the last rule answers always")


def _sent(case: Case) -> Outcome | None:
    """Mail in the folder for sent mail is its owner's: nothing is decided on it, and nothing done to it."""
    examined = case.examined
    if examined.received.role != "sent":
        return None
    if examined.own_id in case.facts.sent:
        return Outcome("own", "sent by Postroom")
    return Outcome("sent", "sent by the account's owner with another program")


def _denied(case: Case) -> Outcome | None:
    if case.examined.denied_by is None:
        return None
    return Outcome("denied", f"deny list: {case.examined.denied_by}")


def _automatic(case: Case) -> Outcome | None:
    """Programs decide nothing and get no answer. A list's mail without a token is mail like any other."""
    if case.examined.automatic is None or (case.examined.automatic == "list" and not case.examined.tokens):
        return None
    return Outcome("ignored", f"not written by a person: {case.examined.automatic}")


def _contradictory(case: Case) -> Outcome | None:
    """Carriers that disagree prove nothing. The same claim signed with two keys is no disagreement."""
    refs = {token.ref for token in case.examined.tokens}
    if len(refs) > 1 and any(ref in case.facts.records for ref in refs):
        return Outcome("quarantined", "it carries reply tokens of different requests or approvers")
    return None


def _unproven(case: Case) -> Outcome | None:
    """A token that the store knows and that is not what we signed was tampered with."""
    known = any(token.ref in case.facts.records for token in case.examined.tokens)
    if known and case.proven is None:
        return Outcome("held", "its reply token is not one that Postroom made")
    return None


def _not_the_approver(case: Case) -> Outcome | None:
    """A token proves which request is meant, the sender who answers: both must be the approver's."""
    record = case.proven
    if record is None:
        return None
    if record.account != case.examined.received.account:
        return Outcome("held", f"it came to another account than the request's, {record.account}", record)
    if case.examined.sender is None:
        return Outcome("held", "it has not exactly one sender that can be read", record)
    if not same_address(case.examined.sender, record.claim.approver):
        return Outcome(
            "held", f"it came from {case.examined.sender}, asked was {record.claim.approver}", record
        )
    return None


def _late(case: Case) -> Outcome | None:
    record = case.proven
    if record is None:
        return None
    if record.state == "decided" and record.decided_at is not None:
        when = record.decided_at.strftime("%Y-%m-%d %H:%M UTC")
        return Outcome("ignored", f"already decided by {record.decided_by} at {when}", record)
    if record.state != "pending":
        return Outcome("ignored", f"the request is {record.state}", record)
    if case.facts.now > record.claim.expires_at:
        return Outcome("ignored", "the request's deadline is over", record)
    return None


def _truncated(case: Case) -> Outcome | None:
    record = case.proven
    if record is None or not case.examined.received.truncated:
        return None
    return Outcome("held", "it is too large to be read whole", record)


def _reply(case: Case) -> Outcome | None:
    record = case.proven
    if record is None:
        return None
    verdict = read_verdict(own_text(case.examined.mail), record.choices)
    if isinstance(verdict, Unclear):
        return Outcome("unclear", verdict.reason_code, record, verdict)
    return Outcome("decided", verdict.choice, record, verdict)


def _over_the_limit(case: Case) -> Outcome | None:
    if case.facts.window.has_room:
        return None
    reason = f"over the limit of {case.facts.window.limit} mails in {case.facts.window.length_s} s"
    return Outcome("deferred", reason, until=case.facts.window.ends_at)


def _accepted(_case: Case) -> Outcome | None:
    return Outcome("accepted", "")


RULES: tuple[Rule, ...] = (
    _sent,
    _denied,
    _automatic,
    _contradictory,
    _unproven,
    _not_the_approver,
    _late,
    _truncated,
    _reply,
    _over_the_limit,
    _accepted,
)


def _proven(examined: Examined, facts: Facts) -> TokenRecord | None:
    """The record of the mail's token if we made it for exactly this claim."""
    return next((facts.records[token.ref] for token in examined.tokens if _verified(token, facts)), None)


def _verified(token: ParsedToken, facts: Facts) -> bool:
    record = facts.records.get(token.ref)
    return record is not None and verify_token(token, record.claim, facts.keys)
