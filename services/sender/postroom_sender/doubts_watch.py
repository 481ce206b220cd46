"""Shows how many mails are in doubt, and orders copies again that were refused: a step of a loop."""

from postroom import metrics
from postroom.broker.publisher import outgoing
from postroom.clock import Clock
from postroom.envelope import envelop
from postroom.store import Store, copies, doubts, outbox
from postroom.store.outbox import OutboxRelay
from postroom_sender.recorder import SERVICE, SOURCE


class Doubts:
    """What is to be done now and then about mails that were sent, or perhaps were."""

    def __init__(self, store: Store, relay: OutboxRelay, shards: int, clock: Clock) -> None:
        self._store = store
        self._relay = relay
        self._shards = shards
        self._clock = clock

    def tend(self) -> bool:
        """Order what is due, and bring the metrics up to date.

        Returns:
            Whether there may be more.

        Raises:
            Transient: the store or the broker is away.
        """
        now = self._clock()
        with self._store.write() as connection:
            doubts.forget_settled(connection)
            orders = copies.order_again(connection, now)
            commands = [
                outgoing(envelop(each.command, source=SOURCE, now=now, message_id=each.id), self._shards)
                for each in orders
            ]
            outbox.add(connection, SERVICE, commands, now)
        self._relay.publish(commands)
        with self._store.read() as connection:
            count, oldest = doubts.count_and_oldest(connection)
            unfiled = copies.by_state(connection)
        metrics.uncertain.set(count)
        metrics.uncertain_age.set((now - oldest).total_seconds() if oldest else 0)
        for state in copies.UNFILED:
            metrics.unfiled_copies.labels(state=state).set(unfiled.get(state, 0))
        return len(orders) == copies.STEP
