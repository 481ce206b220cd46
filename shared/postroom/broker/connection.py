"""Connections to either broker, and foreign errors as ours.

| URL | broker |
|---|---|
| `amqp://user:password@host:5672/vhost` | RabbitMQ |
| `amqps://…?cafile=/path/to/ca.pem` | RabbitMQ over TLS; certificate and host name are always verified |
| `embedded:///path/to/broker.sqlite3` | the embedded broker |
"""

import logging
import select
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from amqp import exceptions as amqp_errors
from kombu.connection import Connection

from postroom.broker.embedded import SCHEME, Transport
from postroom.errors import Misconfigured, PostroomError, Transient

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
SILENCE_LIMIT_S = 20.0
"""A call that waits for the broker's answer, or for room to write, gives up after this."""
FAREWELL_S = 2.0

DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671}


@dataclass(frozen=True)
class Address:
    """A broker's URL in parts. `path` is the embedded broker's file, empty for RabbitMQ."""

    scheme: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    vhost: str = "/"
    cafile: str | None = None
    path: str = ""

    def __str__(self) -> str:
        """Without the password."""
        if self.path:
            return f"{self.scheme}://{self.path}"
        return f"{self.scheme}://{self.user}@{self.host}:{self.port}/{self.vhost.removeprefix('/')}"


def parse_url(url: str) -> Address:
    """The parts of a broker URL.

    Raises:
        Misconfigured: it is none; the text says what is allowed.
    """
    parts = urlsplit(url)
    if parts.scheme == SCHEME:
        if parts.netloc or len(parts.path) < 2:
            raise Misconfigured(
                "broker-url", f"the embedded broker's URL must look like {SCHEME}:///folder/broker.sqlite3"
            )
        return Address(SCHEME, path=unquote(parts.path))
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise Misconfigured("broker-url", f"a broker URL is amqp://…, amqps://… or {SCHEME}:///…")
    try:
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except ValueError as error:
        raise Misconfigured("broker-url", f"the broker URL's port: {error}") from error
    return Address(
        parts.scheme,
        parts.hostname,
        port,
        unquote(parts.username or "guest"),
        unquote(parts.password or "guest"),
        unquote(parts.path[1:]) or "/",
        parse_qs(parts.query).get("cafile", [None])[0],
    )


def connect(url: str, *, name: str, heartbeat_s: int = 10) -> Connection:
    """An open connection.

    Args:
        url: See the table above.
        name: What the broker's operator sees as the connection's name.
        heartbeat_s: Interval of heartbeats; 0 for none, where nobody is there to keep them.

    Raises:
        Transient: The broker is not reachable.
        Misconfigured: It refused the log-in, the virtual host or our trust in its certificate.
    """
    address = parse_url(url)
    with translated(f"broker {address}"):
        if address.scheme == SCHEME:
            connection = Connection(
                transport=Transport, transport_options={"path": address.path, "name": name}
            )
            connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
            return connection
        return _connect_amqp(address, name, heartbeat_s)


def _connect_amqp(address: Address, name: str, heartbeat_s: int) -> Connection:
    options: dict[str, Any] = {
        "client_properties": {"connection_name": name},
        # py-amqp's default of one second ends connections that RabbitMQ holds back (memory alarm).
        "socket_settings": {socket.TCP_USER_TIMEOUT: 15_000} if hasattr(socket, "TCP_USER_TIMEOUT") else {},
    }
    connection = Connection(
        hostname=f"[{address.host}]" if ":" in address.host else address.host,
        port=address.port,
        userid=address.user,
        password=address.password,
        virtual_host=address.vhost,
        transport="pyamqp",
        ssl=tls_options(address) if address.scheme == "amqps" else False,
        heartbeat=heartbeat_s,
        connect_timeout=CONNECT_TIMEOUT_S,
        transport_options=options,
    )
    try:
        # kombu's own connect() waits and tries twice.
        connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
    except BaseException:
        release(connection)
        raise
    # py-amqp waits for answers without an end; a broker that is stopped would hold its caller for ever.
    connection.connection.sock.settimeout(SILENCE_LIMIT_S)
    return connection


def release(connection: Connection) -> None:
    """Close a connection without raising, in `FAREWELL_S` at most.

    A broker that has stopped, or holds publishers back, answers no farewell.
    """
    with suppress(Exception):
        sock = getattr(connection.connection, "sock", None) if connection.connected else None
        if sock is not None:
            sock.settimeout(FAREWELL_S)
        connection.release()


def tls_options(address: Address) -> dict[str, Any]:
    """What py-amqp wants for a verified TLS connection (verify_mode and host name check are on)."""
    return {
        "server_hostname": address.host,
        "cert_reqs": ssl.CERT_REQUIRED,
        "ca_certs": address.cafile,
        "tls_minimum_version": ssl.TLSVersion.TLSv1_2,
    }


def back_off(attempt: int, jitter: float) -> float:
    """Seconds to wait before connection attempt `attempt` (1, 2, …).

    Full jitter: `jitter` is from 0 to 1. The result is from 0.1 to 10.
    """
    return max(0.1, min(10.0, 0.1 * 2.0 ** min(attempt, 20)) * jitter)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the errors of kombu, py-amqp, sockets and sqlite3 into ours."""
    try:
        yield
    except PostroomError:
        raise
    except Exception as error:
        raise translate(error, what) from error


def translate(error: Exception, what: str) -> PostroomError:
    """Our error for a foreign one; unknown ones are transient, since the broker is tried again for ever."""
    text = str(error) or type(error).__name__
    if isinstance(error, amqp_errors.AccessRefused):
        return Misconfigured("broker-access", f"{what} refused user or password, or a right: {text}")
    if isinstance(error, amqp_errors.NotAllowed):
        return Misconfigured("broker-vhost", f"{what} has no such virtual host for this user: {text}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Misconfigured("broker-tls", f"{what} has a certificate that is not trusted: {text}")
    if isinstance(error, FileNotFoundError | PermissionError):
        return Misconfigured("broker-file", f"{what}: {text}")
    if isinstance(error, sqlite3.Error):
        return Transient(f"{what}: the embedded broker's file: {text}")
    return Transient(f"{what}: {text}")


def turn(connection: Connection, wake: socket.socket, timeout_s: float) -> None:
    """Wait until the broker says something, `wake` is readable or the time is over; dispatch what came.

    Returns after everything that is there at the moment went to its callback; empties `wake`.
    """
    # kombu's property would connect again by itself, without the channels.
    raw = connection.connection if connection.connected else None
    if raw is None:
        raise amqp_errors.RecoverableConnectionError("connection already closed")
    if isinstance(raw, Transport):
        raw.turn(wake, timeout_s)
    else:
        _amqp_turn(raw, wake, timeout_s)
    with suppress(BlockingIOError):
        while wake.recv(4096):
            pass


def _amqp_turn(raw: Any, wake: socket.socket, timeout_s: float) -> None:
    poll = select.poll()
    poll.register(raw.sock, select.POLLIN)
    poll.register(wake, select.POLLIN)
    if not _buffered(raw.sock):
        poll.poll(timeout_s * 1000)
    broker = select.poll()
    broker.register(raw.sock, select.POLLIN)
    # Bounded, so that a broker that never stops talking cannot keep us from acknowledging.
    for _ in range(5_000):
        if not (_buffered(raw.sock) or broker.poll(0)):
            return
        raw.blocking_read()


def _buffered(sock: socket.socket) -> bool:
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
