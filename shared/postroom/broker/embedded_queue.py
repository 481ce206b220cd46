"""The embedded broker's operations on its file: declare, put, lease, settle, expire, reap.

Each public method is one transaction at most. A message is leased by writing the session into its row; it is
gone when row and body are deleted. Nothing about messages is kept in memory only.
"""

import json
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postroom.broker.embedded_routing import NoExchange, Routes
from postroom.broker.embedded_schema import open_database
from postroom.broker.embedded_session import LEASE_S, Session, is_over, machine, own_start_mark
from postroom.broker.embedded_watch import tell
from postroom.topology import DELIVERY_LIMIT

logger = logging.getLogger(__name__)

MOVE_LIMIT = 500
UNROUTABLE_RETRY_S = 30.0


class SessionLost(Exception):
    """Others took this session for dead and gave its messages away."""


class NoQueue(LookupError):
    """The queue does not exist; the text is its name."""


class OtherArguments(Exception):
    """The queue or exchange exists with other arguments."""


@dataclass(frozen=True)
class Put:
    """A message to publish; `properties` are those of AMQP, with the headers in `application_headers`."""

    exchange: str
    routing_key: str
    properties: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Leased:
    """A message of this session. `deliveries` counts this one too."""

    queue: int
    id: int
    deliveries: int
    exchange: str
    routing_key: str
    properties: str
    content: bytes = field(repr=False)


Place = tuple[int, int]
"""Queue id and message id."""


