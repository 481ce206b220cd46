"""How posting to each webhook goes: known to this process at once, to all through the store."""

import threading
from collections.abc import Callable
from dataclasses import replace

from postroom import metrics
from postroom.store import Store, webhook_states
from postroom.store.webhook_states import State

Change = Callable[[State], State]
_NEW = State()


class Standings:
    """The states of webhooks. Threads may share it. Raises Transient where the store is away."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._states: dict[str, State] = {}
        self._unwritten: set[str] = set()
        self.tend()

    def of(self, name: str) -> State:
        """The state of a webhook."""
        return self._states.get(name, _NEW)

    def note(self, name: str, change: Change) -> None:
        """Something that others hear of within a second or two: `tend` writes it."""
        with self._lock:
            self._states[name] = change(self.of(name))
            self._unwritten.add(name)

    def decide(self, name: str, change: Change) -> None:
        """Something that must not be forgotten: it is in the store before this returns."""
        with self._lock, self._store.write() as connection:
            there = webhook_states.read(connection).get(name, _NEW)
            self._states[name] = change(_merged(self.of(name), there))
            webhook_states.write(connection, {name: self._states[name]})
            self._unwritten.discard(name)

    def tend(self) -> bool:
        """Write what is new here, read what is new elsewhere; returns that there is no more to do."""
        with self._lock:
            if self._unwritten:
                with self._store.write() as connection:
                    there = webhook_states.read(connection)
                    ours = {name: _merged(self.of(name), there.get(name, _NEW)) for name in self._unwritten}
                    webhook_states.write(connection, ours)
            else:
                with self._store.read() as connection:
                    there, ours = webhook_states.read(connection), {}
            self._unwritten.clear()
            self._show({**there, **ours})
        return False

    def _show(self, states: dict[str, State]) -> None:
        for gone in self._states.keys() - states.keys():
            metrics.webhook_disabled.remove_by_labels({"webhook": gone})
        self._states = states
        for name, state in states.items():
            metrics.webhook_disabled.labels(webhook=name).set(state.disabled_at is not None)


def _merged(ours: State, there: State) -> State:
    """What this process saw, with what any has decided."""
    return replace(
        ours,
        last_success_at=max(filter(None, (ours.last_success_at, there.last_success_at)), default=None),
        disabled_at=there.disabled_at,
        disabled_url=there.disabled_url,
        disabled_why=there.disabled_why,
    )
