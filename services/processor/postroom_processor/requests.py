"""The rules of approval requests: what is accepted, and what is recorded and mailed for it (pure)."""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from postroom.account import Account, matches
from postroom.addresses import fold_case, same_address, same_person
from postroom.deny import Rule
from postroom.messages import ApprovalMail, ApprovalRequest, AtLeast, MailSend, PlainMail
from postroom.proof_level import is_below
from postroom.reply_token import TokenClaim, TokenKeys, make_token, token_ref
from postroom_processor.lifecycle import Plan, Progress, Seat, next_due

DEFAULT_DEADLINE = timedelta(days=14)
LONGEST_DEADLINE = timedelta(days=366)
# The contract lets them pass: text of before that has some is stored.
_C1_CONTROL = re.compile("[\x80-\x9f]")
Denied = Callable[[Account, str], Rule | None]
"""The rule that denies mail of an address to an account, if there is one."""


@dataclass(frozen=True)
class Refusal:
    """Why a request is not accepted; `field` is the one that must change."""

    field: str
    reason: str


@dataclass(frozen=True)
class Content:
    """What people are asked about, as their mails and tokens have it.

    `content_hash` is that of the request; in which `round` it is asked goes into the tokens too.
    """

    approval_id: str
    account: str
    subject: str
    body: str
    choices: tuple[str, ...]
    requester: str
    deadline: datetime
    content_hash: str
    round: int = 1
    comment_required: tuple[str, ...] = ()
    escalates_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """One person who is asked: the place they have, the claim of the token and the mail with it."""

    position: int
    seat: Seat
    claim: TokenClaim
    token_ref: str
    mail: MailSend


def refuse(
    request: ApprovalRequest, account: Account | None, now: datetime, denied: Denied
) -> Refusal | None:
    """Why the request cannot be accepted, or None."""
    if account is None:
        return Refusal("account", f"there is no account {request.account!r}")
    if not account.enabled:
        return Refusal("account", f"the account {account.name!r} is disabled")
    if account.smtp is None:
        return Refusal("account", f"the account {account.name!r} cannot send: it has no smtp section")
    if account.imap is None:
        return Refusal("account", f"the account {account.name!r} cannot receive: it has no imap section")
    if request.proof is not None and is_below(request.proof, account.proof):
        return Refusal("proof", f"is below {account.proof}, the least of the account {account.name!r}")
    if _C1_CONTROL.search(request.subject):
        return Refusal("subject", "holds a control character, which no mail may have in its header")
    return _refuse_times(request, deadline_of(request, now), now) or next(
        (
            Refusal(field, reason)
            for field, person in _people(request)
            if (reason := refuse_person(person, account, denied))
        ),
        None,
    )


def _refuse_times(request: ApprovalRequest, deadline: datetime, now: datetime) -> Refusal | None:
    if deadline <= now:
        return Refusal("deadline", "is in the past")
    if deadline > now + LONGEST_DEADLINE:
        return Refusal("deadline", f"is more than {LONGEST_DEADLINE.days} days away")
    if request.escalate and request_plan(request).escalates_at(now, deadline) is None:
        return Refusal("escalate.after_s", "is not before the deadline: nobody would be asked")
    return None


def _people(request: ApprovalRequest) -> Iterator[tuple[str, str]]:
    """All who may come to decide, each with the field that names them."""
    yield from ((f"approvers[{index}]", each) for index, each in enumerate(request.approvers))
    yield from ((f"delegates[{approver}]", each) for approver, each in request.delegates.items())
    if request.escalate:
        yield from ((f"escalate.to[{index}]", each) for index, each in enumerate(request.escalate.to))


def refuse_person(person: str, account: Account, denied: Denied) -> str | None:
    """Why this person may not be asked through the account, or None."""
    if account.approvers and matches(account.approvers, person) is None:
        return f"{person} is not known: the account {account.name!r} lists who may be asked"
    if any(same_person(person, own) for own in (account.address, account.reply_address)):
        return f"{person} is the account's own address: nobody would answer"
    rule = denied(account, person)
    return f"{person} is on a deny list, and the answer would be denied: {rule.told}" if rule else None


def refuse_delegate(
    seats: Sequence[Seat], voted: Collection[str], approver: str, to: str, account: Account, denied: Denied
) -> Refusal | None:
    """Why `to` cannot take the place of an approver, or None. One person has one vote in a request.

    `voted`: the approvers whose vote is in.
    """
    if not any(same_address(seat.address, approver) and seat.role != "delegate" for seat in seats):
        return Refusal("approver", f"{approver} is not asked in this request")
    if any(same_address(each, approver) for each in voted):
        return Refusal("approver", f"the vote of {approver} is in already")
    if any(same_person(seat.address, to) for seat in seats):
        return Refusal("to", f"{to} is asked in this request already")
    reason = refuse_person(to, account, denied)
    return Refusal("to", reason) if reason else None


def deadline_of(request: ApprovalRequest, now: datetime) -> datetime:
    """The request's deadline in whole seconds, or the default."""
    return (request.deadline or now + DEFAULT_DEADLINE).replace(microsecond=0)


def rule_of(request: ApprovalRequest) -> str:
    """The rule as one word: `any`, `all` or a number."""
    return str(request.rule.at_least) if isinstance(request.rule, AtLeast) else request.rule


