"""A service's loops, run in a test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from postroom.service import Loop


@contextmanager
def running(*loops: Loop) -> Iterator[None]:
    """The loops, each in a thread, until the end."""
    stop = threading.Event()
    threads = [threading.Thread(target=loop.run, args=(stop,)) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
