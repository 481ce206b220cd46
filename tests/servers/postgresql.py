"""PostgreSQL for the tests: one shared server per run, and private ones for fault tests.

| variable | what it holds |
|---|---|
| `POSTROOM_TEST_POSTGRESQL_URL` | `postgresql://user:password@host:port/db`, may create databases |
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg

from tests.servers import containers
from tests.servers.node import Node
from tests.servers.process import Command, Process, free_port
from tests.servers.search import Recipe, Server, from_environment, program

URL_VARIABLE = "POSTROOM_TEST_POSTGRESQL_URL"
IMAGE = "postgres:17"
INITDB_OPTIONS = ["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"]
START_TIMEOUT_S = 60.0
PROGRAMS = ("/usr/lib/postgresql/*/bin/{}", "{}")


@dataclass(frozen=True)
class Postgresql:
    """A reachable server. `url` is that of its administrator, for SQLAlchemy with psycopg 3."""

    url: str

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The URL of a fresh database, dropped at the end whoever is still connected.

        It is empty, or what `template` is, a database (by name) to which nobody is connected.
        """
        name = f"test_{uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            parts = urlsplit(self.url)
            yield urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, ""))
        finally:
            self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        """Run one statement as the administrator, outside of a transaction."""
        plain = self.url.replace("+psycopg", "", 1)
        with contextlib.closing(psycopg.connect(plain, autocommit=True)) as connection:
            connection.execute(statement.encode())


class PostgresqlNode(Node):
    """A private PostgreSQL server."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = free_port()
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._initialise()

    @property
    def server(self) -> Postgresql:
        """The handle with the server's URL."""
        return Postgresql(f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres")

    def close(self) -> None:
        """End the server and remove its folder."""
        # In order, because a killed server leaves shared memory behind.
        self.stop()
        super().close()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _initialise(self) -> None:
        self._data.mkdir(parents=True)
        if self._user is not None:
            shutil.chown(self.folder, self._user)
            shutil.chown(self._data, self._user)
        done = subprocess.run(
            [str(_program("initdb")), "-D", str(self._data), *INITDB_OPTIONS],
            cwd=self.folder,
            user=self._user,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def _launch(self) -> Process:
        arguments = [str(_program("postgres")), "-D", str(self._data), "-p", str(self._port)]
        arguments += ["-h", "127.0.0.1", "-k", str(self.folder)]
        # SIGINT is the fast shutdown; what SIGTERM does waits for the clients to leave.
        command = Command(arguments, self.folder, user=self._user, stop_signal=signal.SIGINT)
        process = Process(command)
        process.wait_ready(self._ready, START_TIMEOUT_S, "PostgreSQL to take connections")
        return process

    def _ready(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.server.execute("SELECT 1")
            return True
        return False


def present() -> None:
    """Say nothing if the programs of a server are on this machine.

    Raises:
        Missing: Which one is not.
    """
    _program("initdb")
    _program("postgres")


def _start(folder: Path) -> Server:
    node = PostgresqlNode(folder)
    node.start()
    return Server(node.server, node.close)


def _borrow() -> Postgresql:
    return Postgresql("postgresql+psycopg:" + from_environment(URL_VARIABLE).partition(":")[2])


def _contain(folder: Path) -> Server:
    containers.engine()
    image = containers.container_class("testcontainers.community.postgres", "PostgresContainer")
    container = image(IMAGE, driver="psycopg")
    end = containers.start(container, folder)
    return Server(Postgresql(container.get_connection_url()), end)


def _program(name: str) -> Path:
    return program(*(place.format(name) for place in PROGRAMS))


RECIPE = Recipe(present, _start, borrow=_borrow, container=_contain)
