"""The probe of the embedded broker, through sqlite3 itself."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from postroom.amount import amount
from postroom.broker.probe import Answer, Check, skipped, timed
from postroom.topology import Queue, Topology

BUSY_TIMEOUT_S = 5.0


def probe_embedded(url: str, topology: Topology) -> tuple[Check, ...]:
    """All checks, in order."""
    path = Path(unquote(urlsplit(url).path))
    rest = ["integrity", *(f"queue {queue.name}" for queue in topology.queues), "round trip"]
    reach = timed("reach", lambda: _reach(path))
    if not reach.ok:
        return (reach, *(skipped(name, "the broker's file cannot be used") for name in rest))
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        return (
            reach,
            timed("integrity", lambda: _integrity(database)),
            *(timed(f"queue {queue.name}", _queue_check(database, queue)) for queue in topology.queues),
            timed("round trip", lambda: _round_trip(database)),
        )
    finally:
        database.close()


def _reach(path: Path) -> Answer:
    if not path.is_file():
        return Answer(False, f"{path} is not there", "apply the topology, which makes it")
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        mode = database.execute("PRAGMA journal_mode").fetchone()[0]
        sessions = database.execute("SELECT count(*) FROM session").fetchone()[0]
    except sqlite3.Error as error:
        return Answer(False, f"{path}: {error}", "is this the broker's file, and may this user read it?")
    finally:
        database.close()
    if mode != "wal":
        return Answer(False, f"the journal mode is {mode}", "it must be wal: is this a network file system?")
    return Answer(True, f"{path}, {amount(sessions, 'connection')}")


def _integrity(database: sqlite3.Connection) -> Answer:
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        return Answer(False, found, "restore the file from a backup")
    return Answer(True, "the file is sound")


def _queue_check(database: sqlite3.Connection, queue: Queue) -> Callable[[], Answer]:
    return lambda: _queue(database, queue)


def _queue(database: sqlite3.Connection, queue: Queue) -> Answer:
    row = database.execute("SELECT id, arguments FROM queue WHERE name = ?", (queue.name,)).fetchone()
    if row is None:
        return Answer(False, "is not there", "apply the topology")
    number, arguments = row
    if json.loads(arguments) != dict(queue.arguments):
        return Answer(
            False,
            f"is there with other arguments: {arguments}",
            "let it run empty, delete it, and apply the topology again",
        )
    query = "SELECT exchange, routing_key FROM binding WHERE queue = ?"
    bound = set(database.execute(query, (number,)).fetchall())
    missing = [each for each in queue.bindings if (each.exchange, each.routing_key) not in bound]
    if missing:
        return Answer(False, f"is not bound to {missing[0].exchange}", "apply the topology")
    count = database.execute("SELECT count(*) FROM message WHERE queue = ?", (number,)).fetchone()[0]
    return Answer(True, amount(count, "message"))


def _round_trip(database: sqlite3.Connection) -> Answer:
    """A message through a queue of its own, each step its own transaction, as the services do."""
    name, body = f"postroom.client.probe-{uuid4()}", uuid4().bytes
    database.execute("BEGIN IMMEDIATE")
    queue = database.execute("INSERT INTO queue (name, arguments) VALUES (?, '{}')", (name,)).lastrowid
    taken = "UPDATE broker SET next_message = next_message + 1 RETURNING next_message"
    message = database.execute(taken).fetchall()[0][0] - 1
    database.execute("INSERT INTO body VALUES (?, '', ?, '{}', ?)", (message, name, body))
    database.execute("INSERT INTO message (queue, id) VALUES (?, ?)", (queue, message))
    database.execute("COMMIT")
    try:
        came = database.execute("SELECT content FROM body WHERE id = ?", (message,)).fetchone()
    finally:
        database.execute("BEGIN IMMEDIATE")
        database.execute("DELETE FROM message WHERE queue = ?", (queue,))
        database.execute("DELETE FROM body WHERE id = ?", (message,))
        database.execute("DELETE FROM queue WHERE id = ?", (queue,))
        database.execute("COMMIT")
    if came is None or came[0] != body:
        return Answer(False, "a stored message did not come back", "check the disk")
    return Answer(True, "stored, read, deleted")