class BrokerFile:
    """One session on the broker's file. Not for two threads at a time."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._database = open_database(path)
        self._routes: tuple[int, Routes] | None = None
        self._limits: dict[int, int] = {}
        self._here = machine()
        self._name = name
        with self._transaction():
            self.session = self._insert_session()
        self.reap()

    def close(self) -> None:
        """End the session: what it leased goes back, what it owned is deleted."""
        try:
            with self._telling():
                self._end_session(self.session)
        finally:
            self._database.close()

    def changes(self) -> int:
        """A number that changes with somebody else's commit; cheap enough for forty times a second."""
        row: tuple[int] = self._database.execute("PRAGMA data_version").fetchone()
        return row[0]

    # Declaring

    def declare_exchange(self, name: str, kind: str) -> None:
        """Make the exchange.

        Raises:
            OtherArguments: It is there with another kind.
        """
        with self._transaction():
            there = self._kind(name)
            if there is not None and there != kind:
                raise OtherArguments(f"exchange {name!r} is of type {there}, not {kind}")
            self._database.execute("INSERT OR IGNORE INTO exchange VALUES (?, ?)", (name, kind))
            self._rerouted()

    def has_exchange(self, name: str) -> bool:
        """Whether the exchange is there."""
        return self._kind(name) is not None

    def delete_exchange(self, name: str) -> None:
        """Delete the exchange and its bindings."""
        with self._transaction():
            self._database.execute("DELETE FROM exchange WHERE name = ?", (name,))
            self._database.execute("DELETE FROM binding WHERE exchange = ?", (name,))
            self._rerouted()

    def declare_queue(self, name: str, arguments: Mapping[str, Any], *, temporary: bool) -> None:
        """Make the queue; a temporary one goes with the session.

        Raises:
            OtherArguments: It is there with others.
        """
        written = json.dumps(dict(arguments), sort_keys=True)
        with self._transaction():
            row = self._database.execute("SELECT arguments FROM queue WHERE name = ?", (name,)).fetchone()
            if row is not None:
                if row[0] != written:
                    raise OtherArguments(f"queue {name!r} has the arguments {row[0]}, not {written}")
                return
            self._database.execute(
                "INSERT INTO queue (name, arguments, ttl_ms, dead_exchange, dead_key, owner)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    name,
                    written,
                    arguments.get("x-message-ttl"),
                    arguments.get("x-dead-letter-exchange"),
                    arguments.get("x-dead-letter-routing-key"),
                    self.session if temporary else None,
                ),
            )
            self._rerouted()

    def delete_queue(self, name: str) -> int:
        """Delete the queue with all that is in it; returns how many messages that were."""
        with self._telling():
            queue = self._find_queue(name)
            return 0 if queue is None else self._drop_queue(queue)

    def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Bind.

        Raises:
            NoQueue, NoExchange: One of them is missing.
        """
        with self._transaction():
            if self._kind(exchange) is None:
                raise NoExchange(exchange)
            self._database.execute(
                "INSERT OR IGNORE INTO binding VALUES (?, ?, ?)",
                (exchange, routing_key, self._known_queue(queue)),
            )
            self._rerouted()

    def unbind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Remove a binding; nothing happens if there is none."""
        with self._transaction():
            self._database.execute(
                "DELETE FROM binding WHERE exchange = ? AND routing_key = ?"
                " AND queue = (SELECT id FROM queue WHERE name = ?)",
                (exchange, routing_key, queue),
            )
            self._rerouted()

    def bindings(self, exchange: str) -> list[tuple[str, str]]:
        """Pairs of routing key and queue name."""
        return self._database.execute(
            "SELECT routing_key, name FROM binding JOIN queue ON queue.id = binding.queue WHERE exchange = ?",
            (exchange,),
        ).fetchall()

    def limit_lengths(self, limits: Iterable[tuple[int, str, int]]) -> None:
        """Set how many messages queues hold: priority, pattern of their names, messages.

        Of the patterns that fit a name the one of the highest priority counts. Beyond the length the oldest
        message leaves its queue, to where the queue sends its dead letters.
        """
        with self._transaction():
            self._database.execute("DELETE FROM queue_limit")
            rows = [(pattern, priority, length) for priority, pattern, length in limits]
            self._database.executemany("INSERT INTO queue_limit VALUES (?, ?, ?)", rows)
            self._rerouted()

    def queue_id(self, name: str) -> int:
        """The queue's id, which a later queue of the same name does not share.

        Raises:
            NoQueue: It is not there.
        """
        return self._known_queue(name)

    def size(self, name: str) -> int:
        """How many messages wait in the queue, without those that are leased.

        Raises:
            NoQueue: It is not there.
        """
        row = self._database.execute(
            "SELECT count(*) FROM message WHERE queue = ? AND session IS NULL", (self._known_queue(name),)
        ).fetchone()
        return int(row[0])

    def peek(self, name: str, after: int, limit: int) -> list[Leased]:
        """The next messages of a queue that are not leased, looked at and left as they are.

        Args:
            name: The queue.
            after: Only messages behind this id; 0 for the first.
            limit: How many at most.

        Raises:
            NoQueue: It is not there.
        """
        rows = self._database.execute(
            "SELECT message.queue, message.id, deliveries, exchange, routing_key, properties, content"
            " FROM message JOIN body ON body.id = message.id"
            " WHERE message.queue = ? AND message.id > ? AND session IS NULL ORDER BY message.id LIMIT ?",
            (self._known_queue(name), after, limit),
        ).fetchall()
        return [Leased(*row) for row in rows]

    def take_out(self, places: Sequence[Place]) -> None:
        """Delete messages that are not leased; those that are gone already, or leased, are left alone."""
        with self._transaction():
            for queue, message in places:
                gone = self._database.execute(
                    "DELETE FROM message WHERE queue = ? AND id = ? AND session IS NULL RETURNING id",
                    (queue, message),
                ).fetchall()
                self._database.executemany("DELETE FROM body WHERE id = ?", gone)

    def purge(self, name: str) -> int:
        """Delete what waits in the queue; returns how many messages that were."""
        with self._transaction():
            rows = self._database.execute(
                "DELETE FROM message WHERE queue = ? AND session IS NULL RETURNING id",
                (self._known_queue(name),),
            ).fetchall()
            self._database.executemany("DELETE FROM body WHERE id = ?", rows)
            return len(rows)

    # Messages

    def put(self, messages: Sequence[Put]) -> list[bool]:
        """Store all messages durably; for each, whether it reached a queue.

        Raises:
            NoExchange: One names an exchange that does not exist; then none is stored.
        """
        with self._telling():
            routes = self._current_routes()
            targets = [routes.targets(each.exchange, each.routing_key) for each in messages]
            self._insert(
                [
                    (message, queue)
                    for message, queues in zip(messages, targets, strict=True)
                    for queue in queues
                ]
            )
        return [bool(queues) for queues in targets]

    def turn(self, settled: Sequence[Place], wanted: Sequence[tuple[int, int]]) -> list[Leased]:
        """Forget settled messages and lease the next ones, in one transaction.

        Args:
            settled: Messages of this session that are done.
            wanted: Queue ids and how many messages of each at most.

        Raises:
            SessionLost: This session's messages were given away; nothing was changed.
        """
        if not settled and not any(self._waiting(queue) for queue, _ in wanted):
            return []
        with self._transaction():
            self._check_session()
            self._database.executemany("DELETE FROM message WHERE queue = ? AND id = ?", settled)
            self._database.executemany("DELETE FROM body WHERE id = ?", [(each,) for _, each in settled])
            rows = [row for queue, limit in wanted for row in self._lease(queue, limit)]
        return [leased for row in rows for leased in self._read(row)]

    def give_back(self, places: Iterable[Place]) -> None:
        """Put leased messages back at their old positions."""
        with self._telling():
            self._check_session()
            self._release("queue = ? AND id = ?", places)

    def dead_letter(self, places: Sequence[Place]) -> None:
        """Move leased messages to their queue's dead-letter exchange; without one they are deleted."""
        with self._telling():
            self._check_session()
            self._move_out(places)

    def beat(self) -> None:
        """Give a sign of life.

        Raises:
            SessionLost: It came too late.
        """
        with self._transaction():
            self._check_session()
            self._database.execute("UPDATE session SET beat_at = ? WHERE id = ?", (time.time(), self.session))

    def next_expiry(self) -> float | None:
        """Wall-clock time when the first message expires."""
        row = self._database.execute(
            "SELECT min(expires_at) FROM message WHERE expires_at IS NOT NULL AND session IS NULL"
        ).fetchone()
        return None if row[0] is None else float(row[0])

    def expire(self) -> int:
        """Move expired messages to where their queues say; returns how many."""
        with self._telling():
            places = self._database.execute(
                "SELECT queue, id FROM message WHERE expires_at <= ? AND session IS NULL"
                " ORDER BY expires_at, id LIMIT ?",
                (time.time(), MOVE_LIMIT),
            ).fetchall()
            self._move_out(places)
        return len(places)

    def reap(self) -> int:
        """End the sessions whose processes are gone; returns how many."""
        over = [each for each in self._sessions() if each.id != self.session and self._is_over(each)]
        if not over:
            return 0
        with self._telling():
            for each in over:
                logger.warning(
                    "a process on the embedded broker is gone, its messages go back",
                    extra={"pid": each.pid, "session": each.id},
                )
                self._end_session(each.id)
        return len(over)

    # Parts of transactions

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """A transaction that makes messages available: other processes hear of it."""
        with self._transaction():
            yield
        tell(self.path)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # A deferred transaction that reads and then writes fails at once beside another writer.
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            # They may have been read inside what is now undone.
            self._routes = None
            raise
        self._database.execute("COMMIT")

    def _insert_session(self) -> int:
        cursor = self._database.execute(
            "INSERT INTO session (name, machine, pid, started, beat_at) VALUES (?, ?, ?, ?, ?)",
            (self._name, self._here, os.getpid(), own_start_mark(), time.time()),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _sessions(self) -> list[Session]:
        rows = self._database.execute("SELECT id, machine, pid, started, beat_at FROM session").fetchall()
        return [Session(*row) for row in rows]

    def _is_over(self, session: Session) -> bool:
        now = time.time()
        # The question about leases is asked only where it matters.
        holds = now - session.beat_at > LEASE_S and self._holds_leases(session.id)
        return is_over(session, here=self._here, now=now, holds_leases=holds)

    def _holds_leases(self, session: int) -> bool:
        query = "SELECT 1 FROM message WHERE session = ? LIMIT 1"
        return self._database.execute(query, (session,)).fetchone() is not None

    def _check_session(self) -> None:
        query = "SELECT 1 FROM session WHERE id = ?"
        if self._database.execute(query, (self.session,)).fetchone() is None:
            raise SessionLost(f"session {self.session} was taken for dead")

    def _end_session(self, session: int) -> None:
        self._release("session = ?", [(session,)])
        owned = self._database.execute("SELECT id FROM queue WHERE owner = ?", (session,)).fetchall()
        for (queue,) in owned:
            self._drop_queue(queue)
        self._database.execute("DELETE FROM session WHERE id = ?", (session,))

    def _release(self, condition: str, parameters: Iterable[tuple[int, ...]]) -> None:
        """Give leased messages back; the net under crash loops takes those that came back too often.

        Not out of a quarantine: who looks into one takes messages and gives them back.
        """
        outside = "queue NOT IN (SELECT id FROM queue WHERE name LIKE '%.dead')"
        for values in parameters:
            crashing = self._database.execute(
                f"SELECT queue, id FROM message WHERE {condition} AND deliveries > ? AND {outside}",  # noqa: S608
                (*values, DELIVERY_LIMIT),
            ).fetchall()
            self._move_out(crashing)
            self._database.execute(f"UPDATE message SET session = NULL WHERE {condition}", values)  # noqa: S608

    def _lease(self, queue: int, limit: int) -> list[tuple[int, int, int]]:
        rows = self._database.execute(
            "UPDATE message SET session = ?, deliveries = deliveries + 1 WHERE queue = ? AND id IN"
            " (SELECT id FROM message WHERE queue = ? AND session IS NULL ORDER BY id LIMIT ?)"
            " RETURNING queue, id, deliveries",
            (self.session, queue, queue, limit),
        ).fetchall()
        return sorted(rows)

    def _read(self, row: tuple[int, int, int]) -> list[Leased]:
        query = "SELECT exchange, routing_key, properties, content FROM body WHERE id = ?"
        # None is there if the queue was deleted in between.
        return [Leased(*row, *body) for body in self._database.execute(query, (row[1],)).fetchall()]

    def _waiting(self, queue: int) -> bool:
        query = "SELECT 1 FROM message WHERE queue = ? AND session IS NULL LIMIT 1"
        return self._database.execute(query, (queue,)).fetchone() is not None

    def _insert(self, messages: Sequence[tuple[Put, int]]) -> None:
        if not messages:
            return
        first = self._next_ids(len(messages))
        expiry = self._expiry_times({queue for _, queue in messages})
        self._database.executemany(
            "INSERT INTO body VALUES (?, ?, ?, ?, ?)",
            [
                (first + index, put.exchange, put.routing_key, put.properties, put.content)
                for index, (put, _) in enumerate(messages)
            ],
        )
        self._database.executemany(
            "INSERT INTO message (queue, id, expires_at) VALUES (?, ?, ?)",
            [(queue, first + index, expiry.get(queue)) for index, (_, queue) in enumerate(messages)],
        )
        self._trim({queue for _, queue in messages})

    def _trim(self, queues: Iterable[int]) -> None:
        """Let the oldest messages leave the queues that hold more than they may."""
        self._current_routes()
        for queue in self._limits.keys() & set(queues):
            waiting = "FROM message WHERE queue = ? AND session IS NULL"
            count = self._database.execute(f"SELECT count(*) {waiting}", (queue,)).fetchone()[0]
            excess = count - self._limits[queue]
            if excess > 0:
                oldest = f"SELECT queue, id {waiting} ORDER BY id LIMIT ?"
                self._move_out(self._database.execute(oldest, (queue, excess)).fetchall())

    def _next_ids(self, count: int) -> int:
        """The first of `count` new message ids."""
        row = self._database.execute(
            "UPDATE broker SET next_message = next_message + ? RETURNING next_message", (count,)
        ).fetchall()[0]
        return int(row[0]) - count

    def _expiry_times(self, queues: set[int]) -> dict[int, float]:
        now = time.time()
        rows = self._database.execute("SELECT id, ttl_ms FROM queue WHERE ttl_ms IS NOT NULL").fetchall()
        return {queue: now + ttl_ms / 1000 for queue, ttl_ms in rows if queue in queues}

    def _move_out(self, places: Sequence[Place]) -> None:
        reached: set[int] = set()
        for queue, message in places:
            dead = self._database.execute(
                "SELECT dead_exchange, dead_key, name FROM queue WHERE id = ?", (queue,)
            ).fetchone()
            targets = self._dead_targets(queue, message, dead)
            if targets is None:
                self._database.execute(
                    "UPDATE message SET session = NULL, expires_at = ? WHERE queue = ? AND id = ?",
                    (time.time() + UNROUTABLE_RETRY_S, queue, message),
                )
                continue
            for target in targets:
                self._copy(message, target)
            reached.update(targets)
            self._database.execute("DELETE FROM message WHERE queue = ? AND id = ?", (queue, message))
            self._database.execute("DELETE FROM body WHERE id = ?", (message,))
        if reached:
            self._trim(reached)

    def _dead_targets(
        self, queue: int, message: int, dead: tuple[str | None, str | None, str]
    ) -> tuple[int, ...] | None:
        """Where a message that leaves its queue goes: maybe nowhere. None: it has to stay."""
        exchange, routing_key, name = dead
        if exchange is None:
            return ()
        if routing_key is None:
            query = "SELECT routing_key FROM body WHERE id = ?"
            routing_key = str(self._database.execute(query, (message,)).fetchone()[0])
        try:
            targets = self._current_routes().targets(exchange, routing_key)
        except NoExchange:
            targets = ()
        if not targets:
            logger.error(
                "a message cannot leave its queue: the dead-letter exchange leads nowhere",
                extra={"queue": name, "exchange": exchange, "routing_key": routing_key},
            )
        return targets or None

    def _copy(self, message: int, target: int) -> None:
        copy = self._next_ids(1)
        self._database.execute(
            "INSERT INTO body SELECT ?, exchange, routing_key, properties, content FROM body WHERE id = ?",
            (copy, message),
        )
        self._database.execute(
            "INSERT INTO message (queue, id, expires_at) VALUES (?, ?, ?)",
            (target, copy, self._expiry_times({target}).get(target)),
        )

    def _kind(self, exchange: str) -> str | None:
        query = "SELECT kind FROM exchange WHERE name = ?"
        row = self._database.execute(query, (exchange,)).fetchone()
        return None if row is None else str(row[0])

    def _find_queue(self, name: str) -> int | None:
        row = self._database.execute("SELECT id FROM queue WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def _known_queue(self, name: str) -> int:
        queue = self._find_queue(name)
        if queue is None:
            raise NoQueue(name)
        return queue

    def _drop_queue(self, queue: int) -> int:
        rows = self._database.execute("DELETE FROM message WHERE queue = ? RETURNING id", (queue,)).fetchall()
        self._database.executemany("DELETE FROM body WHERE id = ?", rows)
        self._database.execute("DELETE FROM binding WHERE queue = ?", (queue,))
        self._database.execute("DELETE FROM queue WHERE id = ?", (queue,))
        self._rerouted()
        return len(rows)

    def _rerouted(self) -> None:
        self._database.execute("UPDATE broker SET routing_version = routing_version + 1")

    def _current_routes(self) -> Routes:
        version = int(self._database.execute("SELECT routing_version FROM broker").fetchone()[0])
        if self._routes is None or self._routes[0] != version:
            self._routes = (version, self._load_routes())
        return self._routes[1]

    def _load_routes(self) -> Routes:
        kinds = dict(self._database.execute("SELECT name, kind FROM exchange").fetchall())
        queues = dict(self._database.execute("SELECT name, id FROM queue").fetchall())
        bindings: dict[str, list[tuple[str, int]]] = {}
        for exchange, routing_key, queue in self._database.execute("SELECT * FROM binding").fetchall():
            bindings.setdefault(exchange, []).append((routing_key, queue))
        self._limits = self._load_limits(queues)
        return Routes(kinds, queues, bindings)

    def _load_limits(self, queues: Mapping[str, int]) -> dict[int, int]:
        query = "SELECT pattern, max_length FROM queue_limit ORDER BY priority DESC, pattern"
        limits = [(re.compile(pattern), length) for pattern, length in self._database.execute(query)]
        found = {}
        for name, queue in queues.items() if limits else ():
            length = next((length for pattern, length in limits if pattern.search(name)), None)
            if length is not None:
                found[queue] = length
        return found
