"""One set of store tests, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.store import Store
from tests.tables import migrate


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty file, or of a database of PostgreSQL with all tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/store.sqlite3"
    url: str = request.getfixturevalue("postgresql_store")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store with all tables."""
    store = Store(store_url)
    migrate(store)
    yield store
    store.close()
