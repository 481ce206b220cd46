"""What follows from an outcome: events, commands, the help mail (pure)."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from postroom.account import Account
from postroom.envelope import Envelope, envelop
from postroom.inbox.entry import Entry
from postroom.messages import (
    ApprovalDecided,
    ApprovalEvent,
    ApprovalNeedsConfirmation,
    ApprovalUnclear,
    ApprovalUndecided,
    ApprovalVote,
    ApprovalVoted,
    ConfirmMail,
    HelpMail,
    MailAccepted,
    MailboxCommand,
    MailboxDelete,
    MailboxMarkRead,
    MailboxMove,
    MailDeferred,
    MailDenied,
    MailEvent,
    MailHeld,
    MailIgnored,
    MailQuarantined,
    MailSend,
    MailSentElsewhere,
    PlainMail,
    derive_id,
)
from postroom.reply_token import TokenKeys, make_token
from postroom_processor.confirmation import FirstReply, Question
from postroom_processor.decide import LEFT_ALONE, Outcome, OutcomeKind, TokenRecord
from postroom_processor.examine import Examined
from postroom_processor.lifecycle import Vote, missing
from postroom_processor.verdict import Decided, Unclear

SOURCE = "/postroom/processor"
MAX_UIDS = 500  # of one mailbox command: bounded work for one verdict of the fetcher
MAX_COMMENT_CHARS = 20_000

_EVENTS: Mapping[OutcomeKind, type[MailEvent]] = {
    "accepted": MailAccepted,
    "denied": MailDenied,
    "held": MailHeld,
    "ignored": MailIgnored,
    "own": MailIgnored,
    "quarantined": MailQuarantined,
    "sent": MailSentElsewhere,
}


@dataclass(frozen=True)
class Handled:
    """A mail with its outcome, and the envelope it came in.

    `is_helped`: whether a help mail answers it; `question`: what is asked back about it; `told`: the address
    that is told that it came too late.
    """

    envelope: Envelope[Any]
    examined: Examined
    outcome: Outcome
    account: Account
    is_helped: bool = False
    question: Question | None = None
    told: str | None = None


@dataclass(frozen=True)
class Joined:
    """The message that a mail became, and of which conversation."""

    entry: Entry
    conversation_id: str


def event_of(handled: Handled, now: datetime, joined: Joined | None = None) -> Envelope[Any]:
    """The event that tells the outcome. `joined`: what an accepted mail became."""
    message = _event(handled, now, joined)
    record = handled.outcome.record
    return envelop(
        message,
        source=SOURCE,
        now=now,
        message_id=derive_id(handled.envelope.id, message.TYPE),
        cause=handled.envelope,
        correlation_id=record.correlation_id if record else None,
        traceparent=record.traceparent if record else None,
    )


def _event(handled: Handled, now: datetime, joined: Joined | None) -> ApprovalEvent | MailEvent:
    outcome, received = handled.outcome, handled.examined.received
    record, verdict = outcome.record, outcome.verdict
    if record and outcome.vote and isinstance(verdict, Decided):
        return _voted(handled, record, outcome.vote, verdict, now)
    if outcome.kind == "unclear" and record and isinstance(verdict, Unclear):
        return ApprovalUnclear(
            account=received.account,
            approval_id=record.claim.approval_id,
            approver=record.claim.approver,
            mail_id=handled.envelope.id,
            reason_code=verdict.reason_code,
            understood=_told(handled, verdict.understood),
        )
    if outcome.kind == "pending_confirmation" and record:
        return ApprovalNeedsConfirmation(
            account=received.account,
            approval_id=record.claim.approval_id,
            approver=record.claim.approver,
            mail_id=handled.envelope.id,
            reason=outcome.reason,
        )
    common: dict[str, Any] = {
        "account": received.account,
        "mail_id": handled.envelope.id,
        "sha256": received.sha256,
        "sender": handled.examined.sender,
        "reason": outcome.reason,
    }
    if outcome.until is not None:
        return MailDeferred(**common, until=outcome.until)
    if outcome.kind == "accepted" and joined is not None:
        return MailAccepted(**common, **_content(handled, joined))
    return _EVENTS[outcome.kind](**common)


def _content(handled: Handled, joined: Joined) -> dict[str, str]:
    """What an accepted mail says; nothing of a confidential account's (D9)."""
    content = {"conversation_id": joined.conversation_id}
    if handled.account.confidential:
        return content
    return {**content, "subject": joined.entry.subject, "text": joined.entry.text}


