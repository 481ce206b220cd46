"""Publishing with pipelined confirms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from postroom import topology
from postroom.envelope import Envelope, Wire, encode
from postroom.errors import Transient


@dataclass(frozen=True)
class Outgoing:
    """A message and where it goes. `must_route`: reaching no queue is an error."""

    wire: Wire
    exchange: str
    routing_key: str
    must_route: bool = True


@dataclass(frozen=True)
class PublishResult:
    """`unheard`: how many messages with `must_route=False` reached no queue."""

    unheard: int


class PublishFailed(Transient):
    """Some messages were refused or reached no queue; all others are confirmed."""

    def __init__(self, failed: tuple[tuple[Outgoing, str], ...]) -> None:
        super().__init__(f"{len(failed)} messages were not taken; the first: {failed[0][1]}")
        self.failed = failed


def outgoing(envelope: Envelope[Any], shards: int) -> Outgoing:
    """The envelope, encoded and routed by the topology for that many fetcher shards."""
    route = topology.route(envelope.message, shards)
    return Outgoing(encode(envelope), route.exchange, route.routing_key, route.must_route)


class Publisher:
    """Publishes over one connection of its own; usable from several threads."""

    def __init__(self, url: str, *, name: str, window: int = 200, timeout_s: float = 30.0) -> None:
        raise NotImplementedError

    def publish(self, messages: Sequence[Outgoing]) -> PublishResult:
        """Publish all and return when every one is confirmed."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connection."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
