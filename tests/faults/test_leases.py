"""Fetchers killed, stopped and frozen: the others have their shards in time, and share them evenly.

They run on PostgreSQL: on SQLite, a process that happens to be frozen while it writes holds up all others.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

from postroom import topology
from postroom.broker import declare
from postroom.store import Store
from postroom.store.schema import shard_leases
from postroom_fetcher.lease import SETTLE_S, Fenced, Lease, check
from postroom_fetcher.roll import store_now
from tests.servers.process import Command, Process, free_port
from tests.tables import migrate
from tests.waiting import wait_until

pytestmark = pytest.mark.needs("postgresql")

SHARDS = 6
KILLED_S = 15.0
"""From the issue: after this time the shards of a killed fetcher are with others."""
STOPPED_S = 3.0
"""What "at once" is: the end of the loops and the others' next step, on a busy machine."""
EVEN_S = 30.0
START_S = 40.0


@dataclass
class Fetcher:
    """A fetcher as a process of its own."""

    process: Process
    port: int

    @property
    def mark(self) -> str:
        """What the names of its holder, and of no other's, have in them."""
        return f":{self.process.pid}:"

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def held(self) -> int:
        """How many shards it says it holds."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            sample = re.search(r"^postroom_shards_held (\S+)$", answer.read().decode(), re.MULTILINE)
        assert sample is not None
        return int(float(sample.group(1)))


@dataclass
class Fleet:
    """Fetchers that share a store and have no accounts."""

    folder: Path
    store: Store
    environment: dict[str, str]
    started: list[Fetcher] = field(default_factory=list)

    def start(self, count: int) -> list[Fetcher]:
        return [self._start() for _ in range(count)]

    def _start(self) -> Fetcher:
        folder = self.folder / f"fetcher-{len(self.started)}"
        folder.mkdir()
        port = free_port()
        own = {**self.environment, "POSTROOM_HTTP_PORT": str(port)}
        command = Command([sys.executable, "-m", "postroom_fetcher"], folder, own, grace_s=25.0)
        fetcher = Fetcher(Process(command), port)
        self.started.append(fetcher)
        return fetcher

    def leases(self) -> list[Lease]:
        """The leases that are not over."""
        with self.store.read() as connection:
            rows = connection.execute(
                select(shard_leases).where(
                    shard_leases.c.holder.is_not(None), shard_leases.c.expires_at > store_now(connection)
                )
            ).all()
        return [Lease(row.shard, row.holder, row.epoch) for row in rows]

    def counts(self, fetchers: list[Fetcher]) -> list[int]:
        """How many shards each of them holds."""
        held = Counter(lease.holder for lease in self.leases())
        return [sum(count for holder, count in held.items() if each.mark in holder) for each in fetchers]

    def wait_for(self, counts: list[int], fetchers: list[Fetcher], timeout_s: float) -> None:
        """Wait until they hold so many shards, in any order."""
        expected = sorted(counts)

        def there() -> bool:
            return sorted(self.counts(fetchers)) == expected

        try:
            wait_until(there, timeout_s, f"shards to be held as {expected}", interval_s=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}; they are {self.leases()}") from None


@pytest.fixture
def fleet(postgresql_store: str, tmp_path: Path) -> Iterator[Fleet]:
    broker_url = f"embedded:///{tmp_path}/broker.sqlite3"
    environment = {
        "POSTROOM_DATA_DIR": str(tmp_path),
        "POSTROOM_BROKER_URL": broker_url,
        "POSTROOM_STORE_URL": postgresql_store,
        "POSTROOM_SHARDS": str(SHARDS),
        "POSTROOM_HTTP_HOST": "127.0.0.1",
    }
    declare.apply(broker_url, topology.topology(SHARDS))
    with closing(Store(postgresql_store)) as store:
        migrate(store)
        fleet = Fleet(tmp_path, store, environment)
        try:
            yield fleet
        finally:
            for each in fleet.started:
                each.process.kill()


def test_the_shards_of_a_killed_fetcher_move_in_time_and_those_of_a_stopped_one_at_once(fleet: Fleet) -> None:
    first, second, third = fleet.start(3)
    fleet.wait_for([2, 2, 2], [first, second, third], START_S + EVEN_S)
    first.process.kill()
    fleet.wait_for([3, 3], [second, third], KILLED_S)
    second.signal(signal.SIGTERM)
    fleet.wait_for([6], [third], STOPPED_S)
    wait_until(lambda: not second.process.running, 20, "the stopped one to end")


def test_a_frozen_fetcher_that_wakes_up_holds_nothing_and_gets_its_share_again(fleet: Fleet) -> None:
    (frozen,) = fleet.start(1)
    fleet.wait_for([6], [frozen], START_S)
    others = fleet.start(2)
    wait_until(lambda: all(_answers(each) for each in others), START_S, "the others to live")
    old = fleet.leases()
    frozen.signal(signal.SIGSTOP)
    try:
        fleet.wait_for([3, 3], others, KILLED_S)
    finally:
        frozen.signal(signal.SIGCONT)
    for lease in old:
        with fleet.store.write() as connection, pytest.raises(Fenced):
            check(connection, lease)
    wait_until(lambda: frozen.held() == 0, SETTLE_S / 2, "the frozen one to notice", interval_s=0.1)
    assert fleet.counts([frozen]) == [0]
    fourth = fleet.start(1)
    fleet.wait_for([1, 1, 2, 2], [frozen, *others, *fourth], START_S + EVEN_S)
    wait_until(lambda: frozen.held() in (1, 2), 5, "the frozen one to work again", interval_s=0.1)


def _answers(fetcher: Fetcher) -> bool:
    try:
        fetcher.held()
    except OSError:
        return False
    return True