def _voted(
    handled: Handled, record: TokenRecord, vote: Vote, verdict: Decided, now: datetime
) -> ApprovalDecided | ApprovalVoted | ApprovalUndecided:
    result, received = handled.outcome.result, handled.examined.received
    own = replace(vote, mail_id=handled.envelope.id, comment=verdict.comment)
    votes = (*record.votes, own)
    about: dict[str, Any] = {
        "account": received.account,
        "approval_id": record.claim.approval_id,
        "mail_id": own.mail_id,
        "sha256": received.sha256,
    }
    said: dict[str, Any] = {"approver": own.approver, "comment": _told(handled, own.comment)}
    if result is None or result.state == "pending":
        waiting = tuple(seat.address for seat in missing(record.terms, votes))
        return ApprovalVoted(**about, **said, choice=own.choice, voted_at=now, waiting_for=waiting)
    # Where one vote decides there is nothing more to tell than itself.
    several = record.terms.rule != "any"
    told = tuple(told_vote(each, _told(handled, each.comment)) for each in votes) if several else ()
    if result.state == "undecided":
        return ApprovalUndecided(**about, ended_at=now, votes=told)
    first = record.first.mail_id if record.first else None
    return ApprovalDecided(
        **about, **said, decision=verdict.choice, decided_at=now, votes=told, first_mail_id=first
    )


def told_vote(vote: Vote, comment: str) -> ApprovalVote:
    """A vote as messages carry it."""
    return ApprovalVote(
        approver=vote.approver,
        choice=vote.choice,
        comment=comment,
        mail_id=vote.mail_id,
        voted_at=vote.at,
        stands_for=None if vote.seat == vote.approver else vote.seat,
    )


def _told(handled: Handled, text: str) -> str:
    """What a person wrote, as an event may carry it: nothing of a confidential account's mail (D9)."""
    return "" if handled.account.confidential else shown(text)


def help_mail(handled: Handled, record: TokenRecord, keys: TokenKeys, now: datetime) -> Envelope[MailSend]:
    """The mail that tells an approver what was understood and what to write; one a day at most (its id)."""
    verdict = handled.outcome.verdict
    content = HelpMail(
        approval_id=record.claim.approval_id,
        subject=record.subject,
        choices=record.choices,
        understood=shown(verdict.understood) if isinstance(verdict, Unclear) else "",
        reply_token=make_token(record.claim, keys),
        in_reply_to=_header_safe(handled.examined.mail.message_id),
        reason_code=verdict.reason_code if isinstance(verdict, Unclear) else "",
    )
    send = MailSend(
        id=f"{record.claim.approval_id}:help:{record.position}:{now.date().isoformat()}",
        account=record.account,
        recipient=record.answerers[0],
        content=content,
        written_at=now.replace(microsecond=0),
    )
    return _ordered(send, handled, record, now)


def late_mail(handled: Handled, record: TokenRecord, told: str, now: datetime) -> Envelope[MailSend]:
    """The mail that tells whoever replied too late or a second time that it changed nothing, and why."""
    approval_id = record.claim.approval_id
    lines = (
        "Your reply came in and changed nothing.",
        "",
        f"The reason: {handled.outcome.reason}.",
        "",
        f"Subject: {record.subject}",
        f"Request: {approval_id}",
        "",
        "You need not answer. This is told once for each request.",
    )
    content = PlainMail(
        subject=f"Your reply changed nothing: {record.subject}"[:500],
        text="\n".join(lines) + "\n",
        in_reply_to=_header_safe(handled.examined.mail.message_id),
    )
    send = MailSend(
        id=f"{approval_id}:late:{hashlib.sha256(told.encode()).hexdigest()[:16]}",
        account=record.account,
        recipient=told,
        content=content,
        written_at=now.replace(microsecond=0),
    )
    return _ordered(send, handled, record, now)


