"""Exchanges, queues and routing as data (pure). `postroom.broker.declare` makes it real.

Arguments that are part of what a queue *is* (type, dead-letter exchange and strategy) are declared; limits
that operators tune (delivery limit, lengths) are policies, since redeclaring with others is refused (406).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from postroom.messages import (
    AccountFetchNow,
    AccountFolders,
    AccountTest,
    ApprovalCancel,
    ApprovalDelegate,
    ApprovalQuery,
    ApprovalRequest,
    BulkSend,
    Command,
    DenyAdd,
    DenyRemove,
    Event,
    MailBounced,
    MailboxAppend,
    MailboxCommand,
    MailboxDone,
    MailboxFind,
    MailFailed,
    MailReceived,
    MailSend,
    MailSent,
    MailUncertain,
    Message,
    WebhookTest,
)

EVENTS = "postroom.events"
COMMANDS = "postroom.commands"
RETRY = "postroom.retry"
DEAD = "postroom.dead"

REPLIES = "postroom.processor.replies"
INBOX = "postroom.processor.inbox"
PROCESSOR_COMMANDS = "postroom.processor.commands"
RESULTS = "postroom.processor.results"
SENDER_TRANSACTIONAL = "postroom.sender.transactional"
SENDER_BULK = "postroom.sender.bulk"
FETCHER_COMMANDS = "postroom.fetcher.commands"
NOTIFIER_COMMANDS = "postroom.notifier.commands"

RETRY_DELAYS_S = (1, 10, 60, 600, 3600)
DELIVERY_LIMIT = 20
"""Policy for the broker's own net under crash loops; the consumer's `Attempts` acts long before it."""

# Events that some queue of ours must get: unroutable ones are an error, not a fact of life.
_HEARD = (MailReceived, MailSent, MailFailed, MailUncertain, MailBounced, MailboxDone)


@dataclass(frozen=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str


@dataclass(frozen=True)
class Binding:
    """Messages of `exchange` with `routing_key` come to the queue that holds this."""

    exchange: str
    routing_key: str


@dataclass(frozen=True)
class Queue:
    """A durable queue with its bindings and declared arguments."""

    name: str
    bindings: tuple[Binding, ...]
    arguments: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Topology:
    """All exchanges and queues."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]

    def queue(self, name: str) -> Queue:
        """The queue of that name; KeyError if there is none."""
        return {queue.name: queue for queue in self.queues}[name]


@dataclass(frozen=True)
class Route:
    """Where a message goes. `must_route`: a message that reaches no queue is an error."""

    exchange: str
    routing_key: str
    must_route: bool = True


def topology(shards: int) -> Topology:
    """The whole topology for that many fetcher shards."""
    work = [
        (REPLIES, (Binding(EVENTS, "mail.received.replies.#"),)),
        (INBOX, (Binding(EVENTS, "mail.received.inbox.#"),)),
        (PROCESSOR_COMMANDS, (Binding(COMMANDS, PROCESSOR_COMMANDS),)),
        (
            RESULTS,
            tuple(Binding(EVENTS, f"{event.TYPE}.#") for event in _HEARD if event is not MailReceived),
        ),
        (SENDER_TRANSACTIONAL, (Binding(COMMANDS, SENDER_TRANSACTIONAL),)),
        (SENDER_BULK, (Binding(COMMANDS, SENDER_BULK),)),
        (NOTIFIER_COMMANDS, (Binding(COMMANDS, NOTIFIER_COMMANDS),)),
        *(
            (name, (Binding(COMMANDS, name),))
            for name in (fetcher_commands(shard) for shard in range(shards))
        ),
    ]
    queues = [queue for name, bindings in work for queue in _family(name, bindings)]
    exchanges = (
        Exchange(EVENTS, "topic"),
        Exchange(COMMANDS, "direct"),
        Exchange(RETRY, "direct"),
        Exchange(DEAD, "direct"),
    )
    return Topology(exchanges, tuple(queues))


def fetcher_commands(shard: int) -> str:
    """The command queue of a shard."""
    return f"{FETCHER_COMMANDS}.{shard}"


