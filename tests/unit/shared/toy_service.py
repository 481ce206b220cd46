"""A service for the tests to run as a process: `python -m tests.unit.shared.toy_service KIND`."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import ExitStack
from functools import partial

from postroom.errors import Misconfigured, Transient
from postroom.service import Build, Parts, Ticker, run_service
from postroom.settings import Settings


def say(word: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


class Worker:
    """Takes a while to finish what is in hand."""

    fault = ""

    def __init__(self, finish_s: float) -> None:
        self._finish_s = finish_s
        self.last_beat = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop."""
        say("working")
        stop.wait()
        say("finishing")
        time.sleep(self._finish_s)
        say("finished")


def fall() -> bool:
    """A step with a fault of ours."""
    raise ZeroDivisionError("a fault of ours")


def complain() -> bool:
    """A step that the world does not allow."""
    raise Transient("the database does not answer")


def refuse(_settings: Settings, _stack: ExitStack) -> Parts:
    """Wrong settings."""
    raise Misconfigured("toy", "the toy is set wrongly")


def crash(_settings: Settings, _stack: ExitStack) -> Parts:
    """A fault of ours while wiring."""
    raise ZeroDivisionError("a fault of ours")


def build(finish_s: float, kind: str, _settings: Settings, stack: ExitStack) -> Parts:
    """A worker and a ticker."""
    stack.callback(say, "closed")
    step = {"falls": fall, "complains": complain}.get(kind, lambda: False)
    return Parts({"worker": Worker(finish_s), "ticker": Ticker(step, 0.05)})


KINDS: dict[str, Build] = {
    "good": partial(build, 0.2, "good"),
    "slow": partial(build, 3600, "slow"),
    "falls": partial(build, 0, "falls"),
    "complains": partial(build, 0, "complains"),
    "refuses": refuse,
    "crashes": crash,
}

if __name__ == "__main__":
    sys.exit(run_service("toy", KINDS[sys.argv[1]]))
