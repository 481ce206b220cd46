"""A publisher that notes what it gets, and messages to give it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from postroom.broker.publisher import Outgoing, PublishFailed, PublishResult
from postroom.envelope import Wire
from postroom.errors import Transient


def message(message_id: str, body: bytes = b"{}") -> Outgoing:
    """A message with headers of every kind there is."""
    headers = {"cloudEvents_id": message_id, "cloudEvents_uid": 2**32, "cloudEvents_truncated": False}
    wire = Wire(message_id, headers, body, "application/json", "journey")
    return Outgoing(wire, "postroom.events", "some.key", must_route=False)


class Recorder:
    """Takes everything but what it is told to refuse; can be away."""

    def __init__(self, refused: Collection[str] = ()) -> None:
        self.published: list[Outgoing] = []
        self.refused = set(refused)
        self.away = False
        self._lock = threading.Lock()

    @property
    def ids(self) -> list[str]:
        """The ids of what was published, in order."""
        return [each.wire.message_id for each in self.published]

    def publish(self, messages: Sequence[Outgoing]) -> PublishResult:
        """Note the messages."""
        if self.away:
            raise Transient("the broker is away")
        with self._lock:
            self.published += [each for each in messages if each.wire.message_id not in self.refused]
        failed = tuple((each, "no queue") for each in messages if each.wire.message_id in self.refused)
        if failed:
            raise PublishFailed(failed)
        return PublishResult(unheard=0)