def shard_of(account: str, shards: int) -> int:
    """The shard of an account: the same everywhere and for ever, as long as `shards` is."""
    return int.from_bytes(hashlib.sha256(account.encode()).digest()[:8], "big") % shards


def dead_queue(queue: str) -> str:
    """The quarantine of a work queue."""
    return f"{queue}.dead"


def retry_delay(delay_s: float) -> int:
    """The longest fixed delay that does not exceed the wish, at least the shortest there is (seconds)."""
    return max((each for each in RETRY_DELAYS_S if each <= delay_s), default=RETRY_DELAYS_S[0])


def retry_queue(queue: str, delay_s: int) -> str:
    """The queue in which messages of `queue` wait `delay_s` seconds: one of `RETRY_DELAYS_S`."""
    return f"{queue}.retry.{delay_s}"


def route(message: Message, shards: int) -> Route:
    """Where a message goes, by its type and, for some types, its account and lane."""
    if isinstance(message, Command):
        return Route(COMMANDS, _command_queue(message, shards))
    assert isinstance(message, Event)
    account = getattr(message, "account", None)
    parts = [message.TYPE]
    if isinstance(message, MailReceived):
        parts.append(message.lane)
    if account:
        parts.append(account)
    return Route(EVENTS, ".".join(parts), must_route=isinstance(message, _HEARD))


def is_heard(model: type[Message]) -> bool:
    """Whether a queue of ours is bound to this event."""
    return issubclass(model, _HEARD)


def command_queues(model: type[Command]) -> tuple[str, ...]:
    """The queues that commands of this type go to; `FETCHER_COMMANDS` stands for the queues of all shards."""
    if issubclass(model, MailSend):
        return tuple(_SEND_QUEUES.values())
    if issubclass(model, AccountTest):
        return (FETCHER_COMMANDS, SENDER_TRANSACTIONAL)
    return (FETCHER_COMMANDS,) if issubclass(model, _FETCHER) else (_COMMAND_QUEUES[model],)


_COMMAND_QUEUES: Mapping[type[Command], str] = {
    ApprovalRequest: PROCESSOR_COMMANDS,
    ApprovalCancel: PROCESSOR_COMMANDS,
    ApprovalDelegate: PROCESSOR_COMMANDS,
    ApprovalQuery: PROCESSOR_COMMANDS,
    DenyAdd: PROCESSOR_COMMANDS,
    DenyRemove: PROCESSOR_COMMANDS,
    WebhookTest: NOTIFIER_COMMANDS,
    BulkSend: SENDER_BULK,
}
_SEND_QUEUES = {"transactional": SENDER_TRANSACTIONAL, "bulk": SENDER_BULK}
_FETCHER = (
    MailboxCommand,
    MailboxAppend,
    MailboxFind,
    AccountFolders,
    AccountFetchNow,
)


def _command_queue(command: Command, shards: int) -> str:
    if isinstance(command, MailSend):
        return _SEND_QUEUES[command.lane]
    if isinstance(command, AccountTest) and command.side == "smtp":
        return SENDER_TRANSACTIONAL
    if isinstance(command, (*_FETCHER, AccountTest)):
        return fetcher_commands(shard_of(command.account, shards))
    return _COMMAND_QUEUES[type(command)]


def _family(name: str, bindings: tuple[Binding, ...]) -> list[Queue]:
    """A work queue with its delay queues and its quarantine."""
    work = Queue(name, bindings, _dead_lettering(DEAD, dead_queue(name)))
    delays = [
        Queue(
            retry_queue(name, delay_s),
            (Binding(RETRY, retry_queue(name, delay_s)),),
            {**_dead_lettering("", name), "x-message-ttl": delay_s * 1000},
        )
        for delay_s in RETRY_DELAYS_S
    ]
    dead = Queue(dead_queue(name), (Binding(DEAD, dead_queue(name)),), {"x-queue-type": "quorum"})
    return [work, *delays, dead]


def _dead_lettering(exchange: str, routing_key: str) -> dict[str, str | int]:
    # At-least-once needs reject-publish: with drop-head RabbitMQ silently falls back to at-most-once.
    return {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-routing-key": routing_key,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
