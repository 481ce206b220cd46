"""The roll in the store: which fetchers live, and who holds which shard until when.

Moments are read from the clock that all fetchers share: PostgreSQL's own, so that the clocks of the machines
may be as wrong as they like; or, with SQLite, that of the one machine which they are all on. A moment is read
before it is compared or written, so waiting for the database makes a lease shorter, never longer.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, or_, select, text, update

from postroom.clock import utc_now
from postroom.store import Store
from postroom.store.engine import insert_new, upsert
from postroom.store.schema import fetchers, shard_leases
from postroom_fetcher.share import Holding, Plan, View

TTL_S = 10.0
"""How long a lease lasts without being renewed."""
OVERDUE_S = 2.0
"""How long a free shard waits for the fetcher that has room for it."""
FROZEN_S = 5.0
"""How long a transaction that holds locks may be silent; less than any lease has left, since a frozen
fetcher's locks must be gone when its shards are free."""

_DECIDING = 0x706F73746C656173
"""The advisory lock of the fetcher that decides; any number that nobody else uses."""

StoreClock = Callable[[Connection], datetime]
"""Reads the clock that all fetchers share."""


def store_now(connection: Connection) -> datetime:
    """The time of day, by the clock that all users of this database share."""
    if connection.dialect.name == "postgresql":
        moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return moment
    return utc_now()


def end_when_frozen(connection: Connection) -> None:
    """Let the database end this transaction, and its locks, should our process stop in the middle of it.

    SQLite cannot: there, a process frozen while it writes holds up every other one until it goes on.
    """
    if connection.dialect.name == "postgresql":
        silence_ms = str(int(FROZEN_S * 1000))
        connection.execute(select(func.set_config("idle_in_transaction_session_timeout", silence_ms, True)))


class Roll:
    """The rows of all fetchers, as one of them, `me`, reads and writes them. All methods raise Transient."""

    def __init__(self, store: Store, shards: int, me: str, clock: StoreClock = store_now) -> None:
        self._store = store
        self._shards = shards
        self._me = me
        self._clock = clock

    def renew(self) -> None:
        """Say that I live, and renew what I hold."""
        with self._writing() as connection:
            later = self._clock(connection) + timedelta(seconds=TTL_S)
            upsert(connection, fetchers, [{"holder": self._me, "expires_at": later}], update=("expires_at",))
            connection.execute(
                update(shard_leases).where(shard_leases.c.holder == self._me).values(expires_at=later)
            )

    def look(self) -> View:
        """Who lives and who holds what."""
        with self._store.read() as connection:
            return self._view(connection, self._clock(connection))

    def change(self, drop: Collection[int], decide: Callable[[View], Plan]) -> View | None:
        """Release these shards and take what is decided then; returns the view afterwards.

        One fetcher decides at a time, so that all of them decide on the same grounds. None: another one does
        at the moment, nothing was done.
        """
        with self._writing() as connection:
            if not _alone(connection):
                return None
            now = self._clock(connection)
            self._add_missing(connection, now)
            self._release(connection, drop, now)
            connection.execute(
                delete(fetchers).where(fetchers.c.holder != self._me, fetchers.c.expires_at <= now)
            )
            self._take(connection, decide(self._view(connection, now)).take, now)
            return self._view(connection, now)

    def leave(self) -> None:
        """Release all I hold and live no longer."""
        with self._writing() as connection:
            now = self._clock(connection)
            mine = select(shard_leases.c.shard).where(shard_leases.c.holder == self._me)
            self._release(connection, connection.execute(mine).scalars().all(), now)
            connection.execute(delete(fetchers).where(fetchers.c.holder == self._me))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._store.write() as connection:
            end_when_frozen(connection)
            yield connection

    def _view(self, connection: Connection, now: datetime) -> View:
        living = connection.execute(select(fetchers.c.holder).where(fetchers.c.expires_at > now)).scalars()
        overdue = now - timedelta(seconds=OVERDUE_S)
        found = {shard: Holding(None, 0) for shard in range(self._shards)}
        for row in connection.execute(select(shard_leases).where(shard_leases.c.shard < self._shards)):
            free = row.holder is None or row.expires_at <= now
            found[row.shard] = Holding(
                None if free else row.holder, row.epoch, overdue=free and row.expires_at <= overdue
            )
        return View(found, frozenset(living))

    def _add_missing(self, connection: Connection, now: datetime) -> None:
        insert_new(
            connection,
            shard_leases,
            [
                {"shard": shard, "holder": None, "epoch": 0, "expires_at": now}
                for shard in range(self._shards)
            ],
        )

    def _release(self, connection: Connection, shards: Collection[int], now: datetime) -> None:
        table = shard_leases
        connection.execute(
            update(table)
            .where(table.c.shard.in_(shards), table.c.holder == self._me)
            .values(holder=None, expires_at=now)
        )

    def _take(self, connection: Connection, shards: Collection[int], now: datetime) -> None:
        """Take those of the shards that are still free; one whose row is locked waits for the next step."""
        table = shard_leases
        is_free = or_(table.c.holder.is_(None), table.c.expires_at <= now)
        free = select(table.c.shard).where(table.c.shard.in_(shards), is_free)
        taken = connection.execute(free.with_for_update(skip_locked=True)).scalars().all()
        later = now + timedelta(seconds=TTL_S)
        connection.execute(
            update(table)
            .where(table.c.shard.in_(taken))
            .values(holder=self._me, epoch=table.c.epoch + 1, expires_at=later)
        )


def _alone(connection: Connection) -> bool:
    """Whether nobody else decides until the end of this transaction; SQLite has one writer anyway."""
    if connection.dialect.name != "postgresql":
        return True
    lock = text("SELECT pg_try_advisory_xact_lock(:key)")
    return bool(connection.execute(lock, {"key": _DECIDING}).scalar_one())
