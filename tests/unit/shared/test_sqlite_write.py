"""Beginning to write waits for others, closely, and not for ever."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from postroom import sqlite_write
from postroom.errors import Transient
from postroom.sqlite_write import begin_write
from postroom.store import Store


def opened(path: Path) -> sqlite3.Connection:
    """A connection that several threads may use, one after the other."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with one table."""
    with closing(opened(tmp_path / "x.sqlite3")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE line (text)")
    return tmp_path / "x.sqlite3"


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody who is writing."""
    with closing(opened(path)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield database


def waiting_ms(database: sqlite3.Connection) -> int:
    """For how long its other statements wait for a lock."""
    return int(database.execute("PRAGMA busy_timeout").fetchone()[0])


def test_a_writer_waits_until_the_other_one_is_done(path: Path, other: sqlite3.Connection) -> None:
    other.execute("INSERT INTO line VALUES ('first')")
    with closing(opened(path)) as mine:
        begun = threading.Event()

        def write() -> None:
            begin_write(mine)
            begun.set()
            mine.execute("INSERT INTO line VALUES ('second')")
            mine.execute("COMMIT")

        thread = threading.Thread(target=write)
        thread.start()
        assert not begun.wait(0.05)
        other.execute("COMMIT")
        thread.join(10)
        assert [row[0] for row in mine.execute("SELECT text FROM line")] == ["first", "second"]
        assert waiting_ms(mine) == sqlite_write.BUSY_TIMEOUT_S * 1000


def test_a_file_that_stays_locked_is_an_error(
    path: Path, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_write, "BUSY_TIMEOUT_S", 0.05)
    with closing(opened(path)) as mine, pytest.raises(sqlite3.OperationalError, match="locked"):
        begin_write(mine)
    with (
        closing(Store(f"sqlite:///{path}")) as store,
        pytest.raises(Transient, match=r"does not answer.*locked"),
        store.write(),
    ):
        pytest.fail("it writes beside another one")
    assert other.in_transaction


def test_a_file_that_is_no_database_is_no_reason_to_wait(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_bytes(b"no database" * 1000)
    with closing(opened(tmp_path / "x.sqlite3")) as database, pytest.raises(sqlite3.DatabaseError):
        begin_write(database)
