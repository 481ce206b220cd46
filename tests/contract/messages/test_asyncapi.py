"""The AsyncAPI document says what the wire is like."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from postroom import topology
from postroom.asyncapi import CLIENT, SENT_BY, document, schema
from postroom.envelope import JSON, PREFIX, encode, envelop
from postroom.messages import MESSAGES, AccountTest, ApprovalStates, Command, MailReceived
from tests.contract.messages.test_round_trip import MAIL

DOCUMENT = document()


def resolve(reference: str) -> Any:
    """What a reference within the document leads to (RFC 6901)."""
    assert reference.startswith("#/")
    found: Any = DOCUMENT
    for part in reference[2:].split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > len(MESSAGES)
    for reference in found:
        resolve(reference)


def test_the_document_has_only_what_the_specification_names() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(DOCUMENT) == {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"}
    for channel in DOCUMENT["channels"].values():
        assert set(channel) <= {"address", "messages", "bindings", "parameters"}
        assert set(channel["bindings"]["amqp"]) in (
            {"is", "exchange", "bindingVersion"},
            {"is", "queue", "bindingVersion"},
        )
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert set(operation) <= {"action", "channel", "messages", "summary", "tags", "reply"}


def test_parameters_are_those_of_the_address() -> None:
    for channel in DOCUMENT["channels"].values():
        in_address = {part.split("}")[0] for part in channel["address"].split("{")[1:]}
        assert set(channel.get("parameters", {})) == in_address


def test_the_messages_of_an_operation_are_messages_of_its_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])


def test_every_message_is_sent_and_received_by_somebody() -> None:
    assert set(SENT_BY) == set(MESSAGES)
    for name in MESSAGES:
        actions = {
            operation["action"]
            for operation in DOCUMENT["operations"].values()
            if any(message["$ref"].endswith(f"/messages/{name}") for message in operation["messages"])
        }
        assert actions == {"send", "receive"}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_channel_is_where_messages_really_go(name: str) -> None:
    model = MESSAGES[name]
    if model is ApprovalStates:
        return
    addresses = {
        channel["address"] for channel in DOCUMENT["channels"].values() if name in channel["messages"]
    }
    queues = [queue.name for queue in topology.topology(2).queues]
    for address in addresses:
        if issubclass(model, Command):
            assert address.replace("{shard}", "1") in queues
        else:
            assert address.startswith(name)


def test_every_queue_of_ours_that_hears_an_event_is_an_operation() -> None:
    bound = [
        binding.routing_key.split(".#")[0]
        for queue in topology.topology(1).queues
        for binding in queue.bindings
        if binding.exchange == topology.EVENTS
    ]
    heard = {".".join(key.split(".")[:2]) for key in bound}
    received = {
        message["$ref"].rpartition("/")[2]
        for key, operation in DOCUMENT["operations"].items()
        for message in operation["messages"]
        if operation["action"] == "receive" and not key.startswith(f"{CLIENT}.")
    }
    assert heard
    assert heard <= received


@pytest.mark.parametrize("name", MESSAGES)
def test_the_schema_of_a_body_names_every_field(name: str) -> None:
    described = schema(MESSAGES[name])
    assert described["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(described["properties"]) == set(MESSAGES[name].model_fields)
    assert described["additionalProperties"] is False


def test_the_headers_of_a_mail_are_those_on_the_wire() -> None:
    message = DOCUMENT["components"]["messages"][MailReceived.TYPE]
    on_wire = set(encode(MAIL).headers)
    assert set(message["headers"]["required"]) <= on_wire <= set(message["headers"]["properties"])
    assert message["contentType"] == "message/rfc822"


def test_the_headers_of_other_messages_are_those_on_the_wire() -> None:
    message = DOCUMENT["components"]["messages"][AccountTest.TYPE]
    wire = encode(envelop(AccountTest(account="ops"), source="x", now=datetime(2026, 1, 1, tzinfo=UTC)))
    assert set(message["headers"]["required"]) <= set(wire.headers) <= set(message["headers"]["properties"])
    assert message["headers"]["properties"][PREFIX + "type"] == {"const": "postroom.account.test.v1"}
    assert message["contentType"] == JSON
