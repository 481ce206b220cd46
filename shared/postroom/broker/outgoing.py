"""A message on its way out (pure)."""

from dataclasses import dataclass
from typing import Any

from postroom import topology
from postroom.envelope import Envelope, Wire, encode


@dataclass(frozen=True)
class Outgoing:
    """A message and where it goes. `must_route`: reaching no queue is an error."""

    wire: Wire
    exchange: str
    routing_key: str
    must_route: bool = True


def outgoing(envelope: Envelope[Any], shards: int) -> Outgoing:
    """The envelope, encoded and routed by the topology for that many fetcher shards."""
    route = topology.route(envelope.message, shards)
    return Outgoing(encode(envelope), route.exchange, route.routing_key, route.must_route)
