"""Which shards this process holds. Accounts hash to shards; only a shard's holder writes its cursors.

A lease lasts `TTL_S` and is renewed every `RENEW_S`, so a database that needs several seconds to answer costs
nothing. Its epoch grows each time the shard changes hands, and every write names the epoch it was begun under
(`check`): who lost the shard without noticing writes nothing.

A killed fetcher's shards are with the others after `TTL_S + OVERDUE_S + STEP_S` at the latest, mostly
`TTL_S` after its last renewal; a stopped one's, at their next step. On PostgreSQL no machine's time of
day matters (see `roll`); a monotonic clock tells a fetcher whose store is away that its leases must be over.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, bindparam, select

from postroom import metrics
from postroom.errors import PostroomError, Transient
from postroom.store import Store
from postroom.store.schema import shard_leases
from postroom_fetcher.roll import TTL_S, Roll, StoreClock, end_when_frozen, store_now
from postroom_fetcher.share import View, plan

logger = logging.getLogger(__name__)

RENEW_S = 2.0
STEP_S = 1.0
"""How often a fetcher looks whether it should take shards or give some back."""
SETTLE_S = 10.0
"""How long the fetchers must have been the same ones before any gives shards back: a rolling deploy
should stop the old one in this time after it started the new one."""


@dataclass(frozen=True)
class Lease:
    """The right to write to the cursors of a shard."""

    shard: int
    holder: str
    epoch: int


# Built once: every mail and every command asks.
_HELD = (
    select(shard_leases.c.shard)
    .where(*(shard_leases.c[name] == bindparam(name) for name in ("shard", "holder", "epoch")))
    .with_for_update(read=True)
)


class Fenced(PostroomError):
    """The shard has passed to another fetcher: nothing was written."""


def check(connection: Connection, lease: Lease) -> None:
    """Raises Fenced unless the lease still holds; it cannot change hands before this transaction ends."""
    end_when_frozen(connection)
    if connection.execute(_HELD, vars(lease)).first() is None:
        raise Fenced(f"shard {lease.shard} has passed to another fetcher (epoch {lease.epoch} is over)")


class Leases:
    """Takes its share of the shards and gives back what is over it.

    A shard to be given back is dropped at once and released with the next step, so that what is under way for
    it may end in the meantime; what takes longer is fenced. `on_change` is called from the thread that turns
    `step` or calls `lose`, `drop` or `release`, after each change.
    """

    def __init__(
        self,
        store: Store,
        shards: int,
        holder: str,
        *,
        clock: StoreClock = store_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roll = Roll(store, shards, holder, clock)
        self._holder = holder
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._held: dict[int, Lease] = {}
        self._renewed_at: float | None = None
        self._living: frozenset[str] = frozenset()
        self._settling_since = 0.0
        self.on_change: Callable[[], None] = lambda: None

    def held(self) -> Mapping[int, Lease]:
        """The leases by shard."""
        with self._lock:
            return dict(self._held)

    def step(self) -> bool:
        """Renew what is held, take what is missing, drop what is too much; no hurry afterwards.

        Raises:
            Transient: The store does not answer; when that lasts longer than a lease, all are given up.
        """
        try:
            self._renew_when_due()
            self._replace(self._balanced())
        except Transient:
            if self._renewed_at is not None and self._monotonic() >= self._renewed_at + TTL_S:
                self.drop()
            raise
        return False

    def lose(self, lease: Lease) -> None:
        """Stop counting on a lease that was found to be over."""
        self._replace({shard: held for shard, held in self.held().items() if held != lease})

    def drop(self) -> None:
        """Stop working on all shards; others cannot take them yet."""
        self._replace({})

    def release(self) -> None:
        """Give all shards back at once, so that others need not wait for the leases to run out.

        Raises:
            Transient: The store does not answer.
        """
        self.drop()
        if self._renewed_at is not None:
            self._roll.leave()
            self._renewed_at = None

    def _renew_when_due(self) -> None:
        asked_at = self._monotonic()
        if self._renewed_at is None or asked_at >= self._renewed_at + RENEW_S:
            self._roll.renew()
            self._renewed_at = asked_at

    def _balanced(self) -> dict[int, Lease]:
        """The leases to hold from now on."""
        before = self.held()
        view = self._roll.look()
        decide = partial(plan, me=self._holder, settled=self._settled(view))
        # What the store counts as ours and we have dropped. It never comes back under the same epoch.
        dropped = view.of(self._holder).keys() - before.keys()
        if dropped or decide(view).take:
            changed = self._roll.change(dropped, decide)
            view, dropped = (changed, set()) if changed else (view, dropped)
        keep = view.of(self._holder).keys() - dropped - set(decide(view).give_back)
        return {
            shard: Lease(shard, self._holder, epoch)
            for shard, epoch in view.of(self._holder).items()
            if shard in keep
        }

    def _settled(self, view: View) -> bool:
        if view.living != self._living:
            self._living, self._settling_since = view.living, self._monotonic()
        return self._monotonic() >= self._settling_since + SETTLE_S

    def _replace(self, held: dict[int, Lease]) -> None:
        with self._lock:
            changed, self._held = held != self._held, held
        metrics.shards_held.set(len(held))
        if changed:
            logger.info("shards held", extra={"shards": sorted(held)})
            self.on_change()
