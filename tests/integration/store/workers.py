"""What the tests' other processes run: `python -m tests.integration.store.workers NAME URL [ARGUMENT]`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

from sqlalchemy import select

from postroom.store import Store, outbox
from postroom.store.attempts import StoredAttempts
from postroom.store.engine import upsert
from postroom.store.inbox import take_new
from postroom.store.migrate import migrate
from postroom.store.schema import windows
from tests.integration.store.recorder import message

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def die() -> NoReturn:
    """End as at a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def migrate_now(store: Store, _argument: str) -> None:
    """Migrate."""
    migrate(store)


def count_up(store: Store, argument: str) -> None:
    """Read a number and write it back, one more, so and so often."""
    for _ in range(int(argument)):
        with store.write() as connection:
            # Taken first, as PostgreSQL has no exclusive writer: the row's lock is what counts there.
            used = connection.execute(select(windows.c.used).with_for_update()).scalar_one()
            row = {"account": "ops", "started_at": NOW, "used": used + 1}
            upsert(connection, windows, [row], update=["used"])


def commit_and_die(store: Store, _argument: str) -> None:
    """Commit an effect with its messages and die before they are published."""
    with store.write() as connection:
        take_new(connection, "processor", ["cause"], NOW)
        outbox.add(connection, "processor", [message("left-1"), message("left-2")], NOW)
    die()


def die_before_commit(store: Store, _argument: str) -> None:
    """Die in the middle of a transaction."""
    with store.write() as connection:
        take_new(connection, "processor", ["cause"], NOW)
        outbox.add(connection, "processor", [message("lost-1")], NOW)
        die()


def begin_and_die(store: Store, _argument: str) -> None:
    """Begin a message and die of it."""
    StoredAttempts(store).begin("killer", "queue")
    die()


JOBS: dict[str, Callable[[Store, str], None]] = {
    job.__name__: job for job in (migrate_now, count_up, commit_and_die, die_before_commit, begin_and_die)
}

if __name__ == "__main__":
    JOBS[sys.argv[1]](Store(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
