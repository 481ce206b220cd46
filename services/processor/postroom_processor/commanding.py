"""Handles the commands of programs: request, cancel, query."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

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
from postroom.store import Store, outbox
from postroom.store.engine import insert_new
from postroom.store.schema import approvals, approvers
from postroom_processor.approval_states import read_states
from postroom_processor.follow_up import SOURCE
from postroom_processor.receiving import SERVICE
from postroom_processor.requests import Asked, Refusal, ask, content_hash, deadline_of, refuse

logger = logging.getLogger(__name__)

Answer = Callable[[Connection, Envelope[Any], datetime], Sequence[Outgoing]]


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
        shards: int,
        clock: Clock,
    ) -> None:
        self._store = store
        self._relay = relay
        self._publisher = publisher
        self._accounts = accounts
        self._keys = keys
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
        with self._store.write() as connection:
            for delivery in deliveries:
                answer = self._answers[type(delivery.envelope.message)]
                messages += answer(connection, delivery.envelope, now)
            outbox.add(connection, SERVICE, messages, now)
        metrics.unheard.inc(self._relay.publish(messages).unheard)

    def _request(
        self, connection: Connection, envelope: Envelope[ApprovalRequest], now: datetime
    ) -> Sequence[Outgoing]:
        request = envelope.message
        refusal = refuse(request, self._accounts.get(request.account), now)
        digest = content_hash(request)
        row = connection.execute(select(approvals).where(approvals.c.id == request.id)).one_or_none()
        if row is not None:
            if row.content_hash != digest:
                return self._refused(
                    envelope, Refusal("id", f"{request.id!r} is the id of another request"), now
                )
            return [self._told(envelope, _requested(request, row.deadline), now)]
        if refusal is not None:
            return self._refused(envelope, refusal, now)
        asked = ask(request, self._keys, now)
        _record(connection, envelope, asked, digest, now)
        metrics.approvals.labels(result="requested").inc()
        _log(envelope, "approval requested", request.id)
        mails = [
            outgoing(
                envelop(
                    each.mail,
                    source=SOURCE,
                    now=now,
                    message_id=derive_id("mail.send", each.mail.id),
                    cause=envelope,
                ),
                self._shards,
            )
            for each in asked
        ]
        return [*mails, self._told(envelope, _requested(request, deadline_of(request, now)), now)]

    def _cancel(
        self, connection: Connection, envelope: Envelope[ApprovalCancel], now: datetime
    ) -> Sequence[Outgoing]:
        cancel = envelope.message
        row = connection.execute(
            update(approvals)
            .where(approvals.c.id == cancel.id, approvals.c.state.in_(("pending", "cancelled")))
            .values(state="cancelled", decided_at=now, comment=cancel.reason)
            .returning(approvals.c.account)
        ).one_or_none()
        if row is None:
            state = connection.execute(select(approvals.c.state).where(approvals.c.id == cancel.id)).scalar()
            reason = f"the request is {state} already" if state else f"there is no request {cancel.id!r}"
            return self._refused(envelope, Refusal("id", reason), now)
        metrics.approvals.labels(result="cancelled").inc()
        _log(envelope, "approval cancelled", cancel.id)
        event = ApprovalCancelled(account=row.account, approval_id=cancel.id, reason=cancel.reason)
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


def _record(
    connection: Connection,
    envelope: Envelope[ApprovalRequest],
    asked: Sequence[Asked],
    digest: str,
    now: datetime,
) -> None:
    request = envelope.message
    connection.execute(
        approvals.insert(),
        {
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
        },
    )
    insert_new(
        connection,
        approvers,
        [
            {
                "approval_id": request.id,
                "address": each.claim.approver,
                "position": each.position,
                "token_ref": each.token_ref,
                "expires_at": each.claim.expires_at,
            }
            for each in asked
        ],
    )


def _log(envelope: Envelope[Any], event: str, approval_id: str, **more: str) -> None:
    extra = {"correlation_id": envelope.correlation_id, "approval_id": approval_id, **more}
    logger.info(event, extra=extra)
