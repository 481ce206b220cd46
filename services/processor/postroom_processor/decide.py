"""The decision about each mail: examined mail and facts in, outcome out (pure).

The rules are asked in the order of `RULES`; the first that has an answer decides. When in doubt a rule
answers with an outcome that leaves the mail where it is and approves nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, cast

from postroom.addresses import same_address
from postroom.proof_level import DEFAULT_LEVEL, LEVELS, ProofLevel
from postroom.reply_token import ParsedToken, TokenClaim, TokenKeys, verify_token
from postroom_processor import lifecycle
from postroom_processor.automatic import explained
from postroom_processor.confirmation import FirstReply
from postroom_processor.examine import Examined
from postroom_processor.lifecycle import Count, Ending, State, Terms, Vote
from postroom_processor.limits import Line, Window, approver_key
from postroom_processor.proof import weakness
from postroom_processor.read_limits import REASONS
from postroom_processor.sender_address import only_address
from postroom_processor.verdict import Decided, Unclear, read_verdict

OutcomeKind = Literal[
    "accepted",
    "decided",
    "deferred",
    "denied",
    "held",
    "ignored",
    "own",
    "quarantined",
    "sent",
    "unclear",
    "voted",
    "pending_confirmation",
]
LEFT_ALONE: frozenset[OutcomeKind] = frozenset({"deferred", "held", "own", "quarantined", "sent"})
"""Outcomes after which the mail stays as it is: somebody has still to see it, or it is its owner's own."""
_FREE: frozenset[OutcomeKind] = frozenset({"denied", "own", "sent"})


@dataclass(frozen=True)
class TokenRecord:
    """What the store knows about a token: what it stands for, and how the request stands.

    `terms` and `votes` are those of the request's current round; `stands_for`: in whose place the token's
    approver decides; `changed_at`: when the request was changed since, so that the token is void; `proof`:
    the level that a reply must reach; `first`: of a token that confirms a mail, that mail.
    """

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
    round: int = 1
    terms: Terms = field(default_factory=Terms)
    votes: tuple[Vote, ...] = ()
    stands_for: str | None = None
    changed_at: datetime | None = None
    proof: ProofLevel = DEFAULT_LEVEL
    first: FirstReply | None = None

    @property
    def seat(self) -> str:
        """Whose vote it is: the approver's, or that of whom they stand for."""
        return self.stands_for or self.claim.approver

    @property
    def answerers(self) -> tuple[str, ...]:
        """Who may answer with this token: the approver it was made for, and the approver's delegates.

        A confirmation is asked of one of them, and only they can give it.
        """
        if self.first is not None:
            return (self.first.voter,)
        delegates = (each.address for each in self.terms.seats if each.stands_for == self.claim.approver)
        return (self.claim.approver, *delegates)

    def answerer(self, sender: str | None) -> str | None:
        """The one of them who is the sender, or None."""
        return next((each for each in self.answerers if sender and same_address(each, sender)), None)

    @property
    def ending(self) -> Ending:
        """How the request stands for those who come late."""
        return Ending(cast(State, self.state), self.decided_by, self.decided_at)


@dataclass(frozen=True)
class Facts:
    """What is known besides the mail: the time, the keys, the records of the tokens, the account's window.

    `sent`: what Postroom sent, as Message-ID (with brackets) and hash of the body (`postroom.own_mail`).
    `line`: who waits for room in the window; `mail_id`: under which the mail may be among them.
    """

    now: datetime
    keys: TokenKeys
    records: Mapping[str, TokenRecord]
    window: Window
    sent: frozenset[tuple[str, str]] = frozenset()
    line: Line = field(default_factory=Line)
    mail_id: str = ""

    def voted(self, vote: Vote, record: TokenRecord, result: Count) -> "Facts":
        """The facts after a vote: later mails of the same batch see the request as it stands then."""
        changes: dict[str, Any] = {"votes": (*record.votes, vote)}
        if result.state != "pending":
            changes |= {"state": result.state, "decision": result.decision, "decided_at": self.now}
        if result.state == "decided":
            changes["decided_by"] = vote.approver
        records = {
            ref: replace(each, **changes) if each.claim.approval_id == record.claim.approval_id else each
            for ref, each in self.records.items()
        }
        return replace(self, records=records)

    def contradicted(self, record: TokenRecord) -> "Facts":
        """The facts after somebody answered the question about a reply with another choice than its own."""
        records = {
            ref: replace(each, first=replace(each.first, answer="contradicted"))
            if each is record and each.first
            else each
            for ref, each in self.records.items()
        }
        return replace(self, records=records)


