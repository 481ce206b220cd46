"""An event as an HTTP request: CloudEvents 1.0 in binary mode (pure).

CloudEvents HTTP binding 1.0.2, section 3.1: attributes are headers `ce-…`, the data is the body.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from postroom.envelope import JSON, PREFIX, Envelope, Wire, encode
from postroom.messages import Message

SOURCE = "/postroom/notifier"
TEST_TYPE = "postroom.webhook.test.v1"
# Section 3.1.3.2: what is no printable ASCII, and space, quote and percent, is percent-encoded.
_AS_IT_IS = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
_WRITTEN_BY_PEOPLE = ("text", "comment", "understood")


@dataclass(frozen=True)
class Posted:
    """What is posted. `id`: the same each time the event is."""

    id: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def request(envelope: Envelope[Any], wire: Wire, *, confidential: bool) -> Posted:
    """The event as it came; of a confidential account without what people wrote."""
    if confidential:
        content = _stripped(envelope.message)
        stripped = envelope.message.model_validate(content)
        if stripped != envelope.message:
            wire = encode(Envelope(**{**vars(envelope), "message": stripped}))
    attributes = {
        name.removeprefix(PREFIX): value for name, value in wire.headers.items() if name.startswith(PREFIX)
    }
    return _posted(attributes, wire.content_type, wire.body)


def test_request(webhook: str, event_id: str, now: datetime) -> Posted:
    """An event that says nothing but that it can be heard."""
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "type": TEST_TYPE,
        "source": SOURCE,
        "time": now.isoformat(),
    }
    return _posted(attributes, JSON, json.dumps({"webhook": webhook}).encode())


test_request.__test__ = False  # type: ignore[attr-defined]  # pytest takes functions of this name for tests


def _posted(attributes: Mapping[str, Any], content_type: str, body: bytes) -> Posted:
    written = {name: quote(_text(value), safe=_AS_IT_IS) for name, value in attributes.items()}
    headers = {"content-type": content_type, **{f"ce-{name}": value for name, value in written.items()}}
    return Posted(written["id"], headers, body)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stripped(message: Message) -> dict[str, Any]:
    content: dict[str, Any] = _without_words(message.model_dump())
    # The subject of a request is its program's; that of a mail its author's.
    if message.TYPE.startswith("mail.") and "subject" in content:
        content["subject"] = ""
    return content


def _without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: "" if name in _WRITTEN_BY_PEOPLE else _without_words(each) for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_words(each) for each in value]
    return value
