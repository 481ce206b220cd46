"""Migrations make exactly the tables that the code knows, however often and by however many they are run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from postroom.errors import Misconfigured
from postroom.store import Store
from postroom.store.migrate import check_schema, migrate
from postroom.store.schema import metadata
from tests.integration.store.processes import finish, start


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/store.sqlite3"
    url: str = request.getfixturevalue("postgresql_database")
    return url


@pytest.fixture
def empty_store(store_url: str) -> Iterator[Store]:
    """A store without tables."""
    store = Store(store_url)
    yield store
    store.close()


@pytest.fixture
def store(empty_store: Store) -> Store:
    """A store on which the migrations have run, one by one."""
    migrate(empty_store)
    return empty_store


def test_the_migrations_make_exactly_the_tables_of_the_schema(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_every_constraint_and_index_is_there(store: Store) -> None:
    found = inspect(store.engine)
    for table in metadata.tables.values():
        key = found.get_pk_constraint(table.name)["constrained_columns"]
        assert key == [column.name for column in table.primary_key.columns]
        indexes = {tuple(index["column_names"]) for index in found.get_indexes(table.name)}
        assert {tuple(column.name for column in index.columns) for index in table.indexes} <= indexes


def test_a_second_migration_changes_nothing(store: Store) -> None:
    migrate(store)
    check_schema(store)


def test_several_processes_may_migrate_at_once(empty_store: Store, store_url: str) -> None:
    assert finish(*(start("migrate_now", store_url) for _ in range(3))) == [(0, "")] * 3
    check_schema(empty_store)


def test_a_database_without_tables_is_refused_with_the_remedy(empty_store: Store) -> None:
    with pytest.raises(
        Misconfigured, match=r"has schema none, this version needs \w+: run `postroom migrate`"
    ):
        check_schema(empty_store)


@pytest.mark.parametrize("step", [check_schema, migrate])
def test_a_database_of_a_newer_version_is_left_alone(store: Store, step: object) -> None:
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert callable(step)
    with pytest.raises(Misconfigured, match=r"has schema 9999, which this version does not know"):
        step(store)
