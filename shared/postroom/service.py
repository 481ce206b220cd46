"""The skeleton of a service: settings, logs, health pages, loops in threads, signals, drain.

A service is a set of loops. Each runs in its thread until the stop event is set; one that ends by itself ends
the process, since half a service is worse than none: the supervisor starts it anew. The first SIGTERM or SIGINT
stops taking work and finishes what is in hand; the second ends at once.
"""

import logging
import os
import signal
import sys
import threading
import time
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
                stop.wait(self._interval_s)

    def _try_step(self) -> bool:
        try:
            did_work = self._step()
        except PostroomError as error:
            self.fault = str(error)
            logger.warning("step failed", extra={"error": str(error)})
            return False
        self.fault = ""
        return did_work


def run_service(name: str, build: Build) -> int:
    """Run a service until a signal; returns the exit code: 0 stopped, 1 failed, 2 wrong settings."""
    try:
        settings = read_settings()
        configure_logs(name, level=settings.log_level, form=settings.log_format)
    except Misconfigured as error:
        sys.stderr.write(f"postroom {name}: {error}\n")
        return EXIT_USAGE
    stop = threading.Event()
    _stop_on_signals(stop)
    try:
        with ExitStack() as stack:
            parts = build(settings, stack)
            return _run(name, settings, parts, stop)
    except Misconfigured as error:
        logger.error("wrong settings", extra={"error": str(error), "reason_code": error.reason_code})
        return EXIT_USAGE
    except PostroomError as error:
        logger.error("cannot go on", extra={"error": str(error)})
        return EXIT_FAILED


def _run(name: str, settings: Settings, parts: Parts, stop: threading.Event) -> int:
    died: list[str] = []
    threads = [_start(loop_name, loop, stop, died) for loop_name, loop in parts.loops.items()]
    health = HealthServer(
        settings.http_host,
        settings.http_port,
        alive=lambda: _stalled(parts.loops),
        ready=lambda: _unready(parts),
        registry=metrics.REGISTRY,
    )
    health.start()
    logger.info("started", extra={"http_port": health.port, "loops": sorted(parts.loops)})
    stop.wait()
    logger.info("stopping", extra={"drain_s": settings.drain_s})
    late = _join(threads, settings.drain_s)
    health.stop()
    if late:
        logger.error("did not finish in time; the broker will deliver the rest again", extra={"loops": late})
    logger.info("stopped")
    return EXIT_FAILED if died or late else EXIT_OK


def _start(name: str, loop: Loop, stop: threading.Event, died: list[str]) -> threading.Thread:
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
                stop.set()

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


def _stop_on_signals(stop: threading.Event) -> None:
    def on_signal(number: int, _frame: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
