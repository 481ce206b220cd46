"""The typed client: ask for an approval, wait for the answer, listen to events. Speaks to the broker only.

    with Client("amqp://…") as client:
        client.request(id="release-7", account="releases", approvers=["anna@example.com"], subject="Go?")
        state = client.wait("release-7", timeout_s=3600)

A client is for one thread at a time. What it listens to comes through queues named `postroom.client.…`; all
of them but those of `events(queue=…)` go with the connection.
"""

import logging
import random
import re
import secrets
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from itertools import chain
from typing import Any, Literal, Self, TypedDict, TypeVar, Unpack, cast

from pydantic import ValidationError

from postroom.broker.connection import back_off
from postroom.broker.publisher import Publisher, outgoing
from postroom.clock import utc_now
from postroom.envelope import Envelope, envelop, explain
from postroom.errors import Permanent, Transient
from postroom.messages import (
    ApprovalCancel,
    ApprovalCancelled,
    ApprovalDecided,
    ApprovalDelegate,
    ApprovalDelegated,
    ApprovalExpired,
    ApprovalQuery,
    ApprovalRefused,
    ApprovalRequest,
    ApprovalRequested,
    ApprovalState,
    ApprovalStates,
    ApprovalUndecided,
    Attachment,
    BulkAccepted,
    BulkRefused,
    BulkSend,
    Command,
    DenyAdd,
    DenyChanged,
    DenyRefused,
    DenyRemove,
    Event,
    MailReceived,
    MailSend,
    PlainMail,
    TemplateMail,
    derive_id,
    utc_seconds,
)
from postroom.subscription import PING_S, QUEUE_PREFIX, Listening, Subscription, subscribe

logger = logging.getLogger(__name__)

ANSWER_S = 10.0
BULK_ANSWER_S = 60.0
"""How long the processor may take to answer before it counts as away."""
ASK_AGAIN_S = 60.0
"""How often `wait` asks how things stand, besides listening: an event may have missed a broken connection."""
_ENDINGS = (ApprovalDecided, ApprovalUndecided, ApprovalExpired, ApprovalCancelled)
_QUEUE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

E = TypeVar("E", bound=Event)
A = TypeVar("A", ApprovalRequested, ApprovalDelegated)


