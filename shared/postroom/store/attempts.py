"""Counts how often a redelivered message was begun and not ended: the consumer's `Attempts` in the store."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select

from postroom.clock import Clock, utc_now
from postroom.store import dead_letters
from postroom.store.engine import Store, insert_new
from postroom.store.schema import attempts


class StoredAttempts:
    """Attempts that survive the worker they are counted for."""

    def __init__(self, store: Store, clock: Clock = utc_now) -> None:
        self._store = store
        self._clock = clock

    def begin(self, message_id: str, queue: str) -> int:
        """Record that a worker begins this message; returns how often that was so far, this one included."""
        key = (attempts.c.queue == queue) & (attempts.c.message_id == message_id)
        row = {"queue": queue, "message_id": message_id, "begun": 0, "last_at": self._clock()}
        with self._store.write() as connection:
            insert_new(connection, attempts, [row])
            connection.execute(
                attempts.update().where(key).values(begun=attempts.c.begun + 1, last_at=self._clock())
            )
            return int(connection.execute(select(attempts.c.begun).where(key)).scalar_one())

    def end(self, message_id: str, queue: str) -> None:
        """Record that the worker survived the message."""
        with self._store.write() as connection:
            connection.execute(
                delete(attempts).where(attempts.c.queue == queue, attempts.c.message_id == message_id)
            )

    def buried(self, message_ids: Sequence[str], queue: str) -> None:
        """Record since when these messages are in the queue's quarantine."""
        with self._store.write() as connection:
            dead_letters.note(connection, queue, message_ids, self._clock())


def forget_before(connection: Connection, moment: datetime) -> int:
    """Remove counts that were last raised before a time (of messages that never ended); returns how many."""
    return connection.execute(delete(attempts).where(attempts.c.last_at < moment)).rowcount
