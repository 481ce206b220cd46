"""RabbitMQ definitions for import at broker start (pure)."""

from collections.abc import Mapping
from typing import Any

from postroom.topology import Topology


def definitions(topology: Topology, vhost: str, users: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The definitions document. `users`: password hash by user."""
    raise NotImplementedError
