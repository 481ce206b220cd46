"""The operator's probe of a broker: independent of kombu."""

from dataclasses import dataclass

from postroom.topology import Topology


@dataclass(frozen=True)
class Check:
    """One result. `ok` is None when the check was skipped; `advice` is empty when nothing has to be done."""

    name: str
    ok: bool | None
    detail: str
    advice: str
    milliseconds: float


def probe(url: str, topology: Topology) -> tuple[Check, ...]:
    """Check the broker stage by stage."""
    raise NotImplementedError
