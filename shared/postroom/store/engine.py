"""Transactions on SQLite and PostgreSQL, the same for both."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.dml import Insert, ReturningInsert

from postroom.errors import Misconfigured, Permanent, Transient
from postroom.store.many import execute_many, insert_returning

_READ_ONLY = "postroom_read_only"
_SQLITE_PRAGMAS = (
    "PRAGMA busy_timeout=30000",  # first, since the change to WAL takes a lock
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA cache_size=-16000",
)


_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
# A server that is gone without a word (no RST) must be an error in bounded time (libpq's settings).
_PG_TIMEOUTS = {
    "connect_timeout": "10",
    "tcp_user_timeout": "30000",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}

# PostgreSQL: serialization failure, deadlock, and the server going down or coming up.
_TRY_AGAIN = ("40001", "40P01", "57P01", "57P02", "57P03")


class Store:
    """A database with Postroom's tables. Threads may share it; processes open their own."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(_parsed(url))

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; committed at the end, rolled back on an error.

        Raises:
            Transient: the database is away, busy, or chose this transaction as a deadlock's victim.
            Permanent: a statement was refused; this is a fault of ours or of the data.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise translated(error) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads and blocks nobody. Raises as `write`."""
        try:
            with self.engine.connect().execution_options(**{_READ_ONLY: True}) as connection:
                yield connection
                connection.rollback()
        except SQLAlchemyError as error:
            raise translated(error) from error

    def check(self) -> None:
        """Raises Transient unless the database answers."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def insert_all(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows, none of which is there."""
    execute_many(connection, _insertion(table), rows)


def insert_new(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], *, key: str | None = None
) -> set[Any]:
    """Insert the rows whose primary or unique key is new; returns the `key` values of those inserted.

    Without `key` nothing is returned: that is faster where nobody asks.
    """
    if not rows:
        return set()
    dialect = connection.dialect.name
    if key is None:
        execute_many(connection, _new_insertion(table, dialect), rows)
        return set()
    return insert_returning(connection, _returning_insertion(table, dialect, key), rows)


@cache
def _insertion(table: Table) -> Insert:
    return table.insert()


@cache
def _new_insertion(table: Table, dialect: str) -> Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()


@cache
def _returning_insertion(table: Table, dialect: str, key: str) -> ReturningInsert[Any]:
    return _new_insertion(table, dialect).returning(table.c[key])


def upsert(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], *, update: Sequence[str]
) -> None:
    """Insert the rows; where the primary key exists, set the `update` columns to the new values."""
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in update},
        ),
        list(rows),
    )


def translated(error: SQLAlchemyError) -> Transient | Permanent:
    """A database error as one of ours. Parameters are left out: they may hold mail."""
    original = getattr(error, "orig", None)
    first_line = next(iter(str(original or error).splitlines()), "")
    sentence = f"{type(error).__name__}: {first_line[:300]}"
    if isinstance(error, OperationalError | PoolTimeout) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    ):
        return Transient(f"the database does not answer: {sentence}")
    if _is_race(original):
        return Transient(f"another transaction wrote the same row first: {sentence}")
    if getattr(original, "sqlstate", None) in _TRY_AGAIN:
        return Transient(f"the database asks to try again: {sentence}")
    return Permanent(f"the database refused: {sentence}")


def _is_race(original: BaseException | None) -> bool:
    """Whether a unique key was violated: tried again, the transaction sees the other's row."""
    return getattr(original, "sqlstate", None) == "23505" or getattr(original, "sqlite_errorname", None) in (
        "SQLITE_CONSTRAINT_UNIQUE",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
    )


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise Misconfigured(
            "store_url",
            "the store's URL is malformed: expected postgresql+psycopg://user:password@host:port/database "
            "or sqlite:///path",
        ) from error
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise Misconfigured(
            "store_url", f"the store's URL: {parsed.drivername} is not supported; sqlite and postgresql are"
        )
    return parsed.set(drivername=driver)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return create_engine(
            url,
            pool_pre_ping=True,
            pool_size=5,
            max_overflow=10,
            hide_parameters=True,
            connect_args={name: value for name, value in _PG_TIMEOUTS.items() if name not in url.query},
        )
    if not url.database or url.database == ":memory:":
        raise Misconfigured("store_url", "the store's URL names no file: expected sqlite:///path")
    folder = Path(url.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            "store_url", f"the store's folder {folder} cannot be made: {error.strerror}"
        ) from error
    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Python's own transaction control would begin deferred, which fails at once under a concurrent writer.
    connection.isolation_level = None
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
