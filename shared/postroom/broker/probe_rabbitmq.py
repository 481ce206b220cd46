"""The probe of RabbitMQ, through pika."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import pika
from pika import exceptions as pika_errors
from pika.adapters.blocking_connection import BlockingChannel

from postroom.amount import amount
from postroom.broker.probe import Answer, Check, skipped, timed
from postroom.topology import Queue, Topology

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Target:
    """The broker's URL in parts; parsed here again, since the probe shares nothing with the client."""

    tls: bool
    host: str
    port: int
    user: str
    password: str
    vhost: str
    cafile: str | None


def probe_rabbitmq(url: str, topology: Topology) -> tuple[Check, ...]:
    """All checks, in order."""
    target = _parse(url)
    reach = timed("reach", lambda: _reach(target))
    rest = ["log-in", "permissions", *(f"queue {queue.name}" for queue in topology.queues), "round trip"]
    if not reach.ok:
        return (reach, *(skipped(name, "the broker is not reachable") for name in ["tls", *rest]))
    tls = timed("tls", lambda: _tls(target))
    if tls.ok is False:
        return (reach, tls, *(skipped(name, "there is no trusted connection") for name in rest))
    opened: list[pika.BlockingConnection] = []
    log_in = timed("log-in", lambda: _log_in(target, opened))
    if not opened:
        return (reach, tls, log_in, *(skipped(name, "the log-in failed") for name in rest[1:]))
    connection = opened[0]
    try:
        return (reach, tls, log_in, *_inside(connection, topology))
    finally:
        if connection.is_open:
            connection.close()


def _inside(connection: pika.BlockingConnection, topology: Topology) -> list[Check]:
    checks = [timed("permissions", lambda: _permissions(connection, topology))]
    checks += [timed(f"queue {queue.name}", _queue_check(connection, queue)) for queue in topology.queues]
    checks.append(timed("round trip", lambda: _round_trip(connection)))
    return checks


def _parse(url: str) -> Target:
    parts = urlsplit(url)
    tls = parts.scheme == "amqps"
    return Target(
        tls,
        parts.hostname or "",
        parts.port or (5671 if tls else 5672),
        unquote(parts.username or "guest"),
        unquote(parts.password or "guest"),
        unquote(parts.path[1:]) or "/",
        parse_qs(parts.query).get("cafile", [None])[0],
    )


def _reach(target: Target) -> Answer:
    place = f"{target.host}:{target.port}"
    try:
        with socket.create_connection((target.host, target.port), timeout=TIMEOUT_S):
            return Answer(True, f"{place} takes connections")
    except OSError as error:
        return Answer(False, f"{place}: {error}", "check host, port, firewall, and that the broker runs")


def _context(target: Target) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=target.cafile)


def _tls(target: Target) -> Answer:
    if not target.tls:
        return Answer(None, "the URL says amqp://: not encrypted", "use amqps:// unless this is loopback")
    try:
        with (
            socket.create_connection((target.host, target.port), timeout=TIMEOUT_S) as raw,
            _context(target).wrap_socket(raw, server_hostname=target.host) as secured,
        ):
            certificate: dict[str, Any] = secured.getpeercert() or {}
            until = certificate.get("notAfter", "unknown")
            return Answer(True, f"{secured.version()}, certificate verified, valid until {until}")
    except ssl.SSLCertVerificationError as error:
        return Answer(False, error.verify_message, "trust its CA with ?cafile=, or correct the host name")
    except OSError as error:
        return Answer(False, str(error), "is this the TLS port (5671)?")


def _log_in(target: Target, opened: list[pika.BlockingConnection]) -> Answer:
    parameters = pika.ConnectionParameters(
        target.host,
        target.port,
        target.vhost,
        pika.PlainCredentials(target.user, target.password),
        ssl_options=pika.SSLOptions(_context(target), target.host) if target.tls else None,
        socket_timeout=TIMEOUT_S,
        blocked_connection_timeout=TIMEOUT_S,
        stack_timeout=2 * TIMEOUT_S,
        client_properties={"connection_name": "postroom probe"},
    )
    try:
        opened.append(pika.BlockingConnection(parameters))
    except pika_errors.AMQPError as error:
        return _refused(error, target)
    server = opened[0]._impl.server_properties
    product, version = server.get("product", "broker"), server.get("version", "")
    return Answer(True, f"user {target.user} on virtual host {target.vhost}, {product} {version}")


