"""The wire format: CloudEvents 1.0 in AMQP binary mode (pure).

Attributes travel as AMQP headers `cloudEvents_<name>` (CloudEvents AMQP binding 1.0.2, section 3.1.3.1; the
underscore form), `datacontenttype` as the content type, the data as the body. The data is the message as
JSON, except for `mail.received`: there the data are the mail's own bytes, its fields extension attributes.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from postroom.amount import amount
from postroom.errors import Undecodable
from postroom.messages import MESSAGES, MailReceived, Message

PREFIX = "cloudEvents_"
JSON = "application/json"
RFC822 = "message/rfc822"
_TYPE = re.compile(r"postroom\.([a-z_]+\.[a-z_]+)\.v([0-9]{1,6})")
_MAIL_FIELDS = {
    name: name.replace("_", "") for name in MailReceived.model_fields if name not in ("content", "dataref")
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SHOWN_CHARS = 100
_SHOWN_FAULTS = 5
MAX_ATTRIBUTE_CHARS = 200
"""Of ids and their like: they are keys in the store and headers of quarantined messages."""

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Wire:
    """A message as a broker moves it."""

    message_id: str
    headers: Mapping[str, Any]
    body: bytes = field(repr=False)
    content_type: str
    correlation_id: str | None = None


@dataclass(frozen=True)
class Envelope(Generic[M]):
    """A message with what the transport knows about it.

    `id` makes the message the same message when it is repeated; `correlation_id` stays the same along a
    mail's whole journey; `causation_id` is the id of the message that led to this one; `traceparent` is W3C
    Trace Context.
    """

    id: str
    source: str
    time: datetime
    message: M
    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None

    @property
    def type(self) -> str:
        """The CloudEvents type with its version."""
        return event_type(type(self.message))


def event_type(model: type[Message]) -> str:
    """The CloudEvents `type` of a model: `postroom.<type>.v<version>`."""
    return f"postroom.{model.TYPE}.v{model.VERSION}"


def envelop(
    message: M,
    *,
    source: str,
    now: datetime,
    message_id: str | None = None,
    cause: "Envelope[Any] | None" = None,
    correlation_id: str | None = None,
    traceparent: str | None = None,
) -> Envelope[M]:
    """An envelope for a new message, which inherits correlation and trace from its cause."""
    own_id = message_id or str(uuid.uuid4())
    return Envelope(
        id=own_id,
        source=source,
        time=now,
        message=message,
        correlation_id=correlation_id or (cause.correlation_id if cause else own_id),
        causation_id=cause.id if cause else None,
        traceparent=traceparent or (cause.traceparent if cause else None),
    )


def encode(envelope: Envelope[Any]) -> Wire:
    """The envelope as headers and body."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": envelope.id,
        "type": envelope.type,
        "source": envelope.source,
        "time": _written(envelope.time),
        "correlationid": envelope.correlation_id,
        "causationid": envelope.causation_id,
        "traceparent": envelope.traceparent,
    }
    message = envelope.message
    if isinstance(message, MailReceived):
        body, content_type = message.content or b"", RFC822
        attributes["dataref"] = message.dataref
        for name, attribute in _MAIL_FIELDS.items():
            attributes[attribute] = _plain(getattr(message, name))
    else:
        body, content_type = message.model_dump_json().encode(), JSON
    headers = {PREFIX + name: value for name, value in attributes.items() if value is not None}
    return Wire(envelope.id, headers, body, content_type, envelope.correlation_id)


def decode(wire: Wire) -> Envelope[Message]:
    """The envelope in a wire message.

    Raises:
        Undecodable: the message does not follow the contract; the text says where and what is allowed.
    """
    attributes = {
        name.removeprefix(PREFIX): value for name, value in wire.headers.items() if name.startswith(PREFIX)
    }
    model = _model(attributes)
    message = _mail(wire, attributes) if model is MailReceived else _json(wire, model)
    own_id = _required(attributes, "id")
    return Envelope(
        id=own_id,
        source=_required(attributes, "source"),
        time=_moment(_required(attributes, "time")),
        message=message,
        correlation_id=_optional(attributes, "correlationid") or own_id,
        causation_id=_optional(attributes, "causationid"),
        traceparent=_optional(attributes, "traceparent"),
    )


