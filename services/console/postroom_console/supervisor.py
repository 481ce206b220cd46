"""Keeps programs running: starts them (again), passes on what they print, ends them."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

STEADY_S = 60.0
"""Who ran longer than this before it ended counts as healthy: the next start comes without delay growth."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0

Sink = Callable[[str, str], None]
"""Takes a program's name and one line that it printed; called from several threads."""


@dataclass(frozen=True)
class Program:
    """A module to run with `python -m`, with its environment in addition to ours."""

    name: str
    module: str
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def pause_s(failures: int, jitter: float) -> float:
    """Seconds before the start after that many failures in a row (1, 2, …); `jitter` is from 0 to 1."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + jitter / 2)


def ending(code: int) -> str:
    """How a process ended, in words, from its exit code."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


class Supervisor:
    """Keeps programs running until `stop`.

    Args:
        lines: Gets every line that a program prints.
        notes: Gets a sentence about each program that ended by itself, by the program's name.
    """

    def __init__(self, lines: Sink, notes: Sink) -> None:
        self._lines = lines
        self._notes = notes
        self._keepers: list[_Keeper] = []

    def start(self, program: Program) -> None:
        """Start a program and keep it running."""
        keeper = _Keeper(program, self._lines, self._notes)
        self._keepers.append(keeper)
        keeper.start()

    def pid(self, name: str) -> int | None:
        """The process that runs this program at the moment; None between two of them."""
        return next(keeper.pid for keeper in self._keepers if keeper.name == name)

    def stop(self, drain_s: float) -> tuple[str, ...]:
        """Ask all to stop, wait so long, kill the rest; the names of those that had to be killed."""
        for keeper in self._keepers:
            keeper.send(signal.SIGTERM)
        deadline = time.monotonic() + drain_s
        late = [
            keeper.name for keeper in self._keepers if not keeper.join(max(0.0, deadline - time.monotonic()))
        ]
        self.kill()
        for keeper in self._keepers:
            keeper.join(None)
        return tuple(late)

    def kill(self) -> None:
        """End all at once."""
        for keeper in self._keepers:
            keeper.send(signal.SIGKILL)


class _Keeper:
    """One program and the thread that keeps it running."""

    def __init__(self, program: Program, lines: Sink, notes: Sink) -> None:
        self.name = program.name
        self._program = program
        self._lines = lines
        self._notes = notes
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._keep, name=f"keep {self.name}", daemon=True)

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process and process.returncode is None else None

    def start(self) -> None:
        self._thread.start()

    def send(self, number: signal.Signals) -> None:
        """Let it end with this signal, and do not start it again."""
        with self._lock:
            self._stop.set()
            if self._process is not None:
                self._process.send_signal(number)

    def join(self, timeout_s: float | None) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _keep(self) -> None:
        failures = 0
        while (process := self._begin()) is not None:
            began = time.monotonic()
            code = self._follow(process)
            if self._stop.is_set():
                return
            failures = 1 if time.monotonic() - began > STEADY_S else failures + 1
            wait_s = pause_s(failures, random.random())  # noqa: S311 - spreads load, no secret
            self._notes(self.name, f"{ending(code)}; it is started again in {wait_s:.1f} s")
            self._stop.wait(wait_s)

    def _begin(self) -> subprocess.Popen[str] | None:
        program = self._program
        with self._lock:
            if self._stop.is_set():
                return None
            self._process = subprocess.Popen(
                [sys.executable, "-m", "postroom_console.leash", program.module, *program.arguments],
                env={**os.environ, "PYTHONUNBUFFERED": "1", **program.environment},
                # The write end of this pipe is the leash: it closes when this process is gone.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="backslashreplace",
                # Ctrl-C in the terminal is for the supervisor alone, which then asks its programs to stop.
                process_group=0,
            )
            return self._process

    def _follow(self, process: subprocess.Popen[str]) -> int:
        assert process.stdout is not None
        assert process.stdin is not None
        with process.stdout, process.stdin:
            for line in process.stdout:
                self._lines(self.name, line.rstrip("\n"))
            return process.wait()
