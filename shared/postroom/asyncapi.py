"""Generates the contract: `python -m postroom.asyncapi docs/reference/asyncapi.json [--check]`.

An AsyncAPI 3.0 document of all channels, operations and messages, and beside it, in `schemas/`, a JSON Schema
(2020-12) for the body of each message. Everything follows from `postroom.messages` and `postroom.topology`;
only who sends what is written down here.
"""

import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from postroom import generated, topology
from postroom.envelope import JSON, MAX_ATTRIBUTE_CHARS, PREFIX, RFC822, event_type, mail_attributes
from postroom.messages import MESSAGES, ApprovalQuery, ApprovalStates, Command, MailReceived, Message

CONTRACT_VERSION = "1.0.0"
CLIENT, FETCHER, PROCESSOR, SENDER, NOTIFIER = "client", "fetcher", "processor", "sender", "notifier"
"""The five that speak: the client is any program that asks, listens, or operates."""

SENT_BY: Mapping[str, tuple[str, ...]] = {
    "approval.request": (CLIENT,),
    "approval.cancel": (CLIENT,),
    "approval.delegate": (CLIENT,),
    "approval.query": (CLIENT,),
    "deny.add": (CLIENT,),
    "deny.remove": (CLIENT,),
    "mail.send": (CLIENT, PROCESSOR, SENDER),
    "bulk.send": (CLIENT,),
    "bulk.accepted": (SENDER,),
    "bulk.refused": (SENDER,),
    "bulk.ended": (SENDER,),
    "mailbox.mark_read": (PROCESSOR,),
    "mailbox.delete": (PROCESSOR,),
    "mailbox.move": (PROCESSOR,),
    "mailbox.append": (SENDER, CLIENT),
    "mailbox.find": (SENDER,),
    "account.test": (CLIENT,),
    "account.folders": (CLIENT,),
    "account.fetch_now": (CLIENT,),
    "mail.received": (FETCHER,),
    "mail.accepted": (PROCESSOR,),
    "mail.denied": (PROCESSOR,),
    "mail.deferred": (PROCESSOR,),
    "mail.held": (PROCESSOR,),
    "mail.quarantined": (PROCESSOR,),
    "mail.ignored": (PROCESSOR,),
    "mail.sent_elsewhere": (PROCESSOR,),
    "mail.sent": (SENDER, PROCESSOR, CLIENT),
    "mail.failed": (SENDER,),
    "mail.uncertain": (SENDER,),
    "mail.bounced": (PROCESSOR,),
    "mailbox.done": (FETCHER,),
    "account.folders_listed": (FETCHER,),
    "approval.requested": (PROCESSOR,),
    "approval.refused": (PROCESSOR,),
    "approval.decided": (PROCESSOR,),
    "approval.voted": (PROCESSOR,),
    "approval.undecided": (PROCESSOR,),
    "approval.changed": (PROCESSOR,),
    "approval.delegated": (PROCESSOR,),
    "approval.escalated": (PROCESSOR,),
    "approval.unclear": (PROCESSOR,),
    "approval.reminded": (PROCESSOR,),
    "approval.expired": (PROCESSOR,),
    "approval.cancelled": (PROCESSOR,),
    "approval.needs_confirmation": (PROCESSOR,),
    "approval.states": (PROCESSOR,),
    "deny.changed": (PROCESSOR,),
    "deny.refused": (PROCESSOR,),
    "account.tested": (FETCHER, SENDER),
    "account.status_changed": (FETCHER, SENDER),
    "accounts.changed": (CLIENT,),
    "webhook.test": (CLIENT,),
    "webhook.tested": (NOTIFIER,),
}

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ANY_SHARD = "{shard}"
_COMMAND_CHANNELS: Mapping[str, tuple[str, str]] = {
    "processorCommands": (topology.PROCESSOR_COMMANDS, PROCESSOR),
    "senderTransactional": (topology.SENDER_TRANSACTIONAL, SENDER),
    "senderBulk": (topology.SENDER_BULK, SENDER),
    "notifierCommands": (topology.NOTIFIER_COMMANDS, NOTIFIER),
    "fetcherCommands": (f"{topology.FETCHER_COMMANDS}.{_ANY_SHARD}", FETCHER),
}
_REPLIES = "clientReplies"
_PARAMETERS: Mapping[str, str] = {
    "shard": "The account's shard: the first 8 bytes of the SHA-256 of its name, big-endian, modulo the "
    "number of shards.",
    "account": "The account's name.",
    "lane": "`replies` for what bears a reply token or references one of our mails, else `inbox`.",
    "client": "What the client calls itself; the queue is its own and passes with it.",
}


