"""The loop of the leases: keeps them while the service runs, and hands them over when it stops."""

import logging
import threading
import time

from postroom.errors import PostroomError
from postroom.service import Ticker
from postroom_fetcher.lease import STEP_S, Leases

logger = logging.getLogger(__name__)

LET_END_S = 0.5
"""How long what is under way may still write when the service stops; afterwards it is fenced."""


class Tenure:
    """Steps; at the end drops all shards and releases them soon after.

    Not after all other loops have ended: a server that is slow to answer would hold up the shards' mailboxes,
    which others could watch already.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._ticker = Ticker(leases.step, STEP_S)

    @property
    def last_beat(self) -> float:
        """When it last stepped (monotonic seconds)."""
        return self._ticker.last_beat

    @property
    def fault(self) -> str:
        """Why it cannot step at the moment; empty if it can."""
        return self._ticker.fault

    def run(self, stop: threading.Event) -> None:
        """Step until told to stop; then let go of all shards."""
        self._ticker.run(stop)
        self._leases.drop()
        time.sleep(LET_END_S)
        try:
            self._leases.release()
        except PostroomError as error:
            logger.warning("shards not released, their leases will run out", extra={"error": str(error)})
