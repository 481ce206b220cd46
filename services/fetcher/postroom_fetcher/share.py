"""Who of the living fetchers should hold how many shards: the rule, without clock or store.

Shares are even: they differ by at most one. The larger ones go to those that have as many shards already, so
that none moves without need, and then to the emptiest, which are the newest and stay the longest. Whoever has
less takes what is free; of those who have more, the fullest gives back, then the next. The same view leads
all fetchers to the same shares. Two rules temper this:

- Free shards are taken at once, but nobody gives back before the fetchers have been the same ones for a while
  (`settled`): in a rolling deploy the new one then gets the shards of the old one, and no others move.
- A shard that stays free although others have room for it (`overdue`) is anybody's: mailboxes that nobody
  watches are worse than uneven shares. A fetcher that starts and dies again and again would else keep its
  share from being watched.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Holding:
    """A shard: who holds it (None: nobody), under which epoch, and whether it has been free for too long."""

    holder: str | None
    epoch: int
    overdue: bool = False


@dataclass(frozen=True)
class View:
    """All shards and the fetchers that live, as the store had them at one moment."""

    shards: Mapping[int, Holding]
    living: frozenset[str]

    def of(self, holder: str) -> dict[int, int]:
        """The epochs of the shards that a fetcher holds, by shard."""
        return {shard: each.epoch for shard, each in sorted(self.shards.items()) if each.holder == holder}


@dataclass(frozen=True)
class Plan:
    """What one fetcher should do; one of the two is always empty."""

    take: tuple[int, ...] = ()
    give_back: tuple[int, ...] = ()


def plan(view: View, me: str, *, settled: bool) -> Plan:
    """What I should take or give back. `settled`: the living have been the same ones for a while."""
    mine = list(view.of(me))
    held = Counter(each.holder for each in view.shards.values() if each.holder is not None)
    everybody = {*view.living, *held, me}
    share = shares({holder: held[holder] for holder in everybody}, len(view.shards))
    free = sorted(shard for shard, each in view.shards.items() if each.holder is None)
    fair = free[: max(0, share[me] - len(mine))]
    overdue = {shard for shard in free if view.shards[shard].overdue}
    if take := sorted({*fair, *overdue}):
        return Plan(take=tuple(take))
    # One after the other: two at the same time would give back more than is missing elsewhere.
    too_full = (holder for holder in everybody if held[holder] > share[holder])
    fullest = min(too_full, key=lambda holder: (-held[holder], holder), default=None)
    return Plan(give_back=tuple(mine[share[me] :]) if settled and fullest == me else ())


def shares(held: Mapping[str, int], shards: int) -> dict[str, int]:
    """How many shards each should hold, of those who hold so many."""
    least, larger = divmod(shards, len(held))

    def claim(holder: str) -> tuple[bool, int, str]:
        has_it = held[holder] > least
        return not has_it, -held[holder] if has_it else held[holder], holder

    return {holder: least + (place < larger) for place, holder in enumerate(sorted(held, key=claim))}
