"""An inbox on SQLite and on PostgreSQL: the processor's handler, and people who look and act."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.store import Store
from tests.accounts import keep_accounts
from tests.integration.inbox.desk import ACCOUNTS, Desk
from tests.tables import migrate


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_store")
    store = Store(url)
    migrate(store)
    keep_accounts(store, ACCOUNTS)
    yield Desk(store, url, tmp_path)
    store.close()