@dataclass(frozen=True)
class Outcome:
    """What becomes of a mail. `record` and `verdict` are set where it is a proven reply to a request.

    `vote` and `result` are set where the reply counts: the vote, and what the votes come to with it.
    `asked`: the names of the rules that were asked, in order; the last one is the one that had an answer.
    """

    kind: OutcomeKind
    reason: str
    record: TokenRecord | None = None
    verdict: Decided | Unclear | None = None
    until: datetime | None = None
    vote: Vote | None = None
    result: Count | None = None
    asked: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Case:
    """A mail before the rules. `proven`: the record of its token if we made it for exactly this claim."""

    examined: Examined
    facts: Facts
    proven: TokenRecord | None

    @property
    def approver(self) -> str | None:
        """Of a proven reply that needs no room of the account: under which its approver's are counted."""
        key = approver_key(self.proven.claim.approver) if self.proven else None
        return key if key and self.facts.line.has_reply_room(key) else None


Rule = Callable[[Case], Outcome | None]


def decide(examined: Examined, facts: Facts, rules: tuple[Rule, ...] | None = None) -> tuple[Outcome, Facts]:
    """The outcome of a mail, and the facts as the next mail of the batch finds them.

    `rules` are asked in order, if not `RULES`; a test leaves one out to see that it is needed.
    """
    case = Case(examined, facts, _proven(examined, facts))
    outcome = _answer(case, rules or RULES)
    after = _counted(case, outcome)
    if outcome.vote and outcome.record and outcome.result:
        return outcome, after.voted(outcome.vote, outcome.record, outcome.result)
    if outcome.kind == "held" and outcome.record and outcome.verdict:
        return outcome, after.contradicted(outcome.record)
    return outcome, after


def _counted(case: Case, outcome: Outcome) -> Facts:
    """The facts after what the mail took: of its approver's allowance, or of the account's room."""
    facts, line = case.facts, case.facts.line
    mail = facts.mail_id, case.examined.sender_key
    if outcome.kind == "deferred":
        return replace(facts, line=line.joined(*mail))
    # A denied or automatic mail costs next to nothing; what was sent is its owner's own.
    if outcome.kind in _FREE or outcome.asked[-1] == _automatic.__name__.strip("_"):
        return replace(facts, line=line.left(*mail))
    if case.approver is not None:
        return replace(facts, line=line.left(*mail).replied(case.approver))
    return replace(facts, line=line.taken(*mail), window=facts.window.taken())


def _answer(case: Case, rules: tuple[Rule, ...]) -> Outcome:
    asked = []
    for rule in rules:
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
    return Outcome("ignored", f"not written by a person: {_explained(case.examined)}")


def _explained(examined: Examined) -> str:
    return explained(examined.mail, examined.automatic) if examined.automatic else ""


def _over_the_limit(case: Case) -> Outcome | None:
    """A proven reply has an allowance of its own; a token that proves nothing is no reason for any."""
    if case.approver is not None:
        return None
    facts = case.facts
    refusal = facts.line.refusal(facts.window, facts.mail_id, case.examined.sender_key)
    return Outcome("deferred", refusal.reason, until=refusal.until) if refusal else None


def _contradictory(case: Case) -> Outcome | None:
    """Carriers that disagree prove nothing.

    Tokens of one request and approver agree: signed with two keys, of the request and of the question
    whether a reply to it was theirs, or of the request before and after it was changed.
    """
    meant = {_meaning(token, case.facts) for token in case.examined.tokens}
    if len(meant) > 1 and any(known for _, known in meant):
        return Outcome("quarantined", "it carries reply tokens of different requests or approvers")
    return None


def _meaning(token: ParsedToken, facts: Facts) -> tuple[str, str]:
    """The request and the approver that a token is about; of an unknown one its reference and nobody."""
    record = facts.records.get(token.ref)
    return (record.claim.approval_id, record.claim.approver) if record else (token.ref, "")


def _unproven(case: Case) -> Outcome | None:
    """A token that the store knows and that is not what we signed was tampered with."""
    known = [token for token in case.examined.tokens if token.ref in case.facts.records]
    if not all(_verified(token, case.facts) for token in known):
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
    if not LEVELS[record.proof].sender or record.answerer(case.examined.sender) is not None:
        return None
    return Outcome("held", f"it came from {case.examined.sender}, asked was {record.answerers[0]}", record)


def _passed_on(case: Case) -> Outcome | None:
    """What a list or another person sent on is not its author's answer (RFC 5322 section 3.6.6, RFC 2369)."""
    record = case.proven
    if record is None:
        return None
    passed = next((name for name in case.examined.mail.fields if name.startswith(("resent-", "list-"))), None)
    if passed is not None:
        return Outcome("held", f"it was passed on: it has the field {passed}", record)
    senders = case.examined.mail.header_bytes("sender")
    if senders and not _sent_by_the_author(senders, record, case.examined.sender):
        return Outcome("held", "another than its author sent it: see the field sender", record)
    return None


