"""The embedded broker's file: its tables, and opening it."""

import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path

SCHEMA_VERSION = 2
BUSY_TIMEOUT_S = 30.0
_CREATING = threading.Lock()

# Leasing rewrites a message's row, so bodies have a table of their own. Ids are given out in the order of
# publishing and never reused: they are the positions in the queues. `session` is the lease.
SCHEMA = """
CREATE TABLE broker (next_message INTEGER NOT NULL, routing_version INTEGER NOT NULL);
INSERT INTO broker VALUES (1, 1);
CREATE TABLE session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    machine TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started TEXT NOT NULL,
    beat_at REAL NOT NULL
);
CREATE TABLE exchange (name TEXT PRIMARY KEY, kind TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    arguments TEXT NOT NULL,
    ttl_ms INTEGER,
    dead_exchange TEXT,
    dead_key TEXT,
    owner INTEGER
);
CREATE TABLE binding (
    exchange TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    queue INTEGER NOT NULL,
    PRIMARY KEY (exchange, routing_key, queue)
) WITHOUT ROWID;
CREATE TABLE message (
    queue INTEGER NOT NULL,
    id INTEGER NOT NULL,
    session INTEGER,
    deliveries INTEGER NOT NULL DEFAULT 0,
    expires_at REAL,
    PRIMARY KEY (queue, id)
) WITHOUT ROWID;
CREATE INDEX message_leased ON message (session) WHERE session IS NOT NULL;
CREATE INDEX message_expiry ON message (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE body (
    id INTEGER PRIMARY KEY,
    exchange TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    properties TEXT NOT NULL,
    content BLOB NOT NULL
);
"""
LIMITS = """
CREATE TABLE queue_limit (
    pattern TEXT PRIMARY KEY,
    priority INTEGER NOT NULL,
    max_length INTEGER NOT NULL
) WITHOUT ROWID;
"""
_STEPS = (SCHEMA, LIMITS)
"""What each version adds to the one before."""


def open_database(path: Path) -> sqlite3.Connection:
    """A connection to the broker's file, which is made where it is missing (readable by its owner only).

    Raises:
        sqlite3.Error: The file is no database, of another version, or locked for too long.
        OSError: The folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _create(path)
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _create(path: Path) -> None:
    """Make the file, for its owner only, unless it is there.

    A file that is there must not even be opened and closed: that takes away the POSIX locks of every other
    connection of this process, another process then takes itself for the last one and removes the shared
    memory under our feet, and the file is destroyed (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    with _CREATING, suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare(database: sqlite3.Connection) -> None:
    _write_ahead(database)
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA temp_store = MEMORY")
    database.execute("PRAGMA cache_size = -16000")
    database.execute("PRAGMA journal_size_limit = 67108864")
    if _version(database) == SCHEMA_VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    version = _version(database)
    for step in _STEPS[version:] if version < SCHEMA_VERSION else ():
        for statement in step.split(";"):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    database.execute("COMMIT")
    if _version(database) != SCHEMA_VERSION:
        raise sqlite3.DatabaseError(
            f"the broker's file has version {_version(database)}, this program needs {SCHEMA_VERSION}"
        )


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _write_ahead(database: sqlite3.Connection) -> None:
    # Switching a new file to WAL does not wait for others who do the same, whatever the timeout.
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
