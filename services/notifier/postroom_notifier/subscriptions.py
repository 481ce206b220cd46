"""Keeps one consumer for each webhook that is posted to: a slow one has nothing to do with any other."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from postroom.accounts_watch import Accounts
from postroom.event_queues import families, webhook_family
from postroom.service import Loop, Ticker
from postroom.webhook import Webhook
from postroom_notifier.queues import EventQueues
from postroom_notifier.standing import Standings

logger = logging.getLogger(__name__)

INTERVAL_S = 0.5

Open = Callable[[str, Webhook], Loop]
"""The consumer of a queue for a webhook."""


@dataclass(frozen=True)
class _Running:
    """A consumer in its thread. `url`, `concurrency`: those that it was begun for."""

    loop: Loop
    thread: threading.Thread
    stop: threading.Event
    concurrency: int


class Subscriptions:
    """A loop that follows the webhooks and campaigns of the accounts."""

    def __init__(
        self,
        accounts: Accounts,
        queues: EventQueues,
        standings: Standings,
        open_consumer: Open,
        drain_s: float,
    ) -> None:
        self._accounts = accounts
        self._queues = queues
        self._standings = standings
        self._open = open_consumer
        self._drain_s = drain_s
        self._running: dict[str, _Running] = {}
        self._ticker = Ticker(self._step, INTERVAL_S)

    @property
    def last_beat(self) -> float:
        """When it, or the consumer that did so longest ago, last turned."""
        return min((self._ticker.last_beat, *(each.loop.last_beat for each in self._consumers())))

    @property
    def fault(self) -> str:
        """Why events do not come through at the moment."""
        faults = (
            f"{name}: {each.loop.fault}" for name, each in self._running.copy().items() if each.loop.fault
        )
        return self._ticker.fault or next(faults, "")

    def run(self, stop: threading.Event) -> None:
        """Follow until told to stop; then let all finish what is under way."""
        try:
            self._ticker.run(stop)
        finally:
            running = [self._end(name) for name in tuple(self._running)]
            until = time.monotonic() + self._drain_s
            for each in running:
                each.thread.join(max(0.0, until - time.monotonic()))

    def _step(self) -> bool:
        self._queues.provide(families(self._accounts.all(), self._accounts.webhooks))
        wanted = {each.name: each for each in self._accounts.webhooks if self._is_open(each)}
        for name, running in tuple(self._running.items()):
            if name not in wanted or running.concurrency != wanted[name].concurrency:
                self._end(name)
        for name in wanted.keys() - self._running.keys():
            self._begin(wanted[name])
        return False

    def _is_open(self, webhook: Webhook) -> bool:
        return webhook.enabled and not self._standings.of(webhook.name).is_disabled(webhook.url)

    def _begin(self, webhook: Webhook) -> None:
        stop = threading.Event()
        loop = self._open(webhook_family(webhook).name, webhook)
        thread = threading.Thread(target=loop.run, args=(stop,), name=f"webhook {webhook.name}", daemon=True)
        self._running[webhook.name] = _Running(loop, thread, stop, webhook.concurrency)
        thread.start()
        logger.info("posting to a webhook", extra={"webhook": webhook.name})

    def _end(self, name: str) -> _Running:
        running = self._running.pop(name)
        running.stop.set()
        logger.info("no longer posting to a webhook", extra={"webhook": name})
        return running

    def _consumers(self) -> tuple[_Running, ...]:
        return tuple(self._running.copy().values())
