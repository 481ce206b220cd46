"""Lets the other senders know that this one lives, so that none takes what it hands over for abandoned."""

import logging

from postroom.clock import Clock
from postroom.errors import PostroomError
from postroom.store import Store
from postroom_sender import ledger

logger = logging.getLogger(__name__)


class Living:
    """The life of this process in the store."""

    def __init__(self, store: Store, name: str, clock: Clock) -> None:
        self._store = store
        self._name = name
        self._clock = clock

    def beat(self) -> bool:
        """Be heard of; returns that there is no more to do. Raises Transient."""
        with self._store.write() as connection:
            ledger.beat(connection, self._name, self._clock())
        return False

    def end(self) -> None:
        """Whatever is still being handed over is in doubt from now on."""
        try:
            with self._store.write() as connection:
                ledger.leave(connection, self._name)
        except PostroomError as error:
            logger.warning("the others learn of the end by silence alone", extra={"error": str(error)})
