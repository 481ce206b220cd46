"""Transactions do what they say, on both databases and with several writers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from postroom.errors import Misconfigured, Permanent, Transient
from postroom.store import Store
from postroom.store.engine import insert_new, upsert
from postroom.store.schema import inbox, windows
from tests.integration.store.processes import finish, start

NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)


def window(account: str, used: int) -> dict[str, object]:
    return {"account": account, "started_at": NOW, "used": used}


def used(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return {row.account: row.used for row in connection.execute(select(windows))}


def test_an_error_takes_everything_back(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as connection:
        insert_new(connection, windows, [window("a", 1)])
        raise ZeroDivisionError
    assert used(store) == {}


def test_insert_new_returns_the_new_keys_and_leaves_the_old_rows(store: Store) -> None:
    with store.write() as connection:
        assert insert_new(connection, windows, [window("a", 1), window("b", 1)], key="account") == {"a", "b"}
    with store.write() as connection:
        rows = [window("b", 2), window("c", 2), window("c", 3), window("d", 2)]
        assert insert_new(connection, windows, rows, key="account") == {"c", "d"}
        assert insert_new(connection, windows, rows, key="account") == set()
        assert insert_new(connection, windows, [], key="account") == set()
        assert insert_new(connection, windows, [window("e", 1), window("e", 2)]) == set()
    assert used(store) == {"a": 1, "b": 1, "c": 2, "d": 2, "e": 1}


def test_insert_new_takes_thousands_of_rows(store: Store) -> None:
    rows = [window(str(number % 4000), number) for number in range(5000)]
    with store.write() as connection:
        assert len(insert_new(connection, windows, rows, key="account")) == 4000
    assert len(used(store)) == 4000


def test_upsert_changes_the_named_columns_of_what_is_there(store: Store) -> None:
    with store.write() as connection:
        upsert(connection, windows, [window("a", 1), window("b", 1)], update=["used"])
        later = {**window("a", 5), "started_at": NOW + timedelta(hours=1)}
        upsert(connection, windows, [later, window("c", 5)], update=["used"])
        upsert(connection, windows, [], update=["used"])
    assert used(store) == {"a": 5, "b": 1, "c": 5}
    with store.read() as connection:
        assert connection.execute(select(windows.c.started_at).distinct()).scalars().all() == [NOW]


def test_times_come_back_aware_and_the_same(store: Store) -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    with store.write() as connection:
        connection.execute(insert(windows), [{"account": "a", "started_at": east, "used": 1}])
        moment = connection.execute(select(windows.c.started_at)).scalar_one()
    assert moment == NOW
    assert moment.tzinfo is UTC


def test_a_time_without_an_offset_is_refused(store: Store) -> None:
    row = {"account": "a", "started_at": NOW.replace(tzinfo=None), "used": 1}
    with pytest.raises(Permanent, match="a time without an offset"), store.write() as connection:
        connection.execute(insert(windows), [row])


def test_a_refused_statement_is_permanent_and_shows_no_values(store: Store) -> None:
    with pytest.raises(Permanent, match="the database refused") as refusal, store.write() as connection:
        connection.execute(insert(windows), [{"account": "secret-account", "started_at": NOW, "used": None}])
    assert "secret-account" not in str(refusal.value)


def test_a_key_that_another_transaction_wrote_first_is_worth_another_try(store: Store) -> None:
    with pytest.raises(Transient, match="wrote the same row first"), store.write() as connection:
        connection.execute(insert(windows), [window("a", 1)])
        connection.execute(insert(windows), [window("a", 2)])


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    with store.write() as connection:
        insert_new(connection, windows, [window("a", 1)])
        assert used(store) == {}
        store.check()
    assert used(store) == {"a": 1}


def test_concurrent_processes_lose_no_write(store: Store, store_url: str) -> None:
    with store.write() as connection:
        insert_new(connection, windows, [window("ops", 0)])
    assert finish(*(start("count_up", store_url, "50") for _ in range(3))) == [(0, "")] * 3
    assert used(store) == {"ops": 150}


def test_a_read_before_a_write_never_finds_the_database_locked(store: Store) -> None:
    everyone_is_here = threading.Barrier(4)

    def work(number: int) -> None:
        everyone_is_here.wait(30)
        for turn in range(40):
            with store.write() as connection:
                connection.execute(select(windows.c.used)).all()
                insert_new(connection, windows, [window(f"{number}-{turn}", 1)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(used(store)) == 160


def test_several_processes_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.sqlite3"
    assert finish(*(start("migrate_now", url) for _ in range(3))) == [(0, "")] * 3


def test_sqlite_is_as_durable_as_the_design_says(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.sqlite3")
    with store.read() as connection:
        found = [
            connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")
        ]
    store.close()
    assert found == ["wal", 2]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "the store's URL is malformed: expected postgresql+psycopg://user:password@host:port/database"),
        ("postgresql+psycopg://u:pa55word@h:abc/db", "the store's URL is malformed"),
        ("mysql://u:pa55word@h/db", "the store's URL: mysql is not supported; sqlite and postgresql are"),
        ("postgresql+asyncpg://u:pa55word@h/db", "the store's URL: postgresql+asyncpg is not supported"),
        ("sqlite://", "the store's URL names no file: expected sqlite:///path"),
        (
            "sqlite:////dev/null/x/store.sqlite3",
            "the store's folder /dev/null/x cannot be made: Not a directory",
        ),
    ],
)
def test_a_wrong_url_is_refused_with_what_is_allowed_and_no_password(url: str, sentence: str) -> None:
    with pytest.raises(Misconfigured) as refusal:
        Store(url)
    assert str(refusal.value).startswith(sentence)
    assert "pa55word" not in str(refusal.value)


@pytest.mark.parametrize("url", ["postgresql://u:pa55word@127.0.0.1:1/db", "postgres://u@127.0.0.1:1/db"])
def test_a_database_that_is_away_is_worth_another_try(url: str) -> None:
    store = Store(url)
    with pytest.raises(Transient, match="the database does not answer") as refusal:
        store.check()
    assert "pa55word" not in str(refusal.value)
    store.close()


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_bytes(b"no database" * 1000)
    store = Store(f"sqlite:///{tmp_path}/x.sqlite3")
    with pytest.raises(Permanent, match="file is not a database"):
        store.check()
    store.close()


def test_more_threads_than_connections_wait_their_turn(store: Store) -> None:
    def write(number: int) -> None:
        with store.write() as connection:
            insert_new(connection, inbox, [{"service": "x", "message_id": str(number), "handled_at": NOW}])

    jobs: list[Callable[[], None]] = [lambda number=number: write(number) for number in range(30)]  # type: ignore[misc]
    with ThreadPoolExecutor(30) as pool:
        for job in [pool.submit(job) for job in jobs]:
            job.result()
