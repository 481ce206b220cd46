"""Fixtures of the sender's tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postroom.accounts_watch import AccountsLoop
from postroom.service import Parts
from postroom.store import Store
from tests.integration.sender.sendroom import Post, Sendroom, entry, open_sendroom
from tests.servers.certificates import Authority
from tests.tables import migrate

NUMBERS = itertools.count(1)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of this test's own."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/store" if is_sqlite else request.getfixturevalue("postgresql_store")
    store = Store(url)
    migrate(store)
    yield store
    store.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Sendroom]:
    """A sendroom without accounts and without a running sender."""
    with open_sendroom(tmp_path) as room:
        yield room


@pytest.fixture(scope="package")
def busy_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sendroom, Parts, list[Any]]]:
    """A sendroom whose sender runs through many tests: starting and stopping it takes a second each."""
    with open_sendroom(tmp_path_factory.mktemp("busy")) as room:
        entries = [entry("nothing", 1, enabled=False)]
        room.write_accounts(*entries)
        with room.sender() as parts:
            yield room, parts, entries


@pytest.fixture
def post(busy_room: tuple[Sendroom, Parts, list[Any]]) -> Iterator[Post]:
    """An account of this test's own at the sender that runs all the time."""
    room, parts, entries = busy_room
    accounts = parts.loops["accounts"]
    assert isinstance(accounts, AccountsLoop)
    post = Post(room, f"t{next(NUMBERS)}", accounts, entries)
    yield post
    post.disable()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of these tests' own."""
    return Authority.create(tmp_path_factory.mktemp("authority"))
