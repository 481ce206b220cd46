"""A server process of the tests: started under a watchdog, so that it never outlives the run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.servers.watchdog import Job
from tests.waiting import wait_until

LOG_TAIL_BYTES = 2_000
WATCHDOG = Path(__file__).with_name("watchdog.py")


class ServerFailed(Exception):
    """A server was found but did not start, or ended by itself; says the end of its log."""


@dataclass(frozen=True)
class Command:
    """How to start a server and how to end it.

    `folder` is the server's own folder; it is removed when the test run dies. `user` is the system
    user to run as (only root can), `grace_s` the seconds between the stop signal and SIGKILL.
    """

    arguments: Sequence[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: int = signal.SIGTERM
    grace_s: float = 10.0
    log_name: str = "server.log"

    @property
    def log(self) -> Path:
        """The file with the server's standard output and error."""
        return self.folder / self.log_name

    def job(self) -> str:
        """What the watchdog is told at first."""
        return json.dumps(
            asdict(
                Job(
                    command=list(self.arguments),
                    environment={**os.environ, **self.environment},
                    folder=str(self.folder),
                    log=str(self.log),
                    user=self.user,
                    stop_signal=self.stop_signal,
                    grace_s=self.grace_s,
                )
            )
        )


class Process:
    """A running server and its watchdog; ended by `stop` or `kill`, or with the test run."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", str(WATCHDOG)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C in the terminal is for the test run alone, which then ends its servers.
            start_new_session=True,
        )
        assert self._watchdog.stdin is not None
        assert self._watchdog.stdout is not None
        self._watchdog.stdin.write(command.job().encode() + b"\n")
        self._watchdog.stdin.flush()
        started = self._watchdog.stdout.readline()
        if not started:
            self._order("kill")
            raise ServerFailed(f"{command.arguments[0]} could not be started")
        self.pid = int(started)

    @property
    def running(self) -> bool:
        """Whether the server process, and so its watchdog, is still there."""
        return self._watchdog.poll() is None

    def stop(self) -> None:
        """End the server as an administrator would, and wait until it is gone."""
        self._order("stop")

    def kill(self) -> None:
        """End the server and all its processes with SIGKILL, and wait until they are gone."""
        self._order("kill")

    def wait_ready(self, ready: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait until the server answers.

        Raises:
            ServerFailed: It ended, or did not answer in time; then it is killed.
        """
        try:
            wait_until(lambda: not self.running or ready(), timeout_s, what)
        except AssertionError as error:
            self.kill()
            raise ServerFailed(f"{error}\n{self.log_tail()}") from error
        if not self.running:
            self.kill()
            raise ServerFailed(f"{what}: the server ended by itself\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The end of what the server printed."""
        return self.command.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")

    def _order(self, order: str) -> None:
        pipe, output = self._watchdog.stdin, self._watchdog.stdout
        assert pipe is not None
        assert output is not None
        with contextlib.suppress(BrokenPipeError):
            if not pipe.closed:
                pipe.write(order.encode() + b"\n")
                pipe.flush()
        self._watchdog.wait()
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
        output.close()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def accepts(port: int) -> bool:
    """Whether 127.0.0.1 takes a TCP connection on this port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def greets(port: int, greeting: bytes) -> bool:
    """Whether the server on 127.0.0.1 says this by itself within a second of the connection."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=1) as connection,
    ):
        return connection.recv(len(greeting)) == greeting
    return False


def remove(folder: Path) -> None:
    """Remove a folder whose last files a dying server may still be writing."""
    deadline = time.monotonic() + 5
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
