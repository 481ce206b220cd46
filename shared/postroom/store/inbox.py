"""The idempotent receiver: which messages have had their effect already."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete

from postroom.store.engine import insert_new
from postroom.store.schema import inbox


def take_new(connection: Connection, service: str, message_ids: Sequence[str], now: datetime) -> set[str]:
    """Record the ids in this transaction; returns those that were new. The others had their effect before."""
    rows = [
        {"service": service, "message_id": message_id, "handled_at": now}
        # In one order, so that two transactions with the same messages wait for each other and never both.
        for message_id in sorted(set(message_ids))
    ]
    return insert_new(connection, inbox, rows, key="message_id")


def forget_before(connection: Connection, service: str, moment: datetime) -> int:
    """Remove ids that were handled before a time; returns how many."""
    condition = (inbox.c.service == service) & (inbox.c.handled_at < moment)
    return connection.execute(delete(inbox).where(condition)).rowcount
