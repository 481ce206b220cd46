"""What is really in a broker, seen without the code under test: pika for RabbitMQ, sqlite3 for the file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pika


@dataclass(frozen=True)
class Seen:
    """A message in a queue."""

    message_id: str
    headers: Mapping[str, Any]
    body: bytes


class Witness(Protocol):
    """Looks into queues and does what strangers do."""

    def depth(self, queue: str) -> int:
        """How many messages are in the queue, leased ones not counted."""

    def look(self, queue: str) -> list[Seen]:
        """Take everything out of the queue."""

    def put(self, queue: str, body: bytes, content_type: str, headers: Mapping[str, Any]) -> None:
        """Publish straight into a queue."""

    def delete(self, queue: str) -> None:
        """Delete a queue."""


@dataclass(frozen=True)
class RabbitWitness:
    """Through pika; each look is a connection of its own."""

    url: str

    def depth(self, queue: str) -> int:
        with closing(self._connection()) as connection:
            found = connection.channel().queue_declare(queue, passive=True)
            return int(found.method.message_count)

    def look(self, queue: str) -> list[Seen]:
        seen: list[Seen] = []
        with closing(self._connection()) as connection:
            channel = connection.channel()
            while True:
                method, properties, body = channel.basic_get(queue, auto_ack=True)
                if method is None or properties is None:
                    return seen
                seen.append(Seen(properties.message_id or "", properties.headers or {}, body or b""))

    def put(self, queue: str, body: bytes, content_type: str, headers: Mapping[str, Any]) -> None:
        with closing(self._connection()) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            properties = pika.BasicProperties(
                content_type=content_type, headers=dict(headers), delivery_mode=2
            )
            channel.basic_publish("", queue, body, properties, mandatory=True)

    def delete(self, queue: str) -> None:
        with closing(self._connection()) as connection:
            connection.channel().queue_delete(queue)

    def _connection(self) -> pika.BlockingConnection:
        return pika.BlockingConnection(pika.URLParameters(self.url))


@dataclass(frozen=True)
class FileWitness:
    """Through sqlite3 on the embedded broker's file."""

    path: Path

    def depth(self, queue: str) -> int:
        with closing(self._open()) as database:
            query = (
                "SELECT count(*) FROM message JOIN queue ON queue.id = queue"
                " WHERE name = ? AND session IS NULL"
            )
            return int(database.execute(query, (queue,)).fetchone()[0])

    def look(self, queue: str) -> list[Seen]:
        with closing(self._open()) as database, database:
            rows = database.execute(
                "SELECT body.id, properties, content FROM body JOIN message ON message.id = body.id"
                " JOIN queue ON queue.id = message.queue WHERE name = ? ORDER BY body.id",
                (queue,),
            ).fetchall()
            database.executemany("DELETE FROM message WHERE id = ?", [row[:1] for row in rows])
            database.executemany("DELETE FROM body WHERE id = ?", [row[:1] for row in rows])
        return [_seen(json.loads(properties), content) for _, properties, content in rows]

    def put(self, queue: str, body: bytes, content_type: str, headers: Mapping[str, Any]) -> None:
        properties = json.dumps({"content_type": content_type, "application_headers": dict(headers)})
        with closing(self._open()) as database, database:
            number = database.execute(
                "UPDATE broker SET next_message = next_message + 1 RETURNING next_message - 1"
            ).fetchall()[0][0]
            database.execute("INSERT INTO body VALUES (?, '', ?, ?, ?)", (number, queue, properties, body))
            database.execute(
                "INSERT INTO message (queue, id) VALUES ((SELECT id FROM queue WHERE name = ?), ?)",
                (queue, number),
            )

    def delete(self, queue: str) -> None:
        with closing(self._open()) as database, database:
            database.execute("DELETE FROM queue WHERE name = ?", (queue,))

    def silence(self) -> None:
        """Make all sessions look as if they had given no sign of life for an hour."""
        with closing(self._open()) as database, database:
            database.execute("UPDATE session SET beat_at = beat_at - 3600")

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10, isolation_level="IMMEDIATE")


def _seen(properties: Mapping[str, Any], content: bytes) -> Seen:
    return Seen(
        properties.get("message_id", ""),
        properties.get("application_headers", {}),
        content,
    )
