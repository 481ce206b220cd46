"""Says in the metrics how many dead letters wait for a person, and since when."""

from postroom import metrics
from postroom.accounts_watch import Accounts
from postroom.broker import quarantine
from postroom.clock import Clock
from postroom.store import Store, dead_letters
from postroom.work_queues import work_queues


class Quarantines:
    """Looks at the quarantines of all services; every processor says the same."""

    def __init__(self, store: Store, broker: str, accounts: Accounts, shards: int, clock: Clock) -> None:
        self._store = store
        self._broker = broker
        self._accounts = accounts
        self._shards = shards
        self._clock = clock

    def tend(self) -> bool:
        """Count once; False: there is nothing more to do. Raises Transient, Misconfigured."""
        names = work_queues(self._shards, self._accounts.all(), self._accounts.webhooks)
        with quarantine.opened(self._broker) as found:
            counted = {name: found.count(name) for name in names}
        counts = {name: count for name, count in counted.items() if count is not None}
        now = self._clock()
        with self._store.write() as connection:
            oldest = dead_letters.oldest(connection, counts, now)
        for name, count in counts.items():
            age_s = (now - oldest[name]).total_seconds() if name in oldest else 0.0
            metrics.dead_letters_waiting.labels(queue=name).set(count)
            metrics.dead_letters_age.labels(queue=name).set(max(0.0, age_s))
        return False