def document() -> dict[str, Any]:
    """The AsyncAPI document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Postroom",
            "version": CONTRACT_VERSION,
            "description": "Approvals and mail over AMQP 0-9-1: CloudEvents 1.0 in binary mode. "
            "Attributes are headers, the content type is `datacontenttype`, the body is the data.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": {model.TYPE: _message(model) for model in MESSAGES.values()},
            "schemas": _schemas(),
        },
    }


def schema(model: type[Message]) -> dict[str, Any]:
    """The JSON Schema of a message's body; of `mail.received` that of its fields, which travel as headers."""
    return {
        "$schema": _DIALECT,
        "$id": f"urn:postroom:{model.TYPE}:v{model.VERSION}",
        **model.model_json_schema(mode="validation"),
    }


def files(path: Path) -> dict[Path, str]:
    """Every generated file with its content, for the document at `path`."""
    texts = {path: _written(document())}
    for model in MESSAGES.values():
        texts[path.parent / "schemas" / f"{model.TYPE}.v{model.VERSION}.json"] = _written(schema(model))
    return texts


def _written(content: object) -> str:
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _channels() -> dict[str, Any]:
    channels = {
        key: _channel(address, [model for model in MESSAGES.values() if key in _command_channels(model)])
        for key, (address, _receiver) in _COMMAND_CHANNELS.items()
    }
    for model in MESSAGES.values():
        if not issubclass(model, Command | ApprovalStates):
            channels[model.TYPE] = _channel(_routing_key(model), [model], topology.EVENTS)
    channels[_REPLIES] = _channel("postroom.client.{client}", [ApprovalStates])
    return channels


def _channel(address: str, models: Sequence[type[Message]], exchange: str = "") -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": address,
        "messages": {model.TYPE: {"$ref": f"#/components/messages/{model.TYPE}"} for model in models},
        "bindings": {"amqp": _exchange_binding(exchange) if exchange else _queue_binding(address)},
    }
    parameters = {
        name: {"description": text} for name, text in _PARAMETERS.items() if f"{{{name}}}" in address
    }
    return {**channel, "parameters": parameters} if parameters else channel


def _exchange_binding(name: str) -> dict[str, Any]:
    kind = next(each.kind for each in topology.topology(1).exchanges if each.name == name)
    exchange = {"name": name, "type": kind, "durable": True, "autoDelete": False}
    return {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}


def _queue_binding(name: str) -> dict[str, Any]:
    of_client = name.startswith("postroom.client.")
    queue = {"name": name, "durable": not of_client, "exclusive": of_client, "autoDelete": of_client}
    return {"is": "queue", "queue": queue, "bindingVersion": "0.3.0"}


def _routing_key(model: type[Message]) -> str:
    lane = ".{lane}" if model is MailReceived else ""
    account = ".{account}" if "account" in model.model_fields else ""
    return f"{model.TYPE}{lane}{account}"


def _command_channels(model: type[Message]) -> tuple[str, ...]:
    """The channels of a command: mail.send has one for each lane, the others have one."""
    if not issubclass(model, Command):
        return ()
    queues = topology.command_queues(model)
    addresses = {
        address.removesuffix(f".{_ANY_SHARD}"): key for key, (address, _) in _COMMAND_CHANNELS.items()
    }
    return tuple(addresses[queue] for queue in queues)


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for model in MESSAGES.values():
        for channel, receivers in _ways(model).items():
            for service in SENT_BY[model.TYPE]:
                _add(operations, service, "send", channel, model)
            for service in receivers:
                _add(operations, service, "receive", channel, model)
    query = operations[f"{CLIENT}.send.processorCommands.{ApprovalQuery.TYPE}"]
    query["reply"] = {
        "address": {"location": "$message.payload#/reply_to"},
        "channel": {"$ref": f"#/channels/{_REPLIES}"},
        "messages": [{"$ref": f"#/channels/{_REPLIES}/messages/{ApprovalStates.TYPE}"}],
    }
    return operations


