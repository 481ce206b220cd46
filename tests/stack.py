"""A running Postroom for tests: the real services as processes of their own."""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from postroom import topology
from postroom.broker import declare
from postroom.store import Store
from tests.accounts import keep_accounts
from tests.servers.process import Command, Process, free_port
from tests.tables import migrate
from tests.waiting import wait_until

SERVICES = ("processor", "sender", "fetcher")
SHARDS = 2
READY_TIMEOUT_S = 40.0
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class Stack:
    """Fetcher, processor and sender on one broker and one store.

    `accounts` are entries of the accounts file; a password is given as it is and handed over by reference.
    """

    folder: Path
    broker_url: str
    store_url: str
    accounts: Sequence[Mapping[str, Any]]
    environment: Mapping[str, str] = field(default_factory=dict)
    running: dict[str, Process] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    _secrets: dict[str, str] = field(default_factory=dict)

    @classmethod
    def embedded(cls, folder: Path, accounts: Sequence[Mapping[str, Any]]) -> Stack:
        """On the embedded broker and SQLite."""
        return cls(
            folder, f"embedded:///{folder}/broker.sqlite3", f"sqlite:///{folder}/store.sqlite3", accounts
        )

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        with closing(self.store()) as store:
            migrate(store)
        declare.apply(self.broker_url, topology.topology(SHARDS))
        self.apply_accounts()
        self.start(*SERVICES)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.running.values():
            process.stop()

    def apply_accounts(self) -> None:
        """Bring the accounts into the store, as `postroom apply` does; nobody is told."""
        entries = [_by_reference(dict(entry), self._secrets) for entry in self.accounts]
        with closing(self.store()) as store:
            if entries:
                keep_accounts(store, entries)

    def start(self, *names: str) -> None:
        """Start the services and wait until they are ready."""
        environment = self.settings()
        for name in names:
            self.ports[name] = free_port()
            folder = self.folder / name
            folder.mkdir(exist_ok=True)
            own = {**environment, "POSTROOM_HTTP_PORT": str(self.ports[name])}
            command = [sys.executable, "-m", f"postroom_{name}"]
            self.running[name] = Process(Command(command, folder, own, grace_s=25.0))
        for name in names:
            process = self.running[name]
            process.wait_ready(lambda name=name: self.ready(name), READY_TIMEOUT_S, f"{name} to be ready")  # type: ignore[misc]

    def stop(self, name: str) -> None:
        """Stop a service as a rollout would."""
        self.running.pop(name).stop()

    def kill(self, name: str) -> None:
        """Kill a service with SIGKILL."""
        self.running.pop(name).kill()

    def ready(self, name: str) -> bool:
        """Whether the service says it is ready."""
        with suppress(OSError, urllib.error.URLError):
            return bool(json.loads(self.page(name, "readyz"))["ok"])
        return False

    def log(self, name: str) -> str:
        """What the service has logged."""
        return (self.folder / name / "server.log").read_text(errors="replace")

    def metric(self, service: str, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        total = 0.0
        for line in self.page(service, "metrics").splitlines():
            match = _SAMPLE.match(line)
            if match and match.group(1) == name:
                found = dict(_LABEL.findall(match.group(2) or ""))
                total += float(match.group(3)) if labels.items() <= found.items() else 0.0
        return total

    def store(self) -> Store:
        """The store, for a look into it."""
        return Store(self.store_url)

    def wait_for_outcomes(self, count: int, timeout_s: float) -> None:
        """Wait until so many mails have their outcome."""
        wait_until(lambda: self.outcomes() >= count, timeout_s, f"{count} outcomes", interval_s=0.2)

    def outcomes(self) -> int:
        """How many mails have their outcome, besides the copies of what Postroom sent."""
        query = "SELECT count(*) FROM mails WHERE outcome <> 'own'"
        with closing(self.store()) as store, store.read() as connection:
            return int(connection.exec_driver_sql(query).scalar() or 0)

    def page(self, service: str, page: str) -> str:
        """What one of the service's own pages says."""
        url = f"http://127.0.0.1:{self.ports[service]}/{page}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bytes(answer.read()).decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def settings(self) -> dict[str, str]:
        """The environment of the services; with it a command works on the same store and broker."""
        return {
            "POSTROOM_DATA_DIR": str(self.folder),
            "POSTROOM_BROKER_URL": self.broker_url,
            "POSTROOM_STORE_URL": self.store_url,
            "POSTROOM_SHARDS": str(SHARDS),
            "POSTROOM_HTTP_HOST": "127.0.0.1",
            **self._secrets,
            **self.environment,
        }


def _by_reference(entry: dict[str, Any], secrets: dict[str, str]) -> dict[str, Any]:
    for side in ("imap", "smtp"):
        password = (entry.get(side) or {}).get("password")
        if password:
            name = f"TEST_{entry['name']}_{side}".upper().replace("-", "_")
            secrets[name] = password
            entry[side] = {**entry[side], "password": f"env:{name}"}
    return entry
