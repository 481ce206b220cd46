"""A store with one account that signs in with OAuth 2, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from postroom.clock import utc_now
from postroom.secret_box import new_key
from postroom.store import Store
from tests.integration.oauth.office import Office
from tests.servers.oauth import OAuthServer
from tests.tables import migrate


class Clock:
    """The time of day, and what was added to it."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def any_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store of either kind, with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/store.sqlite3"
    url: str = request.getfixturevalue("postgresql_store")
    return url


@pytest.fixture
def any_office(any_store_url: str, oauth_server: OAuthServer) -> Iterator[Office]:
    """An office on a store of either kind."""
    yield from _office(any_store_url, oauth_server)


@pytest.fixture
def office(tmp_path: Path, oauth_server: OAuthServer) -> Iterator[Office]:
    """An office on SQLite."""
    yield from _office(f"sqlite:///{tmp_path}/data/store.sqlite3", oauth_server)


def _office(url: str, server: OAuthServer) -> Iterator[Office]:
    store = Store(url)
    try:
        migrate(store)
        yield Office(store, url, new_key(), server.register())
    finally:
        store.close()