def _ordered(send: MailSend, handled: Handled, record: TokenRecord, now: datetime) -> Envelope[MailSend]:
    """The order to send a mail that follows from a reply, as part of its request's journey."""
    return envelop(
        send,
        source=SOURCE,
        now=now,
        message_id=derive_id("mail.send", send.id),
        cause=handled.envelope,
        correlation_id=record.correlation_id,
        traceparent=record.traceparent,
    )


def first_reply(handled: Handled, record: TokenRecord, now: datetime) -> FirstReply:
    """What is kept of a clear reply until it is confirmed."""
    verdict = handled.outcome.verdict
    assert isinstance(verdict, Decided)
    return FirstReply(
        mail_id=handled.envelope.id,
        sha256=handled.examined.received.sha256,
        choice=verdict.choice,
        comment=verdict.comment,
        voter=record.answerer(handled.examined.sender) or record.claim.approver,
        asked_at=now,
    )


def confirm_mail(
    handled: Handled, record: TokenRecord, asked: Question, keys: TokenKeys, now: datetime
) -> Envelope[MailSend]:
    """The mail that asks the registered address whether the reply was theirs; never the reply's sender."""
    content = ConfirmMail(
        approval_id=record.claim.approval_id,
        subject=record.subject,
        choice=asked.first.choice,
        choices=record.choices,
        comment=_told(handled, asked.first.comment),
        sender=handled.examined.sender or "",
        deadline=record.claim.expires_at,
        reply_token=make_token(asked.claim, keys),
    )
    send = MailSend(
        id=f"{record.claim.approval_id}:confirm:{asked.token_ref}",
        account=record.account,
        recipient=asked.first.voter,
        content=content,
        written_at=now.replace(microsecond=0),
    )
    return _ordered(send, handled, record, now)


def tidy_commands(handled: Iterable[Handled], now: datetime) -> list[Envelope[MailboxCommand]]:
    """The commands that tidy the mailboxes: one for all mails of a folder, up to `MAX_UIDS`."""
    folders: dict[tuple[str, str, int], list[Handled]] = defaultdict(list)
    for each in handled:
        if each.outcome.kind not in LEFT_ALONE and not each.examined.received.truncated:
            received = each.examined.received
            folders[(received.account, received.folder, received.uidvalidity)].append(each)
    return [
        command
        for mails in folders.values()
        for start in range(0, len(mails), MAX_UIDS)
        if (command := _tidy(mails[start : start + MAX_UIDS], now)) is not None
    ]


def _tidy(mails: list[Handled], now: datetime) -> Envelope[MailboxCommand] | None:
    account, received = mails[0].account, mails[0].examined.received
    where: dict[str, Any] = {
        "account": received.account,
        "folder": received.folder,
        "uidvalidity": received.uidvalidity,
        "uids": tuple(sorted(each.examined.received.uid for each in mails)),
    }
    command: MailboxCommand
    if account.after_processing == "mark_read":
        command = MailboxMarkRead(**where)
    elif account.after_processing == "delete":
        command = MailboxDelete(**where)
    elif account.after_processing == "move" and account.move_to:
        command = MailboxMove(**where, target=account.move_to)
    else:
        return None
    own_id = derive_id(command.TYPE, command.account, command.folder, command.uidvalidity, *command.uids)
    cause = mails[0].envelope if len(mails) == 1 else None
    return envelop(command, source=SOURCE, now=now, message_id=own_id, cause=cause)


def shown(text: str) -> str:
    """A stranger's text as a message may carry it: no control characters, not too long."""
    kept = "".join(
        each for each in text.replace("\r\n", "\n") if each in "\n\t" or (each.isprintable() or each == " ")
    )
    return kept[:MAX_COMMENT_CHARS]


def _header_safe(message_id: str | None) -> str:
    """A stranger's Message-ID, in angle brackets, if it can stand in a header of ours, else nothing."""
    if message_id is None or len(message_id) > 200 or not message_id.isascii():
        return ""
    return f"<{message_id}>" if message_id.isprintable() and " " not in message_id else ""