class RequestRefused(Permanent):
    """The request was not accepted: `field` must change, `reason` says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class UnknownApproval(Permanent, LookupError):
    """Nobody requested an approval of this id."""

    def __init__(self, approval_id: str) -> None:
        super().__init__(f"there is no approval {approval_id!r}")
        self.approval_id = approval_id


class SendOptions(TypedDict, total=False):
    """What a mail may have besides: see `mail.send`."""

    attachments: Sequence[Attachment]
    signed_by: str
    lane: Literal["transactional", "bulk"]
    unsubscribe: str


class RequestFields(TypedDict, total=False):
    """The fields of `ApprovalRequest` as keywords; without `id` a new one is made."""

    id: str
    account: str
    approvers: Sequence[str]
    subject: str
    body: str
    choices: Sequence[str]
    requester: str
    deadline: datetime | None
    rule: str | int | Mapping[str, int]
    comment_required: Sequence[str]
    remind_after_s: Sequence[int]
    remind_every_s: int | None
    remind_at_most: int
    escalate: Mapping[str, Any] | None
    delegates: Mapping[str, str]
    proof: str | None


class BulkOptions(TypedDict, total=False):
    """More about the mails of a bulk."""

    attachments: Sequence[Attachment]
    signed_by: str
    event: str


class Client:
    """A program's side of Postroom.

    Args:
        url: The broker: `amqp://…`, `amqps://…` or `embedded:///path`.
        shards: The setting of the services (`POSTROOM_SHARDS`).
        name: What the broker's operator sees; letters, digits, `-` and `_`.

    Every method raises Transient when the broker is away and Misconfigured when it refuses the client.
    """

    def __init__(self, url: str, *, shards: int = 4, name: str = "python") -> None:
        self._url = url
        self._shards = shards
        self._name = _checked_name("name", name)
        self._publisher = Publisher(url, name=f"{QUEUE_PREFIX}.{name}")

    def request(
        self,
        request: ApprovalRequest | None = None,
        /,
        *,
        wait_accepted_s: float = ANSWER_S,
        **fields: Unpack[RequestFields],
    ) -> ApprovalRequested:
        """Ask people; returns when the request is recorded and its mails are on the way.

        A repeat of the same request under the same id is harmless. With other content a pending request is
        changed: everybody is asked afresh, and what was answered before is void.

        `rule` is "any", "all" or how many must agree; `escalate` is `{"after_s": …, "to": [addresses]}`.

        Raises:
            RequestRefused: A field is wrong, or the id belongs to another request.
            TimeoutError: No processor answered in time; the request is in the queue and will be handled.
        """
        return self._ask(request or build_request(**fields), ApprovalRequested, wait_accepted_s)

    def cancel(self, approval_id: str, reason: str = "") -> None:
        """Withdraw a request. Returns when the order is in the queue; `wait` tells how it ended."""
        self._send(_checked(ApprovalCancel, id=approval_id, reason=reason))

    def delegate(self, approval_id: str, approver: str, to: str, reason: str = "") -> ApprovalDelegated:
        """Let somebody else decide in an approver's place; both are told by mail.

        Raises:
            RequestRefused: There is no such pending request, or they may not be asked.
            TimeoutError: No processor answered in time.
        """
        command = _checked(ApprovalDelegate, id=approval_id, approver=approver, to=to, reason=reason)
        return self._ask(command, ApprovalDelegated, ANSWER_S)

    def deny(self, patterns: Sequence[str], account: str | None = None, reason: str = "") -> DenyChanged:
        """Deny mail from addresses, or from domains and all below them, from the next mail on.

        Args:
            patterns: At most 1,000; all are added or none. What is there already stays as it is.
            account: Only for mail to this account; None: for all accounts.
            reason: Why; shown with the rules.

        Raises:
            RequestRefused: There is no such account, or a pattern is neither (`field` is `patterns[2]`, say).
            TimeoutError: No processor answered in time; the command is in the queue and will be handled.
        """
        return self._ask_rules(_checked(DenyAdd, patterns=patterns, account=account, reason=reason))

    def undeny(self, patterns: Sequence[str], account: str | None = None) -> DenyChanged:
        """Deny them no longer, in whatever spelling; `removed` are the rules that were there. See `deny`."""
        return self._ask_rules(_checked(DenyRemove, patterns=patterns, account=account))

    def wait(self, approval_id: str, timeout_s: float | None = None) -> ApprovalState:
        """How the request ended, at once if it has; outlasts a restart of the broker.

        Raises:
            UnknownApproval: There is none of this id.
            TimeoutError: It did not end in time.
        """
        query = _checked(ApprovalQuery, reply_to=f"{QUEUE_PREFIX}.x", ids=(approval_id,))
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        listening = Listening([_pattern(each, None) for each in _ENDINGS])
        for subscription in self._again_and_again(deadline, listening):
            with suppress(Transient):
                return self._watch(subscription, query, deadline)
        raise TimeoutError(f"no answer to {approval_id!r} within {timeout_s or 0:g} s")

    def states(self, ids: Sequence[str] | None = None, limit: int = 100) -> ApprovalStates:
        """How requests stand: those of the ids, or the newest ones.

        Raises:
            TimeoutError: No processor answered.
        """
        with self._listen() as subscription:
            query = _checked(ApprovalQuery, reply_to=subscription.queue, ids=tuple(ids or ()), limit=limit)
            self._send(query)
            for envelope in subscription.until(time.monotonic() + ANSWER_S):
                if isinstance(envelope.message, ApprovalStates):
                    return envelope.message
        raise TimeoutError(f"no processor answered within {ANSWER_S:g} s")

    def state(self, approval_id: str) -> ApprovalState:
        """How one request stands. Raises as `states`, and UnknownApproval."""
        return _only(self.states([approval_id]), approval_id)

    def events(
        self, *types: type[E], account: str | None = None, queue: str | None = None
    ) -> Iterator[Envelope[E]]:
        """Events of these types as they come, for ever; reconnects by itself.

        An event is acknowledged when the next one is asked for: a loop that dies gets it again, if there is
        a `queue`. Who works on one event for many minutes may get it twice.

        Args:
            types: Message classes, such as `ApprovalDecided`.
            account: Only those of this account.
            queue: With a name, events are kept in the durable queue `postroom.client.<queue>` while nobody
                listens, several processes share them, and what cannot be understood goes to `….dead`.
                Without, events come from the call on.
        """
        if not types:
            raise ValueError("events: name at least one type of event")
        if queue is not None:
            _checked_name("queue", queue)
        listening = Listening([_pattern(each, account) for each in types], queue)
        subscriptions = self._again_and_again(None, listening)
        return self._events(types, chain([next(subscriptions)], subscriptions))

    def send(
        self,
        account: str,
        to: str,
        subject: str,
        text: str,
        html: str | None = None,
        **options: Unpack[SendOptions],
    ) -> MailSend:
        """Write to somebody. Returns when the order is in the queue; `mail.sent` or `mail.failed` follow.

        Raises:
            RequestRefused: A field is wrong.
        """
        content = _checked(PlainMail, subject=subject, text=text, html=html)
        return self._order(account, to, content, options)

    def send_template(
        self,
        to: str,
        template: str | None = None,
        values: Mapping[str, Any] | None = None,
        account: str = "",
        **options: Unpack[SendOptions],
    ) -> MailSend:
        """Write to somebody from a template. Returns when the order is in the queue.

        Args:
            to: The recipient.
            template: Its name; None: the default one.
            values: What its names stand for.
            account: From which; empty: the one that the template names.
            options: Attachments (`postroom.attachment.attach` makes them), and who signs.

        Raises:
            RequestRefused: A field is wrong.
        """
        content = _checked(TemplateMail, template=template, values=dict(values or {}))
        return self._order(account, to, content, options)

    def send_bulk(
        self,
        account: str,
        recipients: Iterable[tuple[str, Mapping[str, Any]]],
        template: str | None = None,
        *,
        id: str,
        skip_invalid: bool = False,
        wait_accepted_s: float = BULK_ANSWER_S,
        **options: Unpack[BulkOptions],
    ) -> BulkAccepted:
        """Write to many, one mail each; returns when the list is checked, recorded and on its way.

        Args:
            account: From which.
            recipients: Addresses, each with what the template's names stand for.
            template: Its name; None: the default one.
            id: The idempotency key: a repeat with the same list sends nobody a second mail.
            skip_invalid: Leave recipients out who are wrong, instead of refusing the list.
            wait_accepted_s: How long a sender may take to check the list.
            options: Attachments (`postroom.attachment.attach` makes them), and who signs.

        Raises:
            RequestRefused: A field or a recipient is wrong, or the id is another list's; nobody got a mail.
            TimeoutError: No sender answered in time; the order is in the queue and will be handled.
        """
        people = tuple({"recipient": each, "values": dict(values)} for each, values in recipients)
        command = _checked(
            BulkSend,
            id=id,
            account=account,
            template=template,
            recipients=people,
            skip_invalid=skip_invalid,
            **options,
        )
        answer = self._answer(command, (BulkAccepted, BulkRefused), wait_accepted_s)
        if isinstance(answer, BulkAccepted):
            return answer
        if isinstance(answer, BulkRefused):
            raise RequestRefused(answer.field, _all_that_is_wrong(answer))
        raise TimeoutError(f"no sender answered within {wait_accepted_s:g} s; {id!r} waits in the queue")

    def _order(
        self, account: str, to: str, content: PlainMail | TemplateMail, options: SendOptions
    ) -> MailSend:
        command = _checked(
            MailSend,
            id=f"{self._name}:{secrets.token_hex(12)}",
            account=account,
            recipient=to,
            content=content,
            written_at=utc_seconds(utc_now()),
            **options,
        )
        self._send(command, derive_id(command.TYPE, command.id))
        return command

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _events(
        self, types: tuple[type[E], ...], subscriptions: Iterator[Subscription]
    ) -> Iterator[Envelope[E]]:
        for subscription in subscriptions:
            with suppress(Transient):
                while True:
                    envelope = subscription.next(PING_S)
                    if envelope is not None and isinstance(envelope.message, types):
                        yield cast(Envelope[E], envelope)

    def _send(self, command: Command, message_id: str | None = None) -> None:
        envelope = envelop(
            command, source=f"/postroom/client/{self._name}", now=utc_now(), message_id=message_id
        )
        self._publisher.publish([outgoing(envelope, self._shards)])

    def _ask(self, command: ApprovalRequest | ApprovalDelegate, accepted: type[A], wait_s: float) -> A:
        """Send a command about a request and wait for what the processor says to it."""
        # A new one for every call: what is asked again shall be answered again.
        command_id = str(uuid.uuid4())
        with self._listen(accepted, ApprovalRefused) as subscription:
            self._send(command, command_id)
            for envelope in subscription.until(time.monotonic() + wait_s):
                answer = envelope.message
                if envelope.causation_id not in (None, command_id):
                    continue
                if isinstance(answer, accepted) and answer.approval_id == command.id:
                    return answer
                if isinstance(answer, ApprovalRefused) and answer.approval_id == command.id:
                    raise RequestRefused(answer.field, answer.reason)
        raise TimeoutError(
            f"no processor answered within {wait_s:g} s; "
            f"request {command.id!r} waits in the queue until one runs"
        )

    def _ask_rules(self, command: DenyAdd | DenyRemove) -> DenyChanged:
        answer = self._answer(command, (DenyChanged, DenyRefused), ANSWER_S)
        if isinstance(answer, DenyChanged):
            return answer
        if isinstance(answer, DenyRefused):
            raise RequestRefused(answer.field, answer.reason)
        raise TimeoutError(
            f"no processor answered within {ANSWER_S:g} s; the command waits in the queue until one runs"
        )

    def _answer(self, command: Command, types: tuple[type[Event], ...], wait_s: float) -> Event | None:
        """Send a command; the first event of these types that it led to, None if none came in time."""
        command_id = str(uuid.uuid4())
        with self._listen(*types) as subscription:
            self._send(command, command_id)
            for envelope in subscription.until(time.monotonic() + wait_s):
                if envelope.causation_id == command_id and isinstance(envelope.message, types):
                    return envelope.message
        return None

    def _watch(
        self, subscription: Subscription, query: ApprovalQuery, deadline: float | None
    ) -> ApprovalState:
        query = query.model_copy(update={"reply_to": subscription.queue})
        (approval_id,) = query.ids
        while True:
            self._send(query)
            ask_again = time.monotonic() + ASK_AGAIN_S
            for envelope in subscription.until(min(ask_again, deadline or ask_again)):
                answer = envelope.message
                if isinstance(answer, ApprovalStates):
                    state = _only(answer, approval_id)
                    if state.state != "pending":
                        return state
                elif isinstance(answer, _ENDINGS) and answer.approval_id == approval_id:
                    break
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"no answer to {approval_id!r} in time")

    def _listen(self, *types: type[Event]) -> AbstractContextManager[Subscription]:
        return subscribe(self._url, self._name, Listening([_pattern(each, None) for each in types]))

    def _again_and_again(self, deadline: float | None, listening: Listening) -> Iterator[Subscription]:
        """A new subscription whenever the last one is lost. The first must succeed: it may be a wrong URL."""
        attempt = 0
        while True:
            try:
                with subscribe(self._url, self._name, listening) as subscription:
                    attempt = 0
                    yield subscription
            except Transient as error:
                if attempt == 0:
                    raise
                logger.warning("the broker is away", extra={"error": str(error)})
            attempt += 1
            pause_s = back_off(attempt, random.random())  # noqa: S311 - spreads load, no secret
            if deadline is not None and time.monotonic() + pause_s >= deadline:
                return
            time.sleep(pause_s)


def build_request(**fields: Unpack[RequestFields]) -> ApprovalRequest:
    """The request of these fields; without `id` a new one is made.

    Raises:
        RequestRefused: One of them is wrong or missing.
    """
    filled = {"id": secrets.token_hex(6), **fields}
    return _checked(ApprovalRequest, **filled)


def _all_that_is_wrong(refused: BulkRefused) -> str:
    told = "; ".join(f"recipient {each.line}: {each.reason}" for each in refused.faults[:10])
    return f"{refused.reason}: {told}" if told else refused.reason


Model = TypeVar(
    "Model",
    ApprovalRequest,
    ApprovalCancel,
    ApprovalDelegate,
    ApprovalQuery,
    MailSend,
    PlainMail,
    TemplateMail,
    BulkSend,
    DenyAdd,
    DenyRemove,
)


def _checked(model: type[Model], **fields: Any) -> Model:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        field, _, reason = explain(error).split("; ")[0].partition(": ")
        if field == "the message" and ": " in reason:
            field, _, reason = reason.partition(": ")
        raise RequestRefused(field, reason) from error


def _checked_name(field: str, name: str) -> str:
    if not _QUEUE_NAME.fullmatch(name):
        raise RequestRefused(field, f"{name!r}: 1 to 64 letters, digits, - and _ are allowed")
    return name


def _only(states: ApprovalStates, approval_id: str) -> ApprovalState:
    for state in states.approvals:
        if state.id == approval_id:
            return state
    raise UnknownApproval(approval_id)


def _pattern(event: type[Event], account: str | None) -> str:
    if account is None:
        return f"{event.TYPE}.#"
    return f"{event.TYPE}.*.{account}" if event is MailReceived else f"{event.TYPE}.{account}"
