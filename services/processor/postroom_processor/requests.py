"""The rules of approval requests: what is accepted, and what is recorded and mailed for it (pure)."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.account import Account, matches
from postroom.addresses import same_address
from postroom.messages import ApprovalMail, ApprovalRequest, MailSend
from postroom.reply_token import TokenClaim, TokenKeys, make_token, token_ref

DEFAULT_DEADLINE = timedelta(days=14)
LONGEST_DEADLINE = timedelta(days=366)


@dataclass(frozen=True)
class Refusal:
    """Why a request is not accepted; `field` is the one that must change."""

    field: str
    reason: str


@dataclass(frozen=True)
class Asked:
    """One approver of an accepted request: the claim of the token and the mail with it."""

    position: int
    claim: TokenClaim
    token_ref: str
    mail: MailSend


def refuse(request: ApprovalRequest, account: Account | None, now: datetime) -> Refusal | None:
    """Why the request cannot be accepted, or None."""
    if account is None:
        return Refusal("account", f"there is no account {request.account!r}")
    if not account.enabled:
        return Refusal("account", f"the account {account.name!r} is disabled")
    if account.smtp is None:
        return Refusal("account", f"the account {account.name!r} cannot send: it has no smtp section")
    if account.imap is None:
        return Refusal("account", f"the account {account.name!r} cannot receive: it has no imap section")
    deadline = deadline_of(request, now)
    if deadline <= now:
        return Refusal("deadline", "is in the past")
    if deadline > now + LONGEST_DEADLINE:
        return Refusal("deadline", f"is more than {LONGEST_DEADLINE.days} days away")
    return next(
        (
            Refusal(f"approvers[{index}]", reason)
            for index, approver in enumerate(request.approvers)
            if (reason := _refuse_approver(approver, account))
        ),
        None,
    )


def _refuse_approver(approver: str, account: Account) -> str | None:
    if account.approvers and matches(account.approvers, approver) is None:
        return f"{approver} is not known: the account {account.name!r} lists who may be asked"
    if any(same_address(approver, own) for own in (account.address, account.reply_address)):
        return f"{approver} is the account's own address: nobody would answer"
    return None


def deadline_of(request: ApprovalRequest, now: datetime) -> datetime:
    """The request's deadline in whole seconds, or the default."""
    return (request.deadline or now + DEFAULT_DEADLINE).replace(microsecond=0)


def content_hash(request: ApprovalRequest) -> str:
    """What people are asked to decide about, and who, as one hash: changed content is another request.

    The deadline is not part of it: a pipeline that asks again "for two days from now" asks the same.
    """
    content = request.model_dump(mode="json", include={"account", "subject", "body", "choices", "requester"})
    people = sorted(approver.casefold() for approver in request.approvers)
    canonical = json.dumps([content, people], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def ask(request: ApprovalRequest, keys: TokenKeys, now: datetime) -> Sequence[Asked]:
    """The mails to the approvers, each with a token of its own."""
    deadline, digest = deadline_of(request, now), content_hash(request)
    asked = []
    for position, approver in enumerate(request.approvers):
        claim = TokenClaim(request.id, approver, digest, deadline)
        content = ApprovalMail(
            approval_id=request.id,
            subject=request.subject,
            body=request.body,
            choices=request.choices,
            requester=request.requester,
            deadline=deadline,
            reply_token=make_token(claim, keys),
        )
        mail = MailSend(
            id=f"{request.id}:ask:{position}",
            account=request.account,
            recipient=approver,
            content=content,
            written_at=now.replace(microsecond=0),
        )
        asked.append(Asked(position, claim, token_ref(claim), mail))
    return asked
