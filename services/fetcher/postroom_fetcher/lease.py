"""Which shards this process holds. Accounts hash to shards; only a shard's holder writes its cursors.

A lease lasts `TTL_S` and is renewed every `RENEW_S`. Its epoch grows each time the shard changes hands, and
every write names the epoch it was begun under (`check`): who lost the shard without noticing writes nothing.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, or_, select, update

from postroom.clock import Clock, utc_now
from postroom.errors import PostroomError, Transient
from postroom.store import Store
from postroom.store.engine import insert_new
from postroom.store.schema import shard_leases

logger = logging.getLogger(__name__)

TTL_S = 15.0
RENEW_S = 5.0
STEP_S = 1.0
"""How often a fetcher that does not hold every shard looks for one that has become free."""


@dataclass(frozen=True)
class Lease:
    """The right to write to the cursors of a shard."""

    shard: int
    holder: str
    epoch: int


class Fenced(PostroomError):
    """The shard has passed to another fetcher: nothing was written."""


def check(connection: Connection, lease: Lease) -> None:
    """Raises Fenced unless the lease still holds; it cannot change hands before this transaction ends."""
    held = select(shard_leases.c.shard).where(
        shard_leases.c.shard == lease.shard,
        shard_leases.c.holder == lease.holder,
        shard_leases.c.epoch == lease.epoch,
    )
    if connection.execute(held.with_for_update(read=True)).first() is None:
        raise Fenced(f"shard {lease.shard} has passed to another fetcher (epoch {lease.epoch} is over)")


class Leases:
    """Takes every shard that is free or whose holder is silent, and keeps those it has.

    `on_change` is called from the thread that turns `step` or calls `lose`, after each change.
    """

    def __init__(
        self,
        store: Store,
        shards: int,
        holder: str,
        *,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._shards = shards
        self._holder = holder
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._held: dict[int, Lease] = {}
        self._good_until = 0.0
        self.on_change: Callable[[], None] = lambda: None

    def held(self) -> Mapping[int, Lease]:
        """The leases by shard."""
        with self._lock:
            return dict(self._held)

    def step(self) -> bool:
        """Renew what is held and take what is free; never asks to be called again at once.

        Raises:
            Transient: The store does not answer; when that lasts longer than a lease, all are given up.
        """
        asked_at = self._monotonic()
        try:
            if asked_at < self._good_until - TTL_S + RENEW_S and not self._some_is_free():
                return False
            held = self._renew_and_take()
        except Transient:
            if self._monotonic() >= self._good_until:
                self._replace({})
            raise
        self._good_until = asked_at + TTL_S
        self._replace(held)
        return False

    def lose(self, lease: Lease) -> None:
        """Stop counting on a lease that was found to be over."""
        self._replace({shard: held for shard, held in self.held().items() if held != lease})

    def release(self) -> None:
        """Give all shards back at once, so that others need not wait for the leases to run out."""
        held = self.held()
        self._replace({})
        if not held:
            return
        with self._store.write() as connection:
            connection.execute(
                update(shard_leases)
                .where(shard_leases.c.holder == self._holder)
                .values(holder=None, expires_at=self._clock())
            )

    def _some_is_free(self) -> bool:
        if len(self._held) == self._shards:
            return False
        free = select(shard_leases.c.shard).where(
            _is_free(self._clock()), shard_leases.c.shard < self._shards
        )
        with self._store.read() as connection:
            return connection.execute(free.limit(1)).first() is not None

    def _renew_and_take(self) -> dict[int, Lease]:
        now = self._clock()
        later = {"expires_at": now + timedelta(seconds=TTL_S)}
        table = shard_leases
        with self._store.write() as connection:
            if not self._held:
                self._make_rows(connection)
            mine = connection.execute(
                update(table).where(table.c.holder == self._holder).values(later).returning(table)
            ).all()
            taken = connection.execute(
                update(table)
                .where(_is_free(now), table.c.shard < self._shards)
                .values(holder=self._holder, epoch=table.c.epoch + 1, **later)
                .returning(table)
            ).all()
        return {row.shard: Lease(row.shard, self._holder, row.epoch) for row in (*mine, *taken)}

    def _make_rows(self, connection: Connection) -> None:
        now = self._clock()
        insert_new(
            connection,
            shard_leases,
            [
                {"shard": shard, "holder": None, "epoch": 0, "expires_at": now}
                for shard in range(self._shards)
            ],
        )

    def _replace(self, held: dict[int, Lease]) -> None:
        with self._lock:
            changed, self._held = held != self._held, held
        if changed:
            logger.info("shards held", extra={"shards": sorted(held)})
            self.on_change()


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(shard_leases.c.holder.is_(None), shard_leases.c.expires_at <= now)