def plan_of(stored: Mapping[str, Any]) -> Plan:
    """The plan as it was stored."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    return Plan(**values)


def request_plan(request: ApprovalRequest) -> Plan:
    """When to remind and whom to ask else."""
    return Plan(
        remind_after_s=tuple(sorted(set(request.remind_after_s))),
        remind_every_s=request.remind_every_s,
        remind_at_most=request.remind_at_most if request.remind_every_s else 0,
        escalate_after_s=request.escalate.after_s if request.escalate else None,
        escalate_to=request.escalate.to if request.escalate else (),
    )


def stored_terms(request: ApprovalRequest, now: datetime) -> dict[str, Any]:
    """What the store keeps of rule, comments and plan, with the time when something is due first."""
    plan = request_plan(request)
    return {
        "rule": rule_of(request),
        "comment_required": list(request.comment_required),
        "plan": asdict(plan),
        "due_at": next_due(Progress(plan, now, deadline_of(request, now))),
    }


def content_hash(request: ApprovalRequest) -> str:
    """What people are asked to decide about, and who, as one hash: changed content is another question.

    Deadline and reminders are not part of it: a pipeline that asks again "for two days from now" asks the
    same. What a request does not say leaves the hash as it was before there was anything to say.
    """
    content = request.model_dump(mode="json", include={"account", "subject", "body", "choices", "requester"})
    people = sorted(fold_case(approver) for approver in request.approvers)
    terms = {
        "rule": rule_of(request) if request.rule != "any" else None,
        "comment_required": sorted(choice.casefold() for choice in request.comment_required),
        "delegates": sorted([fold_case(one), fold_case(to)] for one, to in request.delegates.items()),
        "escalate": sorted(fold_case(each) for each in request.escalate.to) if request.escalate else None,
        "proof": request.proof,
    }
    said = {name: value for name, value in terms.items() if value}
    canonical = json.dumps([content, people, *([said] if said else [])], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def token_content(digest: str, number: int) -> str:
    """The hash of the content as the tokens of a round have it.

    What is changed and changed back is asked a third time, and replies to the first time do not count.
    """
    return digest if number == 1 else hashlib.sha256(f"{digest}:{number}".encode()).hexdigest()


def content_of(request: ApprovalRequest, number: int, now: datetime) -> Content:
    """What the people of a request are asked about in that round."""
    return Content(
        approval_id=request.id,
        account=request.account,
        subject=request.subject,
        body=request.body,
        choices=request.choices,
        requester=request.requester,
        deadline=deadline_of(request, now),
        content_hash=content_hash(request),
        round=number,
        comment_required=request.comment_required,
    )


def first_seats(request: ApprovalRequest) -> tuple[Seat, ...]:
    """Who is asked at first: the approvers and their delegates."""
    approvers = [Seat(address) for address in request.approvers]
    delegates = [
        Seat(to, "delegate", next(each for each in request.approvers if same_address(each, approver)))
        for approver, to in request.delegates.items()
    ]
    return (*approvers, *delegates)


def ask(
    content: Content, seats: Sequence[Seat], keys: TokenKeys, now: datetime, *, start: int = 0
) -> Sequence[Asked]:
    """The mails to people, each with a token of its own; positions count from `start`, for each id anew."""
    asked = []
    for position, seat in enumerate(seats, start):
        claim = claim_of(content, seat.address)
        asked.append(
            Asked(
                position=position,
                seat=seat,
                claim=claim,
                token_ref=token_ref(claim),
                mail=_mail(content, seat, f"{content.approval_id}:ask:{position}", keys, now),
            )
        )
    return asked


def remind(
    content: Content, seat: Seat, position: int, number: int, keys: TokenKeys, now: datetime
) -> MailSend:
    """The how manieth reminder of somebody, with the token that they have already."""
    send_id = f"{content.approval_id}:remind:{position}:{number}"
    return _mail(content, seat, send_id, keys, now, reminder=number)


def claim_of(content: Content, address: str) -> TokenClaim:
    """What the token of this person stands for."""
    digest = token_content(content.content_hash, content.round)
    return TokenClaim(content.approval_id, address, digest, content.deadline)


def _mail(
    content: Content, seat: Seat, send_id: str, keys: TokenKeys, now: datetime, *, reminder: int = 0
) -> MailSend:
    mail = ApprovalMail(
        approval_id=content.approval_id,
        subject=content.subject,
        body=content.body,
        choices=content.choices,
        requester=content.requester,
        deadline=content.deadline,
        reply_token=make_token(claim_of(content, seat.address), keys),
        reminder=reminder,
        stands_for=seat.stands_for,
        escalated=seat.role == "escalated",
        changed=content.round > 1,
        comment_required=content.comment_required,
    )
    return MailSend(
        id=send_id,
        account=content.account,
        recipient=seat.address,
        content=mail,
        written_at=now.replace(microsecond=0),
    )


def delegation_notice(content: Content, approver: str, asked: Asked, reason: str, now: datetime) -> MailSend:
    """The mail that tells an approver who was asked in their place."""
    lines = [
        f"{asked.seat.address} was asked to decide in your place about:",
        "",
        f"Subject: {content.subject}",
        "",
        *([f"The reason given: {reason}", ""] if reason else []),
        "You have one vote together: the first answer of either of you counts.",
        "If this is a surprise to you, ask whoever wanted the decision.",
    ]
    return MailSend(
        id=f"{content.approval_id}:delegated:{asked.position}",
        account=content.account,
        recipient=approver,
        content=PlainMail(subject=f"Delegated: {content.subject}"[:500], text="\n".join(lines) + "\n"),
        written_at=now.replace(microsecond=0),
    )