def _refused(error: Exception, target: Target) -> Answer:
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, pika_errors.ProbableAuthenticationError):
        return Answer(False, text, f"check the password of user {target.user}")
    if isinstance(error, pika_errors.ProbableAccessDeniedError | pika_errors.ConnectionClosedByBroker):
        return Answer(False, text, f"does {target.vhost} exist, and may {target.user} use it?")
    return Answer(False, text, "see the broker's log")


def _permissions(connection: pika.BlockingConnection, topology: Topology) -> Answer:
    """Configure is tried on a temporary queue, write on each exchange, with a key that reaches nobody."""
    lacking = []
    if not _allowed(connection, _declare_temporary):
        lacking.append("configure temporary queues (postroom.client.…)")
    lacking += [
        f"write to {exchange.name}"
        for exchange in topology.exchanges
        if not _allowed(connection, _publisher_to(exchange.name))
    ]
    if not lacking:
        return Answer(True, "may configure its own queues and write to every exchange")
    return Answer(
        None, "may not " + ", ".join(lacking), "fine for a service's own user; the console needs all of it"
    )


def _allowed(connection: pika.BlockingConnection, action: Callable[[BlockingChannel], object]) -> bool:
    channel = connection.channel()
    try:
        action(channel)
    except pika_errors.ChannelClosedByBroker as error:
        if error.reply_code == 403:
            return False
        if error.reply_code == 404:
            return True
        raise
    finally:
        if channel.is_open:
            channel.close()
    return True


def _declare_temporary(channel: BlockingChannel) -> str:
    name = f"postroom.client.probe-{uuid4()}"
    channel.queue_declare(name, exclusive=True, auto_delete=True)
    return name


def _publisher_to(exchange: str) -> Callable[[BlockingChannel], object]:
    def publish(channel: BlockingChannel) -> None:
        channel.confirm_delivery()
        try:
            channel.basic_publish(exchange, f"postroom.probe.{uuid4()}", b"", mandatory=True)
        except pika_errors.UnroutableError:
            return

    return publish


def _queue_check(connection: pika.BlockingConnection, queue: Queue) -> Callable[[], Answer]:
    return lambda: _queue(connection, queue)


def _queue(connection: pika.BlockingConnection, queue: Queue) -> Answer:
    channel = connection.channel()
    try:
        found = channel.queue_declare(queue.name, passive=True).method
        detail = f"{amount(found.message_count, 'message')}, {amount(found.consumer_count, 'consumer')}"
        # Declaring what is there, with the same arguments, changes nothing; with others it is refused.
        channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
    except pika_errors.ChannelClosedByBroker as error:
        return _queue_refused(error, queue)
    else:
        return Answer(True, detail)
    finally:
        if channel.is_open:
            channel.close()


def _queue_refused(error: pika_errors.ChannelClosedByBroker, queue: Queue) -> Answer:
    if error.reply_code == 404:
        return Answer(False, "is not there", "apply the topology")
    if error.reply_code == 406:
        return Answer(
            False,
            f"is there with other arguments: {error.reply_text}",
            "let it run empty, delete it, and apply the topology again",
        )
    if error.reply_code == 403:
        return Answer(None, "is there; this user may not compare its arguments", "")
    return Answer(False, f"{error.reply_code} {error.reply_text}", f"see the broker's log about {queue.name}")


def _round_trip(connection: pika.BlockingConnection) -> Answer:
    channel = connection.channel()
    try:
        name = _declare_temporary(channel)
        channel.confirm_delivery()
        body = uuid4().bytes
        channel.basic_publish("", name, body, pika.BasicProperties(delivery_mode=2), mandatory=True)
        method, _, came = channel.basic_get(name)
        if method is None or came != body:
            return Answer(False, "a confirmed message did not come back", "see the broker's log")
        channel.basic_ack(method.delivery_tag)
    except pika_errors.ChannelClosedByBroker as error:
        if error.reply_code == 403:
            return Answer(None, f"this user may not: {error.reply_text}", "use the console's user")
        raise
    finally:
        if channel.is_open:
            channel.close()
    return Answer(True, "published, confirmed, received, acknowledged")
