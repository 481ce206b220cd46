"""Which queues of webhooks and campaigns were declared, and what they may be bound to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from postroom.store.engine import upsert
from postroom.store.schema import event_queues, outbox
from postroom.topology import COMMANDS, Binding


@dataclass(frozen=True)
class Declared:
    """A work queue, and what it may be bound to.

    `is_bound`: it is, to all of that and nothing else. `retired_at`: since when nobody asks for it any more.
    """

    bindings: frozenset[Binding]
    is_bound: bool = True
    retired_at: datetime | None = None


def read(connection: Connection) -> dict[str, Declared]:
    """All of them, by the name of the work queue."""
    return {
        row.name: Declared(frozenset(Binding(*each) for each in row.bindings), row.is_bound, row.retired_at)
        for row in connection.execute(select(event_queues).order_by(event_queues.c.name))
    }


def write(connection: Connection, queues: Mapping[str, Declared]) -> None:
    """Note these."""
    rows = [
        {
            "name": name,
            "bindings": sorted([each.exchange, each.routing_key] for each in queue.bindings),
            "is_bound": queue.is_bound,
            "retired_at": queue.retired_at,
        }
        for name, queue in queues.items()
    ]
    upsert(connection, event_queues, rows, update=("bindings", "is_bound", "retired_at"))


def forget(connection: Connection, names: Iterable[str]) -> None:
    """These are no more."""
    connection.execute(delete(event_queues).where(event_queues.c.name.in_(list(names))))


def is_awaited(connection: Connection, name: str) -> bool:
    """Whether a message waits in an outbox for this queue to be there."""
    query = select(outbox.c.seq).where(outbox.c.exchange == COMMANDS, outbox.c.routing_key == name).limit(1)
    return connection.execute(query).first() is not None
