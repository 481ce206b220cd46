"""The skeleton of a service: settings, logs, health pages, loops in threads, signals, drain.

A service is a set of loops. Each runs in its thread until the stop event is set; one that ends by itself
ends the process, since half a service is worse than none: the supervisor starts it anew. The first SIGTERM or
SIGINT stops taking work and finishes what is in hand; the second ends at once.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from postroom import metrics
from postroom.errors import Misconfigured, PostroomError
from postroom.health import HealthServer
from postroom.logs import configure_logs
from postroom.settings import Settings, read_settings

logger = logging.getLogger(__name__)

STALLED_AFTER_S = 90.0
_BEAT_EVERY_S = 15.0
_CLOSE_WITHIN_S = 10.0
EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


class Loop(Protocol):
    """Something that works until it is told to stop."""

    @property
    def last_beat(self) -> float:
        """When it last turned (monotonic seconds)."""

    @property
    def fault(self) -> str:
        """Why it cannot work at the moment; empty if it can."""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then finish what is in hand."""


@dataclass(frozen=True)
class Parts:
    """What a service consists of: its loops by name, and what must be true for it to be ready."""

    loops: Mapping[str, Loop]
    ready_checks: Mapping[str, Callable[[], None]] = field(default_factory=dict)


Build = Callable[[Settings, ExitStack], Parts]
"""Wires a service; what it puts on the stack is closed after the loops have ended, last one first."""


class Ticker:
    """A loop around a step that returns whether it did work: at once again if so, else after the interval."""

    def __init__(self, step: Callable[[], bool], interval_s: float) -> None:
        self._step = step
        self._interval_s = interval_s
        self.last_beat = time.monotonic()
        self.fault = ""

    def run(self, stop: threading.Event) -> None:
        """Step until told to stop. A step that fails is logged and tried again at the next interval."""
        while not stop.is_set():
            did_work = self._try_step()
            self.last_beat = time.monotonic()
            if not did_work:
                self._wait(stop)

    def _wait(self, stop: threading.Event) -> None:
        """Wait for the interval, with beats: a loop that is not due for an hour has not stalled."""
        due = time.monotonic() + self._interval_s
        while (rest_s := due - time.monotonic()) > 0 and not stop.wait(min(rest_s, _BEAT_EVERY_S)):
            self.last_beat = time.monotonic()

    def _try_step(self) -> bool:
        try:
            did_work = self._step()
        except PostroomError as error:
            self.fault = str(error)
            logger.warning("step failed", extra={"error": str(error)})
            return False
        self.fault = ""
        return did_work


def process_name() -> str:
    """A name that no other process has, now or later: what it claims in the store is claimed under it."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def run_service(name: str, build: Build) -> int:
    """Run a service until a signal; returns the exit code: 0 stopped, 1 failed, 2 wrong settings."""
    try:
        settings = read_settings()
        configure_logs(name, level=settings.log_level, form=settings.log_format)
    except Misconfigured as error:
        sys.stderr.write(f"postroom {name}: {error}\n")
        return EXIT_USAGE
    ending = _Ending()
    try:
        with ExitStack() as stack:
            closing = _end_of_patience(stack)
            code = _run(settings, build(settings, stack), ending)
            closing.start()
            return code
    except Misconfigured as error:
        logger.error("wrong settings", extra={"error": str(error), "reason_code": error.reason_code})
        return EXIT_USAGE
    except PostroomError as error:
        logger.error("cannot go on", extra={"error": str(error)})
        return EXIT_FAILED
    except Exception:
        logger.exception("cannot go on")
        return EXIT_FAILED


def _end_of_patience(stack: ExitStack) -> threading.Timer:
    """Ends the process, once started, if closing takes for ever: a loop may still hold what is closed."""
    timer = threading.Timer(_CLOSE_WITHIN_S, os._exit, [EXIT_FAILED])
    timer.daemon = True
    stack.callback(timer.cancel)
    return timer


class _Ending:
    """What the main thread waits for: the first signal, or the end of a loop.

    A pipe and not an event, since a signal's handler runs inside whatever the main thread is doing: setting
    an event that it is just about to wait for would lock it up for ever.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._signalled = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def wait(self) -> None:
        """Return when it is time to stop."""
        os.read(self._reader, 1)

    def come(self) -> None:
        """It is time."""
        os.write(self._writer, b".")

    def _on_signal(self, number: int, _frame: object) -> None:
        if self._signalled:
            os._exit(128 + number)
        self._signalled = True
        self.come()


def _run(settings: Settings, parts: Parts, ending: _Ending) -> int:
    stop = threading.Event()
    died: list[str] = []
    # Before the loops, so that a port that is taken is noticed before any work is.
    health = HealthServer(
        settings.http_host,
        settings.http_port,
        alive=lambda: _stalled(parts.loops),
        ready=lambda: _unready(parts),
        registry=metrics.REGISTRY,
    )
    threads = [_start(name, loop, stop, died, ending) for name, loop in parts.loops.items()]
    health.start()
    logger.info("started", extra={"http_port": health.port, "loops": sorted(parts.loops)})
    ending.wait()
    stop.set()
    logger.info("stopping", extra={"drain_s": settings.drain_s})
    late = _join(threads, settings.drain_s)
    health.stop()
    if late:
        logger.error("did not finish in time; the broker will deliver the rest again", extra={"loops": late})
    logger.info("stopped")
    return EXIT_FAILED if died or late else EXIT_OK


def _start(
    name: str, loop: Loop, stop: threading.Event, died: list[str], ending: _Ending
) -> threading.Thread:
    def run() -> None:
        metrics.loops.labels(loop=name).set(1)
        try:
            loop.run(stop)
        except Exception:
            logger.exception("a loop died", extra={"loop": name})
        finally:
            metrics.loops.labels(loop=name).set(0)
            if not stop.is_set():
                died.append(name)
                ending.come()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def _join(threads: Sequence[threading.Thread], drain_s: float) -> list[str]:
    deadline = time.monotonic() + drain_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [thread.name for thread in threads if thread.is_alive()]


def _stalled(loops: Mapping[str, Loop]) -> dict[str, str]:
    now = time.monotonic()
    return {
        name: f"has not turned for {now - loop.last_beat:.0f} s"
        for name, loop in loops.items()
        if now - loop.last_beat > STALLED_AFTER_S
    }


def _unready(parts: Parts) -> dict[str, str]:
    faults = {name: loop.fault for name, loop in parts.loops.items() if loop.fault}
    for name, check in parts.ready_checks.items():
        try:
            check()
        except PostroomError as error:
            faults[name] = str(error)
    return faults
