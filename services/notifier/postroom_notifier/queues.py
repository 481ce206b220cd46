"""Makes the queues that webhooks and campaign accounts need, and removes those that nobody needs any more.

What a queue may be bound to is noted in the store before it is bound, so that a change that is interrupted,
or that several notifiers make at the same time, is finished by the next look.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from postroom import metrics
from postroom.broker import queues
from postroom.broker.queues import Queues
from postroom.clock import Clock
from postroom.event_queues import Family, family_named
from postroom.store import Store, event_queues, webhook_states
from postroom.store.event_queues import Declared
from postroom.topology import EVENTS

logger = logging.getLogger(__name__)

GRACE = timedelta(seconds=60)
"""How long a queue that nobody asks for is kept at least: others may still publish to it."""
LOOK_AGAIN_S = 300.0
NAME = "notifier queues"


class EventQueues:
    """The queues of webhooks and campaigns. For one thread.

    Raises Transient where store or broker are away, Misconfigured where the broker refuses.
    """

    def __init__(self, store: Store, broker_url: str, clock: Clock, grace: timedelta = GRACE) -> None:
        self._store = store
        self._broker_url = broker_url
        self._clock = clock
        self._grace = grace
        self._made: dict[str, Family] = {}
        self._look_at = 0.0
        self._shown: set[str] = set()

    def provide(self, wanted: Sequence[Family]) -> None:
        """See to it that exactly these are there, with exactly their bindings; others are retired."""
        with self._store.read() as connection:
            known = event_queues.read(connection)
        by_name = {family.name: family for family in wanted}
        if time.monotonic() >= self._look_at:
            # Now and then all are made again: somebody may have removed one.
            self._made.clear()
            self._look_at = time.monotonic() + LOOK_AGAIN_S
        todo = {name: family for name, family in by_name.items() if self._is_due(family, known.get(name))}
        left = {name: queue for name, queue in known.items() if name not in by_name}
        due = {name: queue for name, queue in left.items() if self._is_over(queue)}
        if not todo and not due:
            return
        with queues.opened(self._broker_url, NAME) as broker:
            for name, family in todo.items():
                self._make(broker, family, known.get(name))
            for name, queue in due.items():
                self._retire(broker, family_named(name), queue)

    def measure(self) -> bool:
        """Show in the metrics how many messages wait; returns that there is no more to do."""
        with self._store.read() as connection:
            names = sorted(event_queues.read(connection))
        if names:
            with queues.opened(self._broker_url, NAME) as broker:
                for name in names:
                    family = family_named(name)
                    waiting = sum(broker.depth(each) or 0 for each in family.waiting)
                    gauge = metrics.event_queue_messages
                    gauge.labels(queue=name, state="waiting").set(waiting)
                    gauge.labels(queue=name, state="dead").set(broker.depth(family.dead) or 0)
        for gone in self._shown - set(names):
            metrics.event_queue_messages.remove_by_labels({"queue": gone})
        self._shown = set(names)
        return False

    def _is_due(self, family: Family, known: Declared | None) -> bool:
        return known != Declared(frozenset(family.bindings)) or self._made.get(family.name) != family

    def _is_over(self, queue: Declared) -> bool:
        return queue.retired_at is None or self._clock() - queue.retired_at >= self._grace

    def _make(self, broker: Queues, family: Family, known: Declared | None) -> None:
        wanted = frozenset(family.bindings)
        before = known.bindings if known else frozenset()
        if known != Declared(wanted):
            self._note({family.name: Declared(before | wanted, is_bound=False)})
        for queue in family.queues():
            broker.declare(queue)
        broker.unbind(family.name, before - wanted)
        if known != Declared(wanted):
            self._note({family.name: Declared(wanted)})
            logger.info("a queue of events is made", extra={"queue": family.name, "bindings": len(wanted)})
        self._made[family.name] = family

    def _retire(self, broker: Queues, family: Family, queue: Declared) -> None:
        """Let it hear of nothing more; remove it once it is empty and nobody can publish to it any more."""
        self._made.pop(family.name, None)
        if queue.retired_at is None:
            broker.unbind(family.name, (each for each in queue.bindings if each.exchange == EVENTS))
            self._note({family.name: replace(queue, retired_at=self._clock())})
            logger.info("a queue of events is retired", extra={"queue": family.name})
            return
        everything = (*family.waiting, family.dead)
        if not all(map(broker.is_idle, everything)) or self._is_awaited(family.name):
            return
        # Those in which messages wait come last: nothing comes out of them into a queue that is gone.
        for name in reversed(everything):
            broker.delete(name)
        with self._store.write() as connection:
            event_queues.forget(connection, [family.name])
            if family.kind == "webhook":
                webhook_states.forget(connection, [family.of])
        logger.info("a queue of events is removed", extra={"queue": family.name})

    def _is_awaited(self, name: str) -> bool:
        with self._store.read() as connection:
            return event_queues.is_awaited(connection, name)

    def _note(self, changed: Mapping[str, Declared]) -> None:
        with self._store.write() as connection:
            event_queues.write(connection, changed)
