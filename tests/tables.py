"""Stores with all tables, without going through every migration for each test."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from postroom.errors import Misconfigured
from postroom.store import Store
from postroom.store import migrate as migrations


def migrate(store: Store) -> None:
    """What `postroom.store.migrate.migrate` does; for an empty SQLite file by a copy of one made before.

    A database of PostgreSQL is there with its tables by the fixture `postgresql_store`.
    """
    try:
        migrations.check_schema(store)
    except Misconfigured:
        if store.is_sqlite and _is_empty(store):
            _fill(store)
        else:
            migrations.migrate(store)


def _is_empty(store: Store) -> bool:
    with store.read() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0


def _fill(store: Store) -> None:
    with closing(sqlite3.connect(":memory:")) as copied, closing(store.engine.raw_connection()) as target:
        copied.deserialize(_migrated())
        assert isinstance(target.driver_connection, sqlite3.Connection)
        copied.backup(target.driver_connection)


@cache
def _migrated() -> bytes:
    """A SQLite database with all tables, as `Connection.deserialize` takes it: not in WAL mode."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite3"
        store = Store(f"sqlite:///{path}")
        migrations.migrate(store)
        store.close()
        with closing(sqlite3.connect(path)) as made:
            made.execute("PRAGMA journal_mode=DELETE")
        return path.read_bytes()