def mail_attributes() -> Mapping[str, str]:
    """The fields of `mail.received` with the CloudEvents attribute that each travels as."""
    return _MAIL_FIELDS


def with_header(wire: Wire, name: str, value: str | int) -> Wire:
    """The wire message with one header more."""
    return replace(wire, headers={**wire.headers, name: value})


def _model(attributes: Mapping[str, Any]) -> type[Message]:
    version = attributes.get("specversion")
    if version != "1.0":
        raise Undecodable(f"specversion is {_shown(version)}: only CloudEvents 1.0 is understood")
    text = _required(attributes, "type")
    match = _TYPE.fullmatch(text)
    model = MESSAGES.get(match.group(1)) if match else None
    if match is None or model is None:
        raise Undecodable(f"type {_shown(text)} is unknown")
    if int(match.group(2)) != model.VERSION:
        raise Undecodable(f"type {_shown(text)}: only version {model.VERSION} is understood")
    return model


def _json(wire: Wire, model: type[Message]) -> Message:
    _check_content_type(wire, model, JSON)
    try:
        return model.model_validate_json(wire.body)
    except ValidationError as error:
        raise Undecodable(f"{model.TYPE}: {explain(error)}") from error


def _mail(wire: Wire, attributes: Mapping[str, Any]) -> Message:
    _check_content_type(wire, MailReceived, RFC822)
    fields = {name: attributes[key] for name, key in _MAIL_FIELDS.items() if key in attributes}
    dataref = attributes.get("dataref")
    try:
        return MailReceived.model_validate(
            {**fields, "content": None if dataref is not None else wire.body, "dataref": dataref}
        )
    except ValidationError as error:
        raise Undecodable(f"mail.received: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """The first faults of a validation in one sentence: field, what is wrong.

    Bounded, since it becomes a header of the quarantined message and a line in the log.
    """
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    sentences = [
        f"{_cut('.'.join(map(str, fault['loc']))) or 'the message'}: {_cut(_said(fault['msg']))}"
        for fault in faults[:_SHOWN_FAULTS]
    ]
    if len(faults) > _SHOWN_FAULTS:
        sentences.append(f"and {amount(len(faults) - _SHOWN_FAULTS, 'more fault')}")
    return "; ".join(sentences)


def _said(text: str) -> str:
    return text.removeprefix("Value error, ")


def _cut(text: str, limit: int = 2 * _SHOWN_CHARS) -> str:
    clean = _CONTROL.sub(" ", text)
    return clean if len(clean) <= limit else f"{clean[:limit]}…"


def _shown(value: object) -> str:
    """What is quoted of a stranger's value in a sentence."""
    return _cut(repr(value[:_SHOWN_CHARS] if isinstance(value, str | bytes) else value), _SHOWN_CHARS + 20)


def _check_content_type(wire: Wire, model: type[Message], expected: str) -> None:
    if str(wire.content_type).partition(";")[0].strip().lower() != expected:
        raise Undecodable(f"content type is {_shown(wire.content_type)}: {model.TYPE} must be {expected}")


def _required(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name)
    if not isinstance(value, str) or not value:
        raise Undecodable(f"attribute {name!r} is missing or no text")
    if len(value) > MAX_ATTRIBUTE_CHARS or _CONTROL.search(value):
        limit = f"at most {MAX_ATTRIBUTE_CHARS} characters and no control characters are allowed"
        raise Undecodable(f"attribute {name!r} is {_shown(value)}: {limit}")
    return value


def _optional(attributes: Mapping[str, Any], name: str) -> str | None:
    return None if attributes.get(name) in (None, "") else _required(attributes, name)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise Undecodable(f"time {_shown(text)} has no offset")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Undecodable(f"time {_shown(text)} is no RFC 3339 timestamp") from error


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _plain(value: object) -> str | int | bool:
    if isinstance(value, datetime):
        return _written(value)
    return value if isinstance(value, str | int | bool) else str(value)
