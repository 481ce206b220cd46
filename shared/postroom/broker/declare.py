"""Making the topology real."""

from dataclasses import dataclass

from postroom.topology import Topology


@dataclass(frozen=True)
class Applied:
    """What was declared, and what was skipped and why (one sentence each)."""

    exchanges: int
    queues: int
    policies: int
    skipped: tuple[str, ...]


def apply(
    url: str, topology: Topology, *, policies: bool = True, management_url: str | None = None
) -> Applied:
    """Declare every exchange, queue and binding (idempotent), and set the policies by the management API."""
    raise NotImplementedError
