"""Handles the commands of programs: request, cancel, delegate, query; deny rules."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from postroom import metrics
from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.addresses import same_address, same_person
from postroom.broker.publisher import Outgoing, Publisher, outgoing
from postroom.broker.verdict import Ack, DeadLetter, Delivery, Verdict
from postroom.clock import Clock
from postroom.deny import Rule
from postroom.deny_lists import DenyLists
from postroom.envelope import Envelope, encode, envelop
from postroom.messages import (
    ApprovalCancel,
    ApprovalCancelled,
    ApprovalChanged,
    ApprovalDelegate,
    ApprovalDelegated,
    ApprovalQuery,
    ApprovalRefused,
    ApprovalRequest,
    ApprovalRequested,
    ApprovalStates,
    DenyAdd,
    DenyCommand,
    DenyRemove,
    MailSend,
    Message,
    derive_id,
)
from postroom.proof_level import DEFAULT_LEVEL, level_for
from postroom.reply_token import TokenKeys
from postroom.store import Store, inbox, outbox
from postroom_processor.approval_states import (
    Standing,
    next_position,
    read_content,
    read_standing,
    read_states,
    save_asked,
    save_cancelled,
    save_changed,
    save_people,
)
from postroom_processor.denying import carry_out
from postroom_processor.follow_up import SOURCE
from postroom_processor.ledger import seats_of, votes_of
from postroom_processor.lifecycle import TABLE, Seat, late_reason
from postroom_processor.receiving import SERVICE
from postroom_processor.recording import Recorder
from postroom_processor.requests import (
    Asked,
    Content,
    Refusal,
    ask,
    content_hash,
    content_of,
    delegation_notice,
    first_seats,
    refuse,
    refuse_delegate,
    stored_terms,
)

logger = logging.getLogger(__name__)


@dataclass
class Desk:
    """The requests that a batch of commands is about: how they stand, and what is to be written.

    New and withdrawn requests, of which there are many, are collected and written together by `flush`.
    """

    connection: Connection
    now: datetime
    standing: dict[str, Standing]
    asked: list[tuple[dict[str, Any], Sequence[Asked]]] = field(default_factory=list)
    cancelled: dict[str, str] = field(default_factory=dict)

    def ask(self, row: dict[str, Any], asked: Sequence[Asked]) -> None:
        """Note a new request."""
        self.asked.append((row, asked))
        self.standing[row["id"]] = Standing(row["account"], row["content_hash"], "pending", row["deadline"])

    def next_position(self, approval_id: str) -> int:
        """Where the positions of those who are asked next begin."""
        self.flush()
        return next_position(self.connection, approval_id)

    def change(self, row: dict[str, Any], people: Sequence[Asked]) -> None:
        """Write that a request is asked afresh."""
        self.flush()
        before = self.standing[row["id"]]
        save_changed(self.connection, before, row, people, self.now)
        self.standing[row["id"]] = replace(
            before, content_hash=row["content_hash"], deadline=row["deadline"], round=row["round"]
        )

    def cancel(self, approval_id: str, reason: str) -> None:
        """Note that a request is withdrawn."""
        self.cancelled[approval_id] = reason
        self.standing[approval_id] = replace(self.standing[approval_id], state="cancelled")

    def flush(self) -> None:
        """Write what is collected."""
        save_asked(self.connection, self.asked)
        save_cancelled(self.connection, self.cancelled, self.now)
        self.asked.clear()
        self.cancelled.clear()


Answer = Callable[[Desk, Envelope[Any], datetime], Sequence[Outgoing]]


class Commands:
    """The handler of the queue `commands`."""

    def __init__(
        self,
        *,
        store: Store,
        relay: outbox.OutboxRelay,
        publisher: Publisher,
        accounts: Accounts,
        keys: TokenKeys,
        recorder: Recorder,
        shards: int,
        clock: Clock,
        deny: DenyLists,
    ) -> None:
        self._store = store
        self._relay = relay
        self._publisher = publisher
        self._accounts = accounts
        self._keys = keys
        self._recorder = recorder
        self._shards = shards
        self._clock = clock
        self._deny = deny
        self._answers: Mapping[type[Message], Answer] = {
            ApprovalRequest: self._request,
            ApprovalCancel: self._cancel,
            ApprovalDelegate: self._delegate,
            DenyAdd: self._change_rules,
            DenyRemove: self._change_rules,
        }

    def __call__(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        """One verdict for each delivery. An Ack means: the effect is durable and the answer is told."""
        now = self._clock()
        self._change([each for each in deliveries if type(each.envelope.message) in self._answers], now)
        self._query([each for each in deliveries if isinstance(each.envelope.message, ApprovalQuery)], now)
        return [self._verdict(each) for each in deliveries]

    def _verdict(self, delivery: Delivery) -> Verdict:
        kind = type(delivery.envelope.message)
        if kind in self._answers or kind is ApprovalQuery:
            return Ack()
        return DeadLetter(f"{delivery.envelope.type} does not belong in {delivery.queue}")

    def _change(self, deliveries: Sequence[Delivery], now: datetime) -> None:
        if not deliveries:
            return
        self._accounts.catch_up()
        self._deny.refresh()
        messages: list[Outgoing] = []
        commands = {each.envelope.id: each.envelope for each in deliveries}
        with self._store.write() as connection:
            # What the broker delivers again was answered: by this outbox, or by the sweeper.
            new = inbox.take_new(connection, SERVICE, list(commands), now)
            standing = read_standing(connection, _requests_of(commands.values()))
            desk = Desk(connection, now, standing)
            for envelope in (each for each in commands.values() if each.id in new):
                messages += self._answers[type(envelope.message)](desk, envelope, now)
            desk.flush()
            self._recorder.record(connection, messages, now)
            outbox.add(connection, SERVICE, messages, now)
        metrics.unheard.inc(self._relay.publish(messages).unheard)

    def _request(self, desk: Desk, envelope: Envelope[ApprovalRequest], now: datetime) -> Sequence[Outgoing]:
        request = envelope.message
        standing = desk.standing.get(request.id)
        if standing is not None and standing.content_hash != content_hash(request):
            return self._change_content(desk, envelope, standing, now)
        if standing is not None:
            return [self._told(envelope, _requested(request, standing.deadline), now)]
        refusal = refuse(request, self._accounts.get(request.account), now, self._denied)
        if refusal is not None:
            return self._refused(envelope, refusal, now)
        content = content_of(request, 1, now)
        asked = ask(content, first_seats(request), self._keys, now)
        desk.ask(self._row(envelope, content, now) | {"requested_at": now}, asked)
        metrics.approvals.labels(result="requested").inc()
        _log(envelope, "approval requested", request.id)
        mails = [self._mail(envelope, each.mail, now) for each in asked]
        return [*mails, self._told(envelope, _requested(request, content.deadline), now)]

    def _change_content(
        self, desk: Desk, envelope: Envelope[ApprovalRequest], standing: Standing, now: datetime
    ) -> Sequence[Outgoing]:
        """Ask afresh: what people answered was about something else."""
        request = envelope.message
        refusal = _refuse_change(request, standing) or refuse(
            request, self._accounts.get(request.account), now, self._denied
        )
        if refusal is not None:
            return self._refused(envelope, refusal, now)
        content = content_of(request, standing.round + 1, now)
        start = desk.next_position(request.id)
        asked = ask(content, first_seats(request), self._keys, now, start=start)
        desk.change(self._row(envelope, content, now), asked)
        metrics.approvals.labels(result="changed").inc()
        _log(envelope, "approval changed", request.id, round=str(content.round))
        changed = ApprovalChanged(
            account=request.account, approval_id=request.id, round=content.round, changed_at=now
        )
        mails = [self._mail(envelope, each.mail, now) for each in asked]
        events = (changed, _requested(request, content.deadline))
        return [*mails, *(self._told(envelope, each, now) for each in events)]

    def _row(self, envelope: Envelope[ApprovalRequest], content: Content, now: datetime) -> dict[str, Any]:
        account = self._accounts.get(envelope.message.account)
        least = account.proof if account else DEFAULT_LEVEL
        return _row(envelope, content, now) | {"proof": level_for(envelope.message.proof, least)}

    def _delegate(
        self, desk: Desk, envelope: Envelope[ApprovalDelegate], now: datetime
    ) -> Sequence[Outgoing]:
        delegate = envelope.message
        standing = desk.standing.get(delegate.id)
        if standing is None:
            return self._refused(envelope, Refusal("id", f"there is no request {delegate.id!r}"), now)
        if TABLE[standing.state, "delegate"].effect == "refuse":
            return self._refused(envelope, Refusal("id", late_reason(standing.ending)), now)
        start = desk.next_position(delegate.id)
        seats = seats_of(desk.connection, [delegate.id])[delegate.id]
        votes = votes_of(desk.connection, [delegate.id])[delegate.id, standing.round]
        refusal = self._refuse_delegate(standing, seats, [vote.seat for vote in votes], delegate)
        if refusal is not None:
            return self._refused(envelope, refusal, now)
        content = read_content(desk.connection, delegate.id)
        if any(same_person(each, delegate.to) for each in content.escalates_to):
            reason = f"{delegate.to} will be asked if it escalates, and has one vote"
            return self._refused(envelope, Refusal("to", reason), now)
        approver = next(each.address for each in seats if same_address(each.address, delegate.approver))
        seat = Seat(delegate.to, "delegate", approver)
        (asked,) = ask(content, [seat], self._keys, now, start=start)
        save_people(desk.connection, [asked])
        metrics.approvals.labels(result="delegated").inc()
        _log(envelope, "approval delegated", delegate.id)
        event = ApprovalDelegated(
            account=standing.account,
            approval_id=delegate.id,
            approver=approver,
            to=delegate.to,
            reason=delegate.reason,
        )
        notice = delegation_notice(content, approver, asked, delegate.reason, now)
        mails = [self._mail(envelope, each, now) for each in (asked.mail, notice)]
        return [*mails, self._told(envelope, event, now)]

    def _refuse_delegate(
        self, standing: Standing, seats: Sequence[Seat], voted: Sequence[str], delegate: ApprovalDelegate
    ) -> Refusal | None:
        account = self._accounts.get(standing.account)
        if account is None:
            return Refusal("id", f"its account {standing.account!r} is not there any more")
        return refuse_delegate(seats, voted, delegate.approver, delegate.to, account, self._denied)

    def _denied(self, account: Account, person: str) -> Rule | None:
        return self._deny.covering(account, (person,))

    def _mail(self, cause: Envelope[Any], mail: MailSend, now: datetime) -> Outgoing:
        message_id = derive_id("mail.send", mail.id)
        return outgoing(
            envelop(mail, source=SOURCE, now=now, message_id=message_id, cause=cause), self._shards
        )

    def _cancel(self, desk: Desk, envelope: Envelope[ApprovalCancel], now: datetime) -> Sequence[Outgoing]:
        cancel = envelope.message
        standing = desk.standing.get(cancel.id)
        if standing is None:
            return self._refused(envelope, Refusal("id", f"there is no request {cancel.id!r}"), now)
        effect = TABLE[standing.state, "cancel"].effect
        if effect == "refuse":
            reason = f"the request is {standing.state} already"
            return self._refused(envelope, Refusal("id", reason), now)
        if effect == "end":
            desk.cancel(cancel.id, cancel.reason)
            metrics.approvals.labels(result="cancelled").inc()
            _log(envelope, "approval cancelled", cancel.id)
        event = ApprovalCancelled(account=standing.account, approval_id=cancel.id, reason=cancel.reason)
        return [self._told(envelope, event, now)]

    def _change_rules(self, desk: Desk, envelope: Envelope[DenyCommand], now: datetime) -> Sequence[Outgoing]:
        answer = carry_out(desk.connection, envelope, self._accounts, now)
        extra = {"correlation_id": envelope.correlation_id, "source": envelope.source}
        logger.info(answer.TYPE.replace(".", " rules "), extra=extra)
        return [self._told(envelope, answer, now)]

    def _query(self, deliveries: Sequence[Delivery], now: datetime) -> None:
        """Answers are not recorded: whoever asked asks again if none comes."""
        answers = []
        for delivery in deliveries:
            query: ApprovalQuery = delivery.envelope.message
            with self._store.read() as connection:
                found = read_states(connection, query.ids, query.limit)
            unknown = tuple(set(query.ids) - {each.id for each in found})
            states = ApprovalStates(approvals=found, unknown=unknown)
            reply = envelop(states, source=SOURCE, now=now, cause=delivery.envelope)
            # Through the default exchange, straight to the queue of the one who asked.
            answers.append(Outgoing(encode(reply), "", query.reply_to, must_route=False))
        if answers:
            self._publisher.publish(answers)

    def _refused(self, envelope: Envelope[Any], refusal: Refusal, now: datetime) -> Sequence[Outgoing]:
        metrics.approvals.labels(result="refused").inc()
        _log(envelope, "approval refused", envelope.message.id, field=refusal.field, reason=refusal.reason)
        event = ApprovalRefused(approval_id=envelope.message.id, field=refusal.field, reason=refusal.reason)
        return [self._told(envelope, event, now)]

    def _told(self, cause: Envelope[Any], event: Message, now: datetime) -> Outgoing:
        message_id = derive_id(cause.id, event.TYPE)
        return outgoing(
            envelop(event, source=SOURCE, now=now, message_id=message_id, cause=cause), self._shards
        )


def _requests_of(commands: Iterable[Envelope[Any]]) -> list[str]:
    """The ids of the requests that the commands are about."""
    return [each.message.id for each in commands if not isinstance(each.message, DenyCommand)]


def _requested(request: ApprovalRequest, deadline: datetime) -> ApprovalRequested:
    return ApprovalRequested(
        account=request.account,
        approval_id=request.id,
        approvers=request.approvers,
        subject=request.subject,
        deadline=deadline,
    )


def _refuse_change(request: ApprovalRequest, standing: Standing) -> Refusal | None:
    """Why the content of a request that is there may not be changed, or None."""
    if request.account != standing.account:
        return Refusal("id", f"{request.id!r} is the id of another request, of another account")
    if TABLE[standing.state, "change"].effect == "refuse":
        reason = late_reason(standing.ending)
        return Refusal(
            "id", f"{request.id!r} is the id of another request ({reason}): ask under an id of its own"
        )
    return None


def _row(envelope: Envelope[ApprovalRequest], content: Content, now: datetime) -> dict[str, Any]:
    request = envelope.message
    return {
        "id": request.id,
        "account": request.account,
        "subject": request.subject,
        "body": request.body,
        "choices": list(request.choices),
        "requester": request.requester,
        "content_hash": content.content_hash,
        "state": "pending",
        "deadline": content.deadline,
        "round": content.round,
        "correlation_id": envelope.correlation_id,
        "traceparent": envelope.traceparent,
        **stored_terms(request, now),
    }


def _log(envelope: Envelope[Any], event: str, approval_id: str, **more: str) -> None:
    extra = {"correlation_id": envelope.correlation_id, "approval_id": approval_id, **more}
    logger.info(event, extra=extra)
