"""Brings a database to the schema of this version (Alembic)."""

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
    """Apply every migration that is missing; nothing happens if none is."""
    with store.write() as connection:
        if not store.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        command.upgrade(_config(connection), "head")


def check_schema(store: Store) -> None:
    """Raises Misconfigured unless the database has exactly the schema of this version."""
    head = ScriptDirectory.from_config(_config(None)).get_current_head()
    with store.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != head:
        raise Misconfigured(
            "schema",
            f"the database has schema {found or 'none'}, this version needs {head}: run `postroom migrate`",
        )


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
