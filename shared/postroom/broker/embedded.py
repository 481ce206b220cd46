"""The embedded broker as a kombu transport: RabbitMQ's behaviour on a file, for services on one machine.

The channel has py-amqp's interface, confirms, returns and messages included, so that publisher and consumer
are one piece of code. Operations are collected and written in `drain_events`, many in one transaction:

| operation | written |
|---|---|
| publish with confirms | at the next turn; then `basic_return` for what reached no queue, one `basic_ack` |
| publish otherwise | at once |
| acknowledge | at the next turn, together with the next lease |
| declare, bind, reject | at once |
"""

import json
import select
import socket
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import amqp
from amqp import exceptions as errors
from amqp.protocol import queue_declare_ok_t
from kombu.message import Message as KombuMessage
from kombu.transport import base, virtual

from postroom.broker.embedded_queue import (
    BrokerFile,
    Leased,
    NoQueue,
    OtherArguments,
    Place,
    Put,
    SessionLost,
)
from postroom.broker.embedded_routing import NoExchange
from postroom.broker.embedded_session import BEAT_S
from postroom.broker.embedded_watch import Watch, watch

SCHEME = "embedded"
TAKE_LIMIT = 500
PUT_LIMIT = 1_000

_NOT_FOUND = 404
_NO_ROUTE = 312
_QUEUE_DECLARE = (50, 10)
_EXCHANGE_DECLARE = (40, 10)
_BASIC_CONSUME = (60, 20)
_BASIC_PUBLISH = (60, 40)
_BASIC_RETURN = (60, 50)


@dataclass
class Consumption:
    """A consumer on a queue. `more`: there may be messages that it has not looked at."""

    channel: "Channel"
    tag: str
    queue: str
    queue_id: int
    callback: Callable[[amqp.Message], object]
    on_cancel: Callable[[str], object] | None
    no_ack: bool
    prefetch: int
    unacked: int = 0
    more: bool = True

    @property
    def room(self) -> int:
        """How many messages it may still get."""
        return TAKE_LIMIT if self.no_ack or not self.prefetch else max(self.prefetch - self.unacked, 0)


class Message(KombuMessage):  # type: ignore[misc]
    """A received message for users of `kombu.Consumer`."""

    def __init__(self, raw: amqp.Message, channel: "Channel") -> None:
        super().__init__(
            body=raw.body,
            channel=channel,
            delivery_tag=raw.delivery_info["delivery_tag"],
            content_type=raw.properties.get("content_type"),
            content_encoding=raw.properties.get("content_encoding"),
            delivery_info=raw.delivery_info,
            properties=raw.properties,
            headers=raw.properties.get("application_headers") or {},
        )