def _ways(model: type[Message]) -> dict[str, tuple[str, ...]]:
    """The channels of a message, each with the services that read from it."""
    if issubclass(model, Command):
        return {channel: (_COMMAND_CHANNELS[channel][1],) for channel in _command_channels(model)}
    if model is ApprovalStates:
        return {_REPLIES: (CLIENT,)}
    return {model.TYPE: (CLIENT, *((PROCESSOR,) if topology.is_heard(model) else ()))}


def _add(operations: dict[str, Any], service: str, action: str, channel: str, model: type[Message]) -> None:
    operations[f"{service}.{action}.{channel}.{model.TYPE}"] = {
        "action": action,
        "channel": {"$ref": f"#/channels/{_pointer(channel)}"},
        "messages": [{"$ref": f"#/channels/{_pointer(channel)}/messages/{_pointer(model.TYPE)}"}],
        "summary": f"The {service} {action}s {model.TYPE}.",
        "tags": [{"name": service}],
    }


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _message(model: type[Message]) -> dict[str, Any]:
    text = inspect.cleandoc(model.__doc__ or "")
    is_mail = model is MailReceived
    return {
        "name": event_type(model),
        "title": model.TYPE,
        "summary": text.splitlines()[0],
        "description": text,
        "contentType": RFC822 if is_mail else JSON,
        "headers": _headers(model),
        "payload": {
            "type": "string",
            "format": "binary",
            "description": "The mail, RFC 5322; empty if dataref.",
        }
        if is_mail
        else {"$ref": f"#/components/schemas/{model.__name__}"},
        "correlationId": {"location": f"$message.header#/{PREFIX}correlationid"},
        "tags": [{"name": "command" if issubclass(model, Command) else "event"}],
    }


def _headers(model: type[Message]) -> dict[str, Any]:
    key = {"type": "string", "minLength": 1, "maxLength": MAX_ATTRIBUTE_CHARS}
    attributes: dict[str, Any] = {
        "specversion": {"const": "1.0"},
        "id": {**key, "description": "The same for a repeat of the same message."},
        "type": {"const": event_type(model)},
        "source": key,
        "time": {"type": "string", "format": "date-time"},
        "correlationid": {**key, "description": "The same along a mail's whole journey; default: the id."},
        "causationid": {**key, "description": "The id of the message that led to this one."},
        "traceparent": {**key, "description": "W3C Trace Context."},
    }
    required = ["specversion", "id", "type", "source", "time"]
    if model is MailReceived:
        own, own_required = _mail_headers()
        attributes.update(own)
        required += own_required
    return {
        "type": "object",
        "properties": {PREFIX + name: described for name, described in attributes.items()},
        "required": sorted(PREFIX + name for name in required),
    }


def _mail_headers() -> tuple[dict[str, Any], list[str]]:
    whole = MailReceived.model_json_schema(mode="validation")
    names = mail_attributes()
    attributes = {attribute: whole["properties"][name] for name, attribute in names.items()}
    attributes["dataref"] = {"type": "string", "description": "Where a large mail lies in the spool."}
    return attributes, [names[name] for name in whole["required"] if name in names]


def _schemas() -> dict[str, Any]:
    models = [(model, "validation") for model in MESSAGES.values() if model is not MailReceived]
    _, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


def main(arguments: Sequence[str]) -> int:
    """Write or check the files; returns the exit code."""
    path = generated.target("postroom.asyncapi", arguments)
    texts = files(path)
    obsolete = [found for found in (path.parent / "schemas").glob("*.json") if found not in texts]
    return generated.run(arguments, texts, obsolete)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
