"""Brings a database to the schema of this version (Alembic)."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from postroom.errors import Misconfigured
from postroom.store.engine import Store

_LOCK = 0x706F7374  # an arbitrary number, the same for all: two jobs at once wait for each other


def migrate(store: Store) -> None:
    """Apply every migration that is missing; nothing happens if none is.

    Raises:
        Misconfigured: the database has the schema of a newer version.
        Transient, Permanent: as `Store.write`.
    """
    with store.write() as connection:
        if not store.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        _refuse_unknown(_found(connection))
        command.upgrade(_config(connection), "head")


def check_schema(store: Store) -> None:
    """Raises Misconfigured unless the database has exactly the schema of this version."""
    head = _revisions()[0]
    with store.read() as connection:
        found = _found(connection)
    _refuse_unknown(found)
    if found != head:
        raise Misconfigured(
            "schema",
            f"the database has schema {found or 'none'}, this version needs {head}: run `postroom migrate`",
        )


@cache
def _revisions() -> tuple[str, ...]:
    """Every schema that this version knows, the newest first. Read once: that takes longer than a query."""
    scripts = ScriptDirectory.from_config(_config(None))
    return tuple(script.revision for script in scripts.walk_revisions())


def _found(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_unknown(found: str | None) -> None:
    if found is not None and found not in _revisions():
        raise Misconfigured(
            "schema",
            f"the database has schema {found}, which this version does not know: it was migrated by a newer "
            "version of Postroom, run that one",
        )


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
