"""`postroom migrate`: bring the store to this version's schema."""

import click

from postroom.settings import Settings, read_settings
from postroom.store.engine import Store
from postroom.store.migrate import migrate as migrate_store


@click.command("migrate")
def migrate() -> None:
    """Bring the store (SQLite or PostgreSQL) to the schema of this version; harmless to repeat."""
    migrate_settings(read_settings())
    click.echo("the store has the schema of this version")


def migrate_settings(settings: Settings) -> None:
    """Migrate the store of the settings."""
    store = Store(settings.store)
    try:
        migrate_store(store)
    finally:
        store.close()
