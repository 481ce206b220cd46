"""RabbitMQ definitions."""

from __future__ import annotations

import json
import re

import pytest

from postroom.broker.definitions import RIGHTS, definitions, password_hash
from postroom.topology import COMMANDS, DEAD, EVENTS, INBOX, RETRY, fetcher_commands, topology


def test_a_password_is_hashed_as_rabbitmq_s_manual_does() -> None:
    # RabbitMQ, "Passwords": salt 908DC60A, password test12.
    hashed = password_hash("test12", bytes.fromhex("908DC60A"))
    assert hashed == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    with pytest.raises(ValueError, match="4 bytes"):
        password_hash("test12", b"")


def test_the_document_holds_the_whole_topology() -> None:
    whole = topology(2)
    document = json.loads(json.dumps(definitions(whole, "mail", {"sender": "hash"})))
    assert {queue["name"] for queue in document["queues"]} == {queue.name for queue in whole.queues}
    assert len(document["bindings"]) == sum(len(queue.bindings) for queue in whole.queues)
    assert all(
        each["vhost"] == "mail" for kind in ("queues", "exchanges", "bindings") for each in document[kind]
    )
    hashes = {user["name"]: user["password_hash"] for user in document["users"]}
    assert hashes["postroom-sender"] == "hash"
    assert hashes["postroom-fetcher"] == ""


def test_an_unknown_service_is_refused() -> None:
    with pytest.raises(ValueError, match=r"postman unknown.*fetcher"):
        definitions(topology(1), "/", {"postman": "hash"})


@pytest.mark.parametrize(
    ("service", "right", "name", "allowed"),
    [
        ("fetcher", "read", fetcher_commands(12), True),
        ("fetcher", "read", INBOX, False),
        ("fetcher", "read", f"{fetcher_commands(1)}.dead", False),
        ("fetcher", "write", COMMANDS, False),
        ("sender", "write", EVENTS, True),
        ("sender", "write", RETRY, True),
        ("sender", "write", DEAD, True),
        ("sender", "write", COMMANDS, True),
        ("sender", "write", "amq.default", False),
        ("processor", "write", "amq.default", True),
        ("client", "configure", "postroom.client.a", True),
        ("client", "configure", "postroom.dead", False),
        ("client", "write", EVENTS, False),
        ("client", "read", INBOX, False),
        ("console", "read", f"{INBOX}.dead", True),
    ],
)
def test_a_service_may_do_its_own_work_only(service: str, right: str, name: str, allowed: bool) -> None:
    assert bool(re.search(getattr(RIGHTS[service], right), name)) is allowed


def test_services_configure_nothing() -> None:
    for service in ("fetcher", "processor", "sender"):
        assert not re.search(RIGHTS[service].configure, "postroom.anything")
