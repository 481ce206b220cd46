"""Ctrl-C and SIGTERM: the first ends in order, the second at once."""

import os
import signal
from collections.abc import Callable
from types import FrameType


class Ending:
    """From construction on, the first signal raises KeyboardInterrupt in the main thread.

    A signal after that, or after `begin`, calls `kill` and ends the process with 128 + its number.
    """

    def __init__(self, kill: Callable[[], None]) -> None:
        self._kill = kill
        self._begun = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def begin(self) -> None:
        """The end has begun by itself: a signal must not interrupt it half-way, but may cut it short."""
        self._begun = True

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._begun:
            self._kill()
            os._exit(128 + number)
        self._begun = True
        raise KeyboardInterrupt
