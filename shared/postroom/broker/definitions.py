r"""RabbitMQ definitions for import at broker start (pure): queues, limits, users and their rights.

A service configures nothing but a queue for broadcasts, writes to the exchanges it publishes to and reads its
own queues. Rights are regular expressions over the names of exchanges and queues (RabbitMQ, "Access
Control"). Publishing straight into a queue goes through the default exchange, `amq\.default`.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postroom import topology as names
from postroom.topology import Topology

MAX_QUEUE_BYTES = 8 * 1024**3
"""A full queue refuses publishes, which wait at their sender: nothing is dropped."""
MAX_CLIENT_MESSAGES = 100_000


@dataclass(frozen=True)
class Policy:
    """A tunable limit. RabbitMQ applies one policy to a queue: the first by priority whose pattern fits."""

    name: str
    pattern: str
    definition: Mapping[str, str | int]
    priority: int = 0


@dataclass(frozen=True)
class Rights:
    """What a user may do, as regular expressions; `tags` are for the management API."""

    configure: str
    write: str
    read: str
    tags: tuple[str, ...] = ()


NO_DELIVERY_LIMIT = 1_000_000_000
EVENT_QUEUE_LENGTH = 100_000
_EVENT_QUEUES = r"^postroom\.(webhook|campaign)\."


def policies(event_queue_length: int = EVENT_QUEUE_LENGTH) -> tuple[Policy, ...]:
    """All policies; `event_queue_length`: messages in a queue of a webhook or campaign."""
    limits = {"delivery-limit": names.DELIVERY_LIMIT, "max-length-bytes": MAX_QUEUE_BYTES}
    events = {**limits, "max-length": event_queue_length}
    # Who looks into a quarantine takes messages out and gives them back: that must not count as a crash.
    dead = {"delivery-limit": NO_DELIVERY_LIMIT}
    return (
        Policy("postroom-limits", r"^postroom\.(?!client\.)", limits),
        Policy("postroom-clients", r"^postroom\.client\.", {"max-length": MAX_CLIENT_MESSAGES}),
        Policy("postroom-event-queues", _EVENT_QUEUES, events, priority=1),
        Policy("postroom-dead", r"^postroom\.(?!client\.).*\.dead$", {**limits, **dead}, priority=2),
        Policy("postroom-dead-events", _EVENT_QUEUES + r".*\.dead$", {**events, **dead}, priority=3),
    )


_CLIENT_QUEUES = r"postroom\.client\..*"


def _service(name: str, writes: str, reads: str) -> Rights:
    """A service's rights: besides its own, a queue for the broadcast that accounts have changed."""
    broadcasts = rf"postroom\.{name}\.accounts\..*"
    return Rights(
        f"^{broadcasts}$", rf"^({writes}|{broadcasts})$", rf"^({reads}|{broadcasts}|postroom\.events)$"
    )


def _notifier() -> Rights:
    """Its own queues, which it binds: for that it writes to the queue and reads the exchange."""
    own = r"postroom\.(webhook|campaign|notifier\.accounts)\..*"
    reads = rf"{own}|postroom\.notifier\.commands|postroom\.(events|commands|retry|dead)"
    return Rights(f"^{own}$", rf"^({own}|postroom\.(events|retry|dead))$", f"^({reads})$")


RIGHTS: Mapping[str, Rights] = {
    "fetcher": _service("fetcher", r"postroom\.(events|retry|dead)", r"postroom\.fetcher\.commands\.[0-9]+"),
    # It answers queries into the clients' own queues.
    "processor": _service(
        "processor",
        r"postroom\.(events|commands|retry|dead)|amq\.default",
        r"postroom\.processor\.(replies|inbox|commands|results)",
    ),
    "sender": _service(
        "sender", r"postroom\.(events|commands|retry|dead)", r"postroom\.sender\.(transactional|bulk)"
    ),
    # The only service that declares queues: those that follow from the accounts file.
    "notifier": _notifier(),
    # A program that asks for approvals: it binds queues of its own to the events.
    "client": Rights(
        f"^{_CLIENT_QUEUES}$",
        rf"^(postroom\.commands|{_CLIENT_QUEUES})$",
        rf"^(postroom\.events|{_CLIENT_QUEUES}|postroom\.campaign\..*)$",
    ),
    # The operator's side: applies the topology with its policies, looks into quarantines.
    "console": Rights(
        r"^postroom\..*$", r"^(postroom\..*|amq\.default)$", r"^postroom\..*$", tags=("policymaker",)
    ),
}


def user_name(service: str) -> str:
    """The RabbitMQ user of a service."""
    return f"postroom-{service}"


def password_hash(password: str, salt: bytes) -> str:
    """The password as RabbitMQ stores it: base64 of a four-byte salt and SHA-256 over salt and password.

    Raises:
        ValueError: The salt has another length.
    """
    if len(salt) != 4:
        raise ValueError(f"the salt must be 4 bytes, not {len(salt)}")
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def definitions(
    topology: Topology,
    vhost: str,
    users: Mapping[str, str] | None = None,
    event_queue_length: int = EVENT_QUEUE_LENGTH,
) -> dict[str, Any]:
    """The definitions document.

    Args:
        topology: Exchanges, queues, bindings.
        vhost: The virtual host, which is made.
        users: Password hash by service, see `RIGHTS` and `password_hash`. Services that are not named get a
            user that cannot log in with a password (an empty hash), for certificates or a later import.
        event_queue_length: See `policies`.

    Raises:
        ValueError: A service is unknown.
    """
    unknown = set(users or {}) - set(RIGHTS)
    if unknown:
        raise ValueError(f"users: {', '.join(sorted(unknown))} unknown, there are {', '.join(RIGHTS)}")
    return {
        "vhosts": [{"name": vhost}],
        "users": [
            _user(service, (users or {}).get(service, ""), rights.tags) for service, rights in RIGHTS.items()
        ],
        "permissions": [_permission(service, rights, vhost) for service, rights in RIGHTS.items()],
        "policies": [
            {"vhost": vhost, **policy_document(policy), "name": policy.name}
            for policy in policies(event_queue_length)
        ],
        "exchanges": [
            {
                "name": exchange.name,
                "vhost": vhost,
                "type": exchange.kind,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for exchange in topology.exchanges
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": vhost,
                "durable": True,
                "auto_delete": False,
                "arguments": dict(queue.arguments),
            }
            for queue in topology.queues
        ],
        "bindings": [
            {
                "source": binding.exchange,
                "vhost": vhost,
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": binding.routing_key,
                "arguments": {},
            }
            for queue in topology.queues
            for binding in queue.bindings
        ],
    }


def policy_document(policy: Policy) -> dict[str, Any]:
    """The policy as the management API takes it."""
    return {
        "pattern": policy.pattern,
        "apply-to": "queues",
        "definition": dict(policy.definition),
        "priority": policy.priority,
    }


def _user(service: str, hashed: str, tags: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": user_name(service),
        "password_hash": hashed,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": list(tags),
        "limits": {},
    }


def _permission(service: str, rights: Rights, vhost: str) -> dict[str, Any]:
    return {
        "user": user_name(service),
        "vhost": vhost,
        "configure": rights.configure,
        "write": rights.write,
        "read": rights.read,
    }
