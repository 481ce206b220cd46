"""Making the topology real, on either broker. Repeating it changes nothing."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from amqp import exceptions as amqp_errors

from postroom.broker.connection import connect, parse_url, release, translated
from postroom.broker.definitions import EVENT_QUEUE_LENGTH, Policy, policy_document
from postroom.broker.definitions import policies as make_policies
from postroom.broker.embedded import SCHEME
from postroom.broker.embedded_queue import BrokerFile
from postroom.errors import Misconfigured, Transient
from postroom.topology import Exchange, Queue, Topology

MANAGEMENT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Applied:
    """What is there now, and what was skipped and why (one sentence each)."""

    exchanges: int
    queues: int
    policies: int
    skipped: tuple[str, ...]


def apply(
    url: str,
    topology: Topology,
    *,
    policies: bool = True,
    management_url: str | None = None,
    event_queue_length: int = EVENT_QUEUE_LENGTH,
) -> Applied:
    """Declare every exchange, queue and binding, and set the policies.

    Args:
        url: The broker, see `postroom.broker.connection`.
        topology: What there is to be.
        policies: Whether to set the limits that are policies.
        management_url: RabbitMQ's management API, `http(s)://user:password@host:15672`.
        event_queue_length: How many messages a queue of a webhook or campaign holds.

    Raises:
        Misconfigured: Something is there with other arguments, or the user lacks a right; says which and what
            to do.
        Transient: The broker is not there.
    """
    connection = connect(url, name="postroom topology")
    try:
        with translated("declaring the topology"):
            for exchange in topology.exchanges:
                _declare_exchange(connection, exchange)
            for queue in topology.queues:
                declare_queue(connection, queue)
    finally:
        release(connection)
    wanted = make_policies(event_queue_length)
    skipped = _reason_to_skip(url, policies, management_url)
    address = parse_url(url)
    if address.scheme == SCHEME:
        _limit_lengths(address.path, wanted)
    elif skipped is None and management_url:
        set_policies(management_url, address.vhost, wanted)
    return Applied(
        len(topology.exchanges),
        len(topology.queues),
        len(wanted) if skipped is None else 0,
        () if skipped is None else (skipped,),
    )


def _limit_lengths(path: str, policies: Sequence[Policy]) -> None:
    """The one kind of limit that the embedded broker takes from policies."""
    lengths = [
        (policy.priority, policy.pattern, int(policy.definition["max-length"]))
        for policy in policies
        if "max-length" in policy.definition
    ]
    with translated("the embedded broker"):
        file = BrokerFile(Path(path), "topology")
        try:
            file.limit_lengths(lengths)
        finally:
            file.close()


def set_policies(management_url: str, vhost: str, policies: Sequence[Policy]) -> None:
    """Set these policies by the management API.

    Raises:
        Misconfigured: It refused.
        Transient: It is not there.
    """
    for policy in policies:
        path = f"policies/{quote(vhost, safe='')}/{policy.name}"
        _put(management_url, path, policy_document(policy))


def _reason_to_skip(url: str, policies: bool, management_url: str | None) -> str | None:
    if parse_url(url).scheme == SCHEME:
        return "the embedded broker has no policies: its delivery limit is built in, lengths are set"
    if not policies:
        return "policies were not asked for"
    if not management_url:
        return (
            "the policies (delivery limit, queue lengths) were not set, since no management URL is given;"
            " everything works without them, but without those nets"
        )
    return None


def _declare_exchange(connection: Any, exchange: Exchange) -> None:
    with _explained(f"exchange {exchange.name}"), connection.channel() as channel:
        channel.exchange_declare(exchange.name, type=exchange.kind, durable=True, auto_delete=False)


def declare_queue(connection: Any, queue: Queue) -> None:
    """Make the queue and bind it. Raises Misconfigured, and the errors of py-amqp."""
    with _explained(f"queue {queue.name}"), connection.channel() as channel:
        channel.queue_declare(
            queue.name, durable=True, exclusive=False, auto_delete=False, arguments=dict(queue.arguments)
        )
        for binding in queue.bindings:
            channel.queue_bind(queue.name, exchange=binding.exchange, routing_key=binding.routing_key)


class _explained:  # noqa: N801 - used like a function
    """Turn the broker's refusals into sentences that say what to do."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, amqp_errors.PreconditionFailed):
            raise Misconfigured(
                "broker-topology",
                f"{self._what} is there with other arguments: {error}. Arguments cannot be changed in place:"
                " let it run empty, delete it, and apply the topology again",
            ) from error
        if isinstance(error, amqp_errors.AccessRefused):
            raise Misconfigured(
                "broker-access",
                f"{self._what} may not be declared by this user: {error}. Use a user with the configure right"
                " on ^postroom\\..*",
            ) from error


def _put(management_url: str, path: str, document: Mapping[str, Any]) -> None:
    parts = urlsplit(management_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misconfigured("broker-management-url", "a management URL is http(s)://user:password@host:port")
    credentials = f"{unquote(parts.username or 'guest')}:{unquote(parts.password or 'guest')}".encode()
    place = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        f"{parts.scheme}://{place}{parts.path.rstrip('/')}/api/{path}",
        method="PUT",
        data=json.dumps(document).encode(),
        headers={
            "Authorization": "Basic " + base64.b64encode(credentials).decode(),
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=MANAGEMENT_TIMEOUT_S):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        with error:
            raise Misconfigured(
                "broker-management",
                f"the management API refused {path}: {error.code} {error.reason}; the user needs the tag"
                " policymaker or administrator",
            ) from error
    except OSError as error:
        raise Transient(f"the management API at {place}: {error}") from error