def _sent_by_the_author(senders: tuple[bytes, ...], record: TokenRecord, author: str | None) -> bool:
    """Whether Sender (RFC 5322 section 3.6.2) names the author, or another who may answer."""
    address = only_address(senders)
    return address is not None and (
        record.answerer(address) is not None or (author is not None and same_address(address, author))
    )


def _late(case: Case) -> Outcome | None:
    """What the table of `lifecycle` ignores, and a second vote: one decision an approver."""
    record = case.proven
    if record is None:
        return None
    reason = _too_late(record, case.examined.sender or "", case.facts.now)
    return Outcome("ignored", reason, record) if reason else None


def _too_late(record: TokenRecord, sender: str, now: datetime) -> str | None:
    if record.changed_at is not None:
        return lifecycle.changed_reason(record.changed_at)
    if lifecycle.TABLE[record.ending.state, "vote"].effect == "ignore":
        return lifecycle.late_reason(record.ending)
    if now > record.claim.expires_at:
        return "the request's deadline is over"
    if record.first is not None and record.first.answer is not None:
        return f"the question was answered already: {record.first.answer}"
    vote = lifecycle.vote_of(record.votes, record.seat)
    return lifecycle.voted_reason(vote, sender) if vote else None


def _truncated(case: Case) -> Outcome | None:
    record = case.proven
    if record is None:
        return None
    if case.examined.received.truncated:
        return Outcome("held", "it is too large to be read whole", record)
    limited = case.examined.mail.limited
    return Outcome("held", f"it is not read: {REASONS[limited]}", record) if limited else None


def _reply(case: Case) -> Outcome | None:
    record = case.proven
    if record is None:
        return None
    verdict = read_verdict(case.examined.own, record.choices)
    if isinstance(verdict, Decided) and record.first is not None:
        if verdict.choice != record.first.choice:
            return _contradicted(record, record.first, verdict)
        verdict = replace(verdict, comment=verdict.comment or record.first.comment)
    if isinstance(verdict, Decided):
        verdict = commented(record, verdict)
    if isinstance(verdict, Unclear):
        return Outcome("unclear", verdict.reason_code, record, verdict)
    weak = _too_weak(case, record)
    if weak is not None:
        return Outcome("pending_confirmation", weak, record, verdict)
    voter = record.answerer(case.examined.sender) or record.claim.approver
    return cast_vote(record, verdict, voter, case.facts.now)


def _contradicted(record: TokenRecord, first: FirstReply, verdict: Decided) -> Outcome:
    reason = f"asked to confirm {first.choice!r}, the answer was {verdict.choice!r}: neither of them counts"
    return Outcome("held", reason, record, verdict)


def _too_weak(case: Case, record: TokenRecord) -> str | None:
    """Why a clear reply does not count yet; a confirmation has the proof that the first mail lacked."""
    if record.first is not None:
        return None
    refs = (ref for ref, each in case.facts.records.items() if each is record)
    weak = weakness(record.proof, case.examined.findings(refs))
    if weak is None and LEVELS[record.proof].confirmation:
        return "the request asks for a confirmation of every reply"
    return weak


def commented(record: TokenRecord, verdict: Decided) -> Decided | Unclear:
    """The decision, or that it is unclear since its choice needs a comment and has none."""
    if record.terms.needs_comment(verdict.choice) and not any(map(str.isalnum, verdict.comment)):
        return Unclear("no-comment", verdict.choice)
    return verdict


def cast_vote(record: TokenRecord, verdict: Decided, voter: str, now: datetime) -> Outcome:
    """The outcome of a decision that counts: it decides the request, or it is one vote of several."""
    vote = Vote(record.seat, voter, verdict.choice, now)
    terms = replace(record.terms, choices=record.choices)
    result = lifecycle.count(terms, (*record.votes, vote))
    kind: OutcomeKind = "decided" if result.state == "decided" else "voted"
    return Outcome(kind, verdict.choice, record, verdict, vote=vote, result=result)


def _accepted(_case: Case) -> Outcome | None:
    return Outcome("accepted", "")


RULES: tuple[Rule, ...] = (
    _sent,
    _denied,
    _automatic,
    _over_the_limit,
    _contradictory,
    _unproven,
    _not_the_approver,
    _passed_on,
    _late,
    _truncated,
    _reply,
    _accepted,
)


def _proven(examined: Examined, facts: Facts) -> TokenRecord | None:
    """The record of the mail's token if we made it for exactly this claim.

    Of several of one request and approver the one that says most: who answers the question whether a reply
    was theirs, or a changed request, may quote what came before.
    """
    found = [facts.records[token.ref] for token in examined.tokens if _verified(token, facts)]
    return min(found, key=_precedence, default=None)


def _precedence(record: TokenRecord) -> tuple[bool, bool]:
    return record.changed_at is not None, record.first is None


def _verified(token: ParsedToken, facts: Facts) -> bool:
    record = facts.records.get(token.ref)
    return record is not None and verify_token(token, record.claim, facts.keys)