class Channel(virtual.Channel):  # type: ignore[misc]
    """A channel with the interface of `amqp.Channel`, as far as kombu and Postroom use it."""

    Message = Message
    do_restore = False
    supports_fanout = True

    def __init__(self, connection: "Transport", **options: Any) -> None:
        super().__init__(connection, **options)
        self.events: defaultdict[str, set[Callable[..., object]]] = defaultdict(set)
        self.auto_decode = False
        self.is_open = True
        self._file = connection.file
        self._transport = connection
        self._prefetch = 0
        self._confirming = False
        self._unconfirmed: list[tuple[Put, amqp.Message, bool]] = []
        self._published = 0
        self._tags = count(1)
        self._leased: OrderedDict[int, tuple[Place, Consumption | None]] = OrderedDict()
        self.consumptions: dict[str, Consumption] = {}

    # Declaring

    def exchange_declare(
        self,
        exchange: str | None = None,
        type: str = "direct",
        passive: bool = False,
        **_durable: Any,
    ) -> None:
        """Make an exchange, which is always durable."""
        name = exchange or f"amq.{type}"
        if passive:
            if not self._file.has_exchange(name):
                raise errors.NotFound(f"NOT_FOUND - no exchange {name!r}", _EXCHANGE_DECLARE, "", _NOT_FOUND)
            return
        try:
            self._file.declare_exchange(name, type or "direct")
        except OtherArguments as error:
            raise errors.PreconditionFailed(f"PRECONDITION_FAILED - {error}", _EXCHANGE_DECLARE) from error

    def exchange_delete(self, exchange: str, **_options: Any) -> None:
        """Delete an exchange and its bindings."""
        self._file.delete_exchange(exchange)

    def queue_declare(
        self,
        queue: str | None = None,
        passive: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **_durable: Any,
    ) -> queue_declare_ok_t:
        """Make a queue, or look at it; exclusive and auto-delete ones go with the connection."""
        name = queue or f"amq.gen-{uuid4()}"
        try:
            if not passive:
                self._file.declare_queue(name, arguments or {}, temporary=exclusive or auto_delete)
            return queue_declare_ok_t(name, self._file.size(name), self._transport.consumers_of(name))
        except NoQueue as error:
            raise _no_queue(name, _QUEUE_DECLARE) from error
        except OtherArguments as error:
            raise errors.PreconditionFailed(f"PRECONDITION_FAILED - {error}", _QUEUE_DECLARE) from error

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **_options: Any
    ) -> int:
        """Delete a queue with what is in it; returns how many messages that were."""
        if if_empty and self._has_queue(queue) and self._file.size(queue):
            raise errors.PreconditionFailed(f"PRECONDITION_FAILED - queue {queue!r} is not empty")
        self._transport.look_again()
        return self._file.delete_queue(queue)

    def queue_bind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", **_options: Any
    ) -> None:
        """Bind a queue to an exchange, for all processes."""
        self._queue_bind(exchange or "amq.direct", routing_key, None, queue)

    def queue_unbind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", **_options: Any
    ) -> None:
        """Remove a binding."""
        self._file.unbind(queue, exchange or "amq.direct", routing_key)

    def queue_purge(self, queue: str, **_options: Any) -> int:
        """Delete what waits in a queue; returns how many messages that were."""
        return self._file.purge(queue)

    def get_table(self, exchange: str) -> list[tuple[str, None, str]]:
        """The exchange's bindings as kombu's virtual channel has them; they are in the file."""
        return [(routing_key, None, queue) for routing_key, queue in self._file.bindings(exchange)]

    def _queue_bind(self, exchange: str, routing_key: str, _pattern: None, queue: str) -> None:
        try:
            self._file.bind(queue, exchange, routing_key)
        except NoQueue as error:
            raise _no_queue(queue, (50, 20)) from error
        except NoExchange as error:
            raise errors.NotFound(
                f"NOT_FOUND - no exchange {exchange!r}", (50, 20), "", _NOT_FOUND
            ) from error

    def _has_queue(self, queue: str, **_options: Any) -> bool:
        try:
            self._file.queue_id(queue)
        except NoQueue:
            return False
        return True

    def _size(self, queue: str) -> int:
        return self._file.size(queue)

    # Publishing

    def prepare_message(
        self,
        body: Any,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> amqp.Message:
        """A message for `basic_publish`, as py-amqp's."""
        return amqp.Message(
            body,
            priority=priority,
            content_type=content_type,
            content_encoding=content_encoding,
            application_headers=dict(headers or {}),
            **properties or {},
        )

    def confirm_select(self, nowait: bool = False) -> None:
        """From now on every publish is answered by an event `basic_ack`, numbered from 1."""
        self._confirming = True

    def basic_publish(
        self,
        msg: amqp.Message,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        **_options: Any,
    ) -> None:
        """Publish; always persistent. On a confirming channel nothing is stored before `drain_events`."""
        content = msg.body.encode() if isinstance(msg.body, str) else bytes(msg.body)
        properties = {name: value for name, value in msg.properties.items() if value is not None}
        put = Put(exchange or "", routing_key, json.dumps(properties, default=str), content)
        self._unconfirmed.append((put, msg, mandatory))
        if not self._confirming or len(self._unconfirmed) >= PUT_LIMIT:
            self.flush()

    def flush(self) -> bool:
        """Store what was published, in one transaction, then return and confirm; whether there was anything.

        Raises:
            NotFound: An exchange does not exist; then nothing of it was stored.
        """
        if not self._unconfirmed:
            return False
        batch, self._unconfirmed = self._unconfirmed, []
        try:
            routed = self._file.put([put for put, _, _ in batch])
        except NoExchange as error:
            raise errors.NotFound(
                f"NOT_FOUND - no exchange {str(error)!r}", _BASIC_PUBLISH, "", _NOT_FOUND
            ) from error
        self._transport.look_again()
        for (put, message, mandatory), reached in zip(batch, routed, strict=True):
            if mandatory and not reached:
                self._return(put, message)
        self._published += len(batch)
        if self._confirming:
            for callback in tuple(self.events["basic_ack"]):
                callback(self._published, True)
        return True

    def _return(self, put: Put, message: amqp.Message) -> None:
        error = errors.error_for_code(_NO_ROUTE, "NO_ROUTE", _BASIC_RETURN, errors.ChannelError)
        for callback in tuple(self.events["basic_return"]):
            callback(error, put.exchange, put.routing_key, message)

    # Consuming

    def basic_qos(self, prefetch_size: int = 0, prefetch_count: int = 0, a_global: bool = False) -> None:
        """Limit what each consumer that is added from now on has unacknowledged."""
        self._prefetch = prefetch_count

    def basic_consume(
        self,
        queue: str = "",
        no_ack: bool = False,
        callback: Callable[[amqp.Message], object] | None = None,
        consumer_tag: str = "",
        on_cancel: Callable[[str], object] | None = None,
        **_options: Any,
    ) -> str:
        """Consume from a queue; messages come in `drain_events`.

        Raises:
            NotFound: It is not there.
        """
        assert callback is not None
        tag = consumer_tag or f"ctag-{uuid4()}"
        try:
            queue_id = self._file.queue_id(queue)
        except NoQueue as error:
            raise _no_queue(queue, _BASIC_CONSUME) from error
        self.consumptions[tag] = Consumption(
            self, tag, queue, queue_id, callback, on_cancel, no_ack, self._prefetch
        )
        return tag

    def basic_cancel(self, consumer_tag: str, **_options: Any) -> None:
        """Stop consuming; what was delivered stays leased."""
        self.consumptions.pop(consumer_tag, None)

    def basic_get(self, queue: str, no_ack: bool = False, **_options: Any) -> amqp.Message | None:
        """One message, or None."""
        try:
            leased = self._file.turn((), ((self._file.queue_id(queue), 1),))
        except NoQueue as error:
            raise _no_queue(queue, (60, 70)) from error
        return self._message(leased[0], None, no_ack) if leased else None

    def basic_ack(self, delivery_tag: int, multiple: bool = False) -> None:
        """Acknowledge a message, or all up to it; written at the next turn."""
        for tag in self._tags_up_to(delivery_tag, multiple):
            self._transport.settle(self._forget(tag))

    def basic_reject(self, delivery_tag: int, requeue: bool = False) -> None:
        """Put a message back at its old position, or move it to the queue's dead-letter exchange."""
        place = self._forget(delivery_tag)
        if requeue:
            self._file.give_back([place])
        else:
            self._file.dead_letter([place])
        self._transport.look_again()

    def basic_recover(self, requeue: bool = True) -> None:
        """Put everything back that is not acknowledged."""
        places = [self._forget(tag) for tag in list(self._leased)]
        self._file.give_back(places)
        self._transport.look_again()

    def message_to_python(self, raw_message: amqp.Message) -> KombuMessage:
        """The message for users of `kombu.Consumer`."""
        return Message(raw_message, self)

    def deliver(self, leased: Leased, consumption: Consumption) -> None:
        """Hand a leased message to its consumer."""
        consumption.callback(self._message(leased, consumption, consumption.no_ack))

    def close(self) -> None:
        """Store what was published, give back what is not acknowledged."""
        if self.closed:
            return
        self.is_open = False
        self.consumptions.clear()
        try:
            self.flush()
            if self._leased:
                self.basic_recover()
        finally:
            super().close()

    def _message(self, leased: Leased, consumption: Consumption | None, no_ack: bool) -> amqp.Message:
        tag = next(self._tags)
        place = (leased.queue, leased.id)
        if no_ack:
            self._transport.settle(place)
        else:
            self._leased[tag] = (place, consumption)
            if consumption:
                consumption.unacked += 1
        return raw_message(leased, tag, consumption.tag if consumption else None, self)

    def _tags_up_to(self, delivery_tag: int, multiple: bool) -> list[int]:
        if not multiple:
            return [delivery_tag]
        tags = []
        for tag in self._leased:
            if delivery_tag and tag > delivery_tag:
                break
            tags.append(tag)
        return tags

    def _forget(self, delivery_tag: int) -> Place:
        try:
            place, consumption = self._leased.pop(delivery_tag)
        except KeyError:
            raise errors.PreconditionFailed(
                f"PRECONDITION_FAILED - unknown delivery tag {delivery_tag}"
            ) from None
        if consumption:
            consumption.unacked -= 1
        return place


class Transport(virtual.Transport):  # type: ignore[misc]
    """kombu's entry to the embedded broker. The file is `transport_options["path"]`."""

    Channel = Channel
    driver_type = "embedded"
    driver_name = "sqlite3"
    connection_errors = (*virtual.Transport.connection_errors, SessionLost)
    implements = base.Transport.implements.extend(
        asynchronous=False, exchange_type=frozenset(["direct", "topic", "fanout"]), heartbeats=False
    )

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)
        self._file: BrokerFile | None = None
        self._watch: Watch | None = None
        self._settled: list[Place] = []
        self._seen = -1
        self._expiry: float | None = None
        self._beat_at = 0.0

    @property
    def file(self) -> BrokerFile:
        """The open broker file."""
        if self._file is None:
            raise errors.RecoverableConnectionError("connection already closed")
        return self._file

    @property
    def connected(self) -> bool:
        """Whether the file is open."""
        return self._file is not None

    def establish_connection(self) -> "Transport":
        """Open the file."""
        options = self.client.transport_options
        path = Path(options["path"])
        self._file = BrokerFile(path, options.get("name", ""))
        self._watch = watch(path)
        self._beat_at = time.monotonic() + BEAT_S
        return self

    def create_channel(self, connection: "Transport") -> virtual.Channel:
        """A new channel."""
        channel = Channel(self)
        self.channels.append(channel)
        return channel

    def verify_connection(self, connection: "Transport") -> bool:
        """Whether the file is open."""
        return self.connected

    def close_connection(self, connection: "Transport") -> None:
        """Write what was acknowledged and published, give the rest back, close the file."""
        if self._file is None:
            return
        file = self._file
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        try:
            for channel in list(self.channels):
                channel.close()
            file.turn(self._settled, ())
        except SessionLost:
            pass
        finally:
            self._file = None
            file.close()

    def drain_events(self, connection: "Transport", timeout: float | None = None) -> None:
        """Write what is collected and deliver what is there, or wait for something.

        Raises:
            TimeoutError: Nothing happened in `timeout` seconds.
        """
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while not self._work():
            if time.monotonic() >= deadline:
                raise TimeoutError
            self._sleep(deadline, select.poll())

    def turn(self, wake: socket.socket, timeout_s: float) -> None:
        """As `drain_events`, but the end of the time is no error, and ends early when `wake` is readable."""
        deadline = time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        while not self._work():
            if time.monotonic() >= deadline or self._sleep(deadline, poll):
                break

    def settle(self, place: Place) -> None:
        """A message of this session is done."""
        self._settled.append(place)

    def look_again(self) -> None:
        """Our own commit may have brought messages: others' are noticed by themselves."""
        for channel in self.channels:
            for consumption in channel.consumptions.values():
                consumption.more = True

    def consumers_of(self, queue: str) -> int:
        """How many consumers of this connection the queue has."""
        return sum(
            consumption.queue == queue
            for channel in self.channels
            for consumption in channel.consumptions.values()
        )

    def _sleep(self, deadline: float, poll: select.poll) -> bool:
        """Sleep until there may be work or the deadline; whether what is polled became readable.

        An idle process spends its life here: one thread looks for others' commits, for all connections.
        """
        watched = self._watch
        if watched is None:
            raise errors.RecoverableConnectionError("connection already closed")
        poll.register(watched, select.POLLIN)
        until = min(deadline, watched.reap_at, self._beat_at)
        if self._expiry is not None:
            until = min(until, time.monotonic() + self._expiry - time.time())
        while (rest_s := until - time.monotonic()) > 0 and self.file.changes() == self._seen:
            readable = {fileno for fileno, _ in poll.poll(rest_s * 1000)}
            if watched.fileno() in readable:
                watched.seen()
            if readable - {watched.fileno()}:
                return True
        return False

    def _work(self) -> bool:
        """One turn; whether anything happened."""
        try:
            published = any([channel.flush() for channel in list(self.channels)])
            self._keep_house()
            return self._exchange() or published
        except SessionLost as error:
            raise errors.RecoverableConnectionError(str(error)) from error

    def _keep_house(self) -> None:
        now = time.monotonic()
        seen = self.file.changes()
        if seen != self._seen:
            self._seen = seen
            self._expiry = self.file.next_expiry()
            self._notice_deleted_queues()
            self.look_again()
        if self._expiry is not None and self._expiry <= time.time():
            self.file.expire()
            self._expiry = self.file.next_expiry()
            self.look_again()
        if self._watch is not None and self._watch.may_reap() and self.file.reap():
            self.look_again()
        if now >= self._beat_at:
            self._beat_at = now + BEAT_S
            self.file.beat()

    def _exchange(self) -> bool:
        """Write acknowledgements and take messages, in one transaction."""
        takers = [
            consumption
            for channel in self.channels
            for consumption in channel.consumptions.values()
            if consumption.more and consumption.room
        ]
        if not takers and not self._settled:
            return False
        wanted = [(consumption.queue_id, min(consumption.room, TAKE_LIMIT)) for consumption in takers]
        settled, self._settled = self._settled, []
        leased = deque(self.file.turn(settled, wanted))
        happened = bool(settled or leased)
        self._deliver(takers, wanted, leased)
        return happened

    def _deliver(
        self, takers: list[Consumption], wanted: list[tuple[int, int]], leased: deque[Leased]
    ) -> None:
        for consumption, (queue, limit) in zip(takers, wanted, strict=True):
            taken = 0
            while leased and leased[0].queue == queue and taken < limit:
                consumption.channel.deliver(leased.popleft(), consumption)
                taken += 1
            consumption.more = taken >= limit

    def _notice_deleted_queues(self) -> None:
        for channel in list(self.channels):
            for consumption in list(channel.consumptions.values()):
                if self._is_gone(consumption):
                    channel.basic_cancel(consumption.tag)
                    if consumption.on_cancel is None:
                        raise errors.ConsumerCancelled(consumption.tag, (60, 30))
                    consumption.on_cancel(consumption.tag)

    def _is_gone(self, consumption: Consumption) -> bool:
        try:
            return self.file.queue_id(consumption.queue) != consumption.queue_id
        except NoQueue:
            return True


def raw_message(
    leased: Leased, delivery_tag: int, consumer_tag: str | None = None, channel: Channel | None = None
) -> amqp.Message:
    """A message of the file as py-amqp would have received it."""
    properties = json.loads(leased.properties)
    if leased.deliveries > 1:
        # As RabbitMQ's quorum queues: how often it was given out before.
        headers = properties.setdefault("application_headers", {})
        headers["x-delivery-count"] = leased.deliveries - 1
    message = amqp.Message(leased.content, channel=channel, **properties)
    message.delivery_info = {
        "consumer_tag": consumer_tag,
        "delivery_tag": delivery_tag,
        "redelivered": leased.deliveries > 1,
        "exchange": leased.exchange,
        "routing_key": leased.routing_key,
    }
    return message


def _no_queue(name: str, method: tuple[int, int]) -> errors.NotFound:
    return errors.NotFound(f"NOT_FOUND - no queue {name!r}", method, "", _NOT_FOUND)
