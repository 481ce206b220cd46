"""The word to stop, for loops that wait for something else."""

import threading
from collections.abc import Callable


def when_set(stop: threading.Event, call: Callable[[], object]) -> threading.Thread:
    """Call once when `stop` is set, from a thread of its own, so that a sleeping loop needs no look at it."""

    def wait() -> None:
        stop.wait()
        call()

    thread = threading.Thread(target=wait, name="stop", daemon=True)
    thread.start()
    return thread
