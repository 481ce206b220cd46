"""Handles the commands of programs: request, cancel, query."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from postroom import metrics
from postroom.accounts_watch import Accounts
from postroom.broker.publisher import Outgoing, Publisher, outgoing
from postroom.broker.verdict import Ack, DeadLetter, Delivery, Verdict
from postroom.clock import Clock
from postroom.envelope import Envelope, encode, envelop
from postroom.messages import (
    ApprovalCancel,
    ApprovalCancelled,
    ApprovalQuery,
    ApprovalRefused,
    ApprovalRequest,
    ApprovalRequested,
    ApprovalStates,
    Message,
    derive_id,
)
from postroom.reply_token import TokenKeys
from postroom.store import Store, inbox, outbox
from postroom_processor.approval_states import (
    Standing,
    read_standing,
    read_states,
    save_asked,
    save_cancelled,
)
from postroom_processor.follow_up import SOURCE
from postroom_processor.receiving import SERVICE
from postroom_processor.recording import Recorder
from postroom_processor.requests import Asked, Refusal, ask, content_hash, deadline_of, refuse

logger = logging.getLogger(__name__)


@dataclass
class Desk:
    """The requests that a batch of commands is about: how they stand, and what is to be written."""

    standing: dict[str, Standing]
    asked: list[tuple[dict[str, Any], Sequence[Asked]]] = field(default_factory=list)
    cancelled: dict[str, str] = field(default_factory=dict)

    def ask(self, row: dict[str, Any], asked: Sequence[Asked]) -> None:
        """Note a new request."""
        self.asked.append((row, asked))
        standing = Standing(row["account"], row["content_hash"], row["state"], row["deadline"])
        self.standing[row["id"]] = standing

    def cancel(self, approval_id: str, reason: str) -> None:
        """Note that a request is withdrawn."""
        self.cancelled[approval_id] = reason
        self.standing[approval_id] = replace(self.standing[approval_id], state="cancelled")


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
    ) -> None:
        self._store = store
        self._relay = relay
        self._publisher = publisher
        self._accounts = accounts
        self._keys = keys
        self._recorder = recorder
        self._shards = shards
        self._clock = clock
        self._answers: Mapping[type[Message], Answer] = {
            ApprovalRequest: self._request,
            ApprovalCancel: self._cancel,
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
        messages: list[Outgoing] = []
        commands = {each.envelope.id: each.envelope for each in deliveries}
        with self._store.write() as connection:
            # What the broker delivers again was answered: by this outbox, or by the sweeper.
            new = inbox.take_new(connection, SERVICE, list(commands), now)
            desk = Desk(read_standing(connection, [each.message.id for each in commands.values()]))
            for envelope in (each for each in commands.values() if each.id in new):
                messages += self._answers[type(envelope.message)](desk, envelope, now)
            save_asked(connection, desk.asked)
            save_cancelled(connection, desk.cancelled, now)
            self._recorder.record(connection, messages, now)
            outbox.add(connection, SERVICE, messages, now)
        metrics.unheard.inc(self._relay.publish(messages).unheard)

    def _request(self, desk: Desk, envelope: Envelope[ApprovalRequest], now: datetime) -> Sequence[Outgoing]:
        request, digest = envelope.message, content_hash(envelope.message)
        standing = desk.standing.get(request.id)
        if standing is not None and standing.content_hash != digest:
            return self._refused(envelope, Refusal("id", f"{request.id!r} is the id of another request"), now)
        if standing is not None:
            return [self._told(envelope, _requested(request, standing.deadline), now)]
        refusal = refuse(request, self._accounts.get(request.account), now)
        if refusal is not None:
            return self._refused(envelope, refusal, now)
        asked = ask(request, self._keys, now)
        desk.ask(_row(envelope, digest, now), asked)
        metrics.approvals.labels(result="requested").inc()
        _log(envelope, "approval requested", request.id)
        mails = [self._mail(envelope, each, now) for each in asked]
        return [*mails, self._told(envelope, _requested(request, deadline_of(request, now)), now)]

    def _mail(self, cause: Envelope[Any], asked: Asked, now: datetime) -> Outgoing:
        message_id = derive_id("mail.send", asked.mail.id)
        return outgoing(
            envelop(asked.mail, source=SOURCE, now=now, message_id=message_id, cause=cause), self._shards
        )

    def _cancel(self, desk: Desk, envelope: Envelope[ApprovalCancel], now: datetime) -> Sequence[Outgoing]:
        cancel = envelope.message
        standing = desk.standing.get(cancel.id)
        if standing is None:
            return self._refused(envelope, Refusal("id", f"there is no request {cancel.id!r}"), now)
        if standing.state not in ("pending", "cancelled"):
            reason = f"the request is {standing.state} already"
            return self._refused(envelope, Refusal("id", reason), now)
        if standing.state == "pending":
            desk.cancel(cancel.id, cancel.reason)
            metrics.approvals.labels(result="cancelled").inc()
            _log(envelope, "approval cancelled", cancel.id)
        event = ApprovalCancelled(account=standing.account, approval_id=cancel.id, reason=cancel.reason)
        return [self._told(envelope, event, now)]

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


def _requested(request: ApprovalRequest, deadline: datetime) -> ApprovalRequested:
    return ApprovalRequested(
        account=request.account,
        approval_id=request.id,
        approvers=request.approvers,
        subject=request.subject,
        deadline=deadline,
    )


def _row(envelope: Envelope[ApprovalRequest], digest: str, now: datetime) -> dict[str, Any]:
    request = envelope.message
    return {
        "id": request.id,
        "account": request.account,
        "subject": request.subject,
        "body": request.body,
        "choices": list(request.choices),
        "requester": request.requester,
        "content_hash": digest,
        "state": "pending",
        "requested_at": now,
        "deadline": deadline_of(request, now),
        "correlation_id": envelope.correlation_id,
        "traceparent": envelope.traceparent,
    }


def _log(envelope: Envelope[Any], event: str, approval_id: str, **more: str) -> None:
    extra = {"correlation_id": envelope.correlation_id, "approval_id": approval_id, **more}
    logger.info(event, extra=extra)
