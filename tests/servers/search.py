"""Finding a server: the steps that are tried in order, and why each of them failed.

| step | what it takes |
|---|---|
| URL in the environment | the variables in the table of the server's module |
| programs on this machine | what the server's module looks for |
| container | a Docker engine that answers (RabbitMQ and PostgreSQL only) |
| Debian packages | Debian, root, and a package mirror |

`POSTROOM_TEST_WITHOUT=rabbitmq,dovecot` leaves servers out as if no step led to them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.servers.missing import Missing, NotFound

WITHOUT_VARIABLE = "POSTROOM_TEST_WITHOUT"


@dataclass(frozen=True)
class Server:
    """A server that a step led to: the frozen value that tests are given, and what ends it."""

    handle: Any
    close: Callable[[], None] = lambda: None


class Packages(Protocol):
    """What brings the programs of servers onto this machine."""

    def install(self) -> None:
        """Install all of them; raises `Missing` if that does not go."""


# Looking and starting are two steps: a test that only needs the programs waits for no start.
Start = Callable[[], Server]


@dataclass(frozen=True)
class Recipe:
    """How the tests come by one server; what is None is no way to it.

    Args:
        present: Raises `Missing` if its programs are not on this machine.
        start: Starts it from its programs, with its state in the given new folder.
        borrow: The handle for the URLs in the environment; raises `Missing` without them.
        container: Starts it in a container; raises `Missing` if that does not go.
        packaged: Whether a Debian package brings the programs.
    """

    present: Callable[[], object]
    start: Callable[[Path], Server]
    borrow: Callable[[], Any] | None = None
    container: Callable[[Path], Server] | None = None
    packaged: bool = True


def search(name: str, recipe: Recipe, packages: Packages, folder: Path) -> Start:
    """Take the first step that leads to the shared server called `name`.

    Raises:
        NotFound: None did.
    """
    steps: list[tuple[str, Callable[[], Start]]] = []
    if recipe.borrow is not None:
        steps.append(("URL in the environment", lambda: _borrowed(recipe)))
    steps.append(("programs on this machine", lambda: _programs(recipe, folder)))
    if recipe.container is not None:
        steps.append(("container", lambda: _contained(recipe, folder)))
    if recipe.packaged:
        steps.append(("Debian packages", lambda: _installed(recipe, packages, folder)))
    return _first(name, steps)


def search_programs(name: str, recipe: Recipe, packages: Packages) -> None:
    """Come by the programs of a server, to start private ones.

    Raises:
        NotFound: They are not here and cannot be installed.
    """
    nowhere = Path("/nonexistent")
    _first(
        name,
        [
            ("programs on this machine", lambda: _programs(recipe, nowhere)),
            ("Debian packages", lambda: _installed(recipe, packages, nowhere)),
        ],
    )


def _first(name: str, steps: list[tuple[str, Callable[[], Start]]]) -> Start:
    if name in os.environ.get(WITHOUT_VARIABLE, "").replace(",", " ").split():
        raise NotFound(name, (("every step", f"left out by {WITHOUT_VARIABLE}"),))
    reasons = []
    for step, look in steps:
        try:
            return look()
        except Missing as missing:
            reasons.append((step, str(missing)))
    raise NotFound(name, tuple(reasons))


def _borrowed(recipe: Recipe) -> Start:
    assert recipe.borrow is not None
    server = Server(recipe.borrow())
    return lambda: server


def _programs(recipe: Recipe, folder: Path) -> Start:
    recipe.present()
    return lambda: recipe.start(folder)


def _contained(recipe: Recipe, folder: Path) -> Start:
    assert recipe.container is not None
    # Started at once: whether its image is to be had shows only then.
    server = recipe.container(folder)
    return lambda: server


def _installed(recipe: Recipe, packages: Packages, folder: Path) -> Start:
    packages.install()
    return _programs(recipe, folder)


def from_environment(variable: str) -> str:
    """The URL in an environment variable.

    Raises:
        Missing: It is not set.
    """
    url = os.environ.get(variable, "")
    if not url:
        raise Missing(f"{variable} is not set")
    return url


def program(*places: str) -> Path:
    """Where a program is: the first place that leads to one.

    A place is a name on the search path, or a pattern of full paths, of which the last is taken.

    Raises:
        Missing: It is in none of them.
    """
    found = next((path for place in places for path in _executables(place)), None)
    if found is None:
        raise Missing(f"{' or '.join(places)} is not on this machine")
    return found


def _executables(place: str) -> Iterator[Path]:
    if place.startswith("/"):
        paths = sorted(Path("/").glob(place[1:]), reverse=True)
        yield from (path for path in paths if os.access(path, os.X_OK))
    else:
        # Servers are often outside the search path of an ordinary user.
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
        on_path = shutil.which(place, path=path)
        if on_path is not None:
            yield Path(on_path)
