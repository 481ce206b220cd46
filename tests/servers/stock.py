"""All servers of one test run: each is looked for and started once, when first asked for."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.servers import containers, cyrus, dovecot, postfix, postgresql, rabbitmq
from tests.servers.debian import Debian
from tests.servers.missing import NotFound
from tests.servers.search import Recipe, Server, Start, search, search_programs

RECIPES: Mapping[str, Recipe] = {
    "rabbitmq": rabbitmq.RECIPE,
    "postgresql": postgresql.RECIPE,
    "dovecot": dovecot.RECIPE,
    "cyrus": cyrus.RECIPE,
    "postfix": postfix.RECIPE,
    "docker": containers.RECIPE,
}


class Stock:
    """The servers of a test run, and what is missing. `say` gets a sentence for the terminal."""

    def __init__(self, say: Callable[[str], None], recipes: Mapping[str, Recipe] = RECIPES) -> None:
        self._recipes = recipes
        self._debian = Debian(say)
        self._folder: Path | None = None
        self._numbers = itertools.count(1)
        self._starts: dict[str, Start | NotFound] = {}
        self._servers: dict[str, Server] = {}
        self._programs: dict[str, NotFound | None] = {}

    def look(self, name: str) -> Start:
        """Find out how the shared server is come by; the answer is kept.

        Raises:
            NotFound: It is not to be had.
        """
        if name not in self._starts:
            self._starts[name] = self._search(name)
        found = self._starts[name]
        if isinstance(found, NotFound):
            raise found
        return found

    def handle(self, name: str) -> Any:
        """The handle of the shared server, started if it is not yet.

        Raises:
            NotFound: It is not to be had.
            ServerFailed: It is there and does not start.
        """
        if name not in self._servers:
            self._servers[name] = self.look(name)()
        return self._servers[name].handle

    def programs(self, name: str) -> None:
        """Come by the programs of a server, for private ones.

        Raises:
            NotFound: They are not to be had.
        """
        if name not in self._programs:
            self._programs[name] = self._search_programs(name)
        failure = self._programs[name]
        if failure is not None:
            raise failure

    def folder(self, name: str) -> Path:
        """A path below the run's folder for a new server's state; nothing is there yet."""
        if self._folder is None:
            # Short, because of the limit on socket paths; not pytest's, which only we may enter.
            self._folder = Path(tempfile.mkdtemp(prefix="postroom-test-"))
            self._folder.chmod(0o711)
        return self._folder / f"{name}-{next(self._numbers)}"

    def missing(self) -> tuple[NotFound, ...]:
        """The servers that were asked for and are not to be had, by name."""
        failures = [found for found in self._starts.values() if isinstance(found, NotFound)]
        failures += [failure for failure in self._programs.values() if failure is not None]
        by_name = {failure.server: failure for failure in failures}
        return tuple(by_name[name] for name in sorted(by_name))

    def close(self) -> None:
        """End all servers and remove their state."""
        while self._servers:
            self._servers.popitem()[1].close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _search(self, name: str) -> Start | NotFound:
        try:
            return search(name, self._recipes[name], self._debian, self.folder(name))
        except NotFound as failure:
            return failure

    def _search_programs(self, name: str) -> NotFound | None:
        try:
            search_programs(name, self._recipes[name], self._debian)
        except NotFound as failure:
            return failure
        return None
