"""The services on this machine: store and broker made ready, processes started, watched, ended."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Mapping
from http.client import HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import urlopen

from postroom.errors import Misconfigured, Transient
from postroom.settings import PREFIX, Settings
from postroom.topology import topology
from postroom_console.ports import LOOPBACK, choose_ports, one_at_a_time
from postroom_console.services import MODULES
from postroom_console.store import migrate_settings
from postroom_console.supervisor import Program, Sink, Supervisor
from postroom_console.topology import apply_topology

READY_S = 45.0
KILL_AFTER_S = 3.0
LISTENING_S = 15.0
_SILENT = "it does not answer yet"
_NOT_OURS = "another program answers at its port"


class Stack:
    """Fetcher, processor, sender and notifier under one supervisor.

    Args:
        settings: Those of the services.
        environment: What the services get on top of our environment.
        lines: Gets every line that a service logs.
        notes: Hears of each service that ended by itself.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str], lines: Sink, notes: Sink) -> None:
        self._settings = settings
        self._environment = environment
        self._supervisor = Supervisor(lines, notes)
        self._lock: IO[str] | None = None
        self.urls: dict[str, str] = {}

    def claim(self) -> None:
        """Make the data folder, and be the only stack that runs in it.

        Raises:
            Misconfigured: Another one does.
        """
        data_dir = self._settings.data_dir
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _locked(data_dir / "up.lock")

    def prepare(self) -> None:
        """Make store and broker ready.

        Raises:
            Misconfigured: Store or broker refuse us.
            Transient: Store or broker are away.
        """
        migrate_settings(self._settings)
        apply_topology(self._settings, topology(self._settings.shards))

    def start(self) -> None:
        """Start the services, until they listen; store and broker are ready."""
        with one_at_a_time():
            self._start()
            self._wait(LISTENING_S, _is_silent)

    def _start(self) -> None:
        host = self._settings.http_host if "http_host" in self._settings.model_fields_set else LOOPBACK
        ports = choose_ports(host, self._settings.http_port, len(MODULES))
        for (name, module), port in zip(MODULES.items(), ports, strict=True):
            own = {f"{PREFIX}HTTP_HOST": host, f"{PREFIX}HTTP_PORT": str(port)}
            shared = {
                f"{PREFIX}DATA_DIR": str(self._settings.data_dir.absolute()),
                f"{PREFIX}LOG_FORMAT": self._log_format(),
            }
            self.urls[name] = f"http://{LOOPBACK if host == '0.0.0.0' else host}:{port}"  # noqa: S104
            environment = {**shared, **own, **self._environment}
            self._supervisor.start(Program(name, module, environment=environment))

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Wait until every service says that it can work.

        Raises:
            Transient: One does not; the text says what it lacks.
        """
        name, fault = self._wait(timeout_s, bool)
        if fault:
            raise Transient(f"the {name} is not ready after {timeout_s:.0f} s: {fault}")

    def _wait(self, timeout_s: float, goes_on: Callable[[str], bool]) -> tuple[str, str]:
        """Wait while any service has such a fault; the service and what it lacks when the time is over."""
        deadline = time.monotonic() + timeout_s
        name = fault = ""
        for name, url in self.urls.items():
            while goes_on(fault := _fault(url, self.pid(name))):
                if time.monotonic() > deadline:
                    return name, fault
                time.sleep(0.05)
        return name, ""

    def pid(self, name: str) -> int | None:
        """The process of a service."""
        return self._supervisor.pid(name)

    def stop(self) -> tuple[str, ...]:
        """Let the services finish what they have in hand; the names of those that had to be killed."""
        late = self._supervisor.stop(self._settings.drain_s + KILL_AFTER_S)
        if self._lock:
            self._lock.close()
        return late

    def kill(self) -> None:
        """End the services at once."""
        self._supervisor.kill()

    def _log_format(self) -> str:
        return self._settings.log_format if "log_format" in self._settings.model_fields_set else "text"


def _is_silent(fault: str) -> bool:
    return fault in (_SILENT, _NOT_OURS)


def _fault(url: str, pid: int | None) -> str:
    """What the service with this process id lacks; empty when it is ready."""
    try:
        with _answer(url) as answer:
            status, page = answer.status, json.loads(answer.read())
        if page["pid"] != pid:
            return _NOT_OURS
        return "; ".join(f"{name}: {fault}" for name, fault in page["faults"].items())
    except (ValueError, KeyError, TypeError):
        return f"/readyz answers {status}"
    except OSError:
        return _SILENT


def _answer(url: str) -> HTTPResponse | HTTPError:
    try:
        answer: HTTPResponse = urlopen(f"{url}/readyz", timeout=2)  # noqa: S310 - our own http URL
    except HTTPError as error:
        return error
    return answer


def _locked(path: Path) -> IO[str]:
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise Misconfigured(
            "running", f"another `postroom up` (process {holder}) runs in {path.parent}: end it first"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
