"""One set of store tests, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.store import Store
from postroom.store.migrate import migrate


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
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
    """A store with all tables."""
    migrate(empty_store)
    return empty_store
