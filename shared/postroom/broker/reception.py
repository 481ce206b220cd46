"""A message as it came from the broker, before it is understood (pure)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postroom.envelope import PREFIX, Wire

DELIVERY_COUNT = "x-delivery-count"
ATTEMPT = "x-postroom-attempt"
MAX_ID_BYTES = 255
"""Of the property message-id (AMQP 0-9-1, a short string): with a longer id nothing can be published anew."""


@dataclass(frozen=True)
class Taken:
    """A message with its delivery tag. `fault` says why it cannot even be a wire message."""

    queue: str
    tag: int
    wire: Wire
    redelivered: bool
    attempt: int
    fault: str = ""


def receive(raw: Any, queue: str) -> Taken:
    """Read what py-amqp or the embedded broker delivered; nothing raises, whatever a stranger published."""
    properties: Mapping[str, Any] = raw.properties
    headers = properties.get("application_headers") or {}
    body, fault = _bytes(raw.body)
    if not isinstance(headers, dict):
        headers, fault = {}, f"the headers are {type(headers).__name__}, not a table"
    wire = Wire(
        message_id=_message_id(properties, headers, body),
        headers=headers,
        body=body,
        content_type=_text(properties.get("content_type")),
        correlation_id=_text(properties.get("correlation_id")) or None,
    )
    count = headers.get(DELIVERY_COUNT)
    redelivered = bool(raw.delivery_info.get("redelivered")) or (isinstance(count, int) and count > 0)
    return Taken(queue, raw.delivery_info["delivery_tag"], wire, redelivered, _attempt(headers), fault)


def _bytes(body: object) -> tuple[bytes, str]:
    if isinstance(body, bytes):
        return body, ""
    if isinstance(body, bytearray | memoryview):
        return bytes(body), ""
    # py-amqp has an empty text for an empty body.
    return (b"", "") if body == "" else (str(body).encode(errors="replace"), "the body is no bytes")


def _message_id(properties: Mapping[str, Any], headers: Mapping[str, Any], body: bytes) -> str:
    for name in (properties.get("message_id"), headers.get(PREFIX + "id")):
        if isinstance(name, str) and name and len(name.encode(errors="replace")) <= MAX_ID_BYTES:
            return name
    return "sha256:" + hashlib.sha256(body).hexdigest()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _attempt(headers: Mapping[str, Any]) -> int:
    attempt = headers.get(ATTEMPT)
    return attempt if isinstance(attempt, int) and attempt > 0 else 1
