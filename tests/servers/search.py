"""Finding a server: the steps that are tried in order, and why each of them failed.

| step | what it takes |
|---|---|
| a URL in the environment | the variable of the server's module |
| programs on this machine | what the server's module looks for |
| a container | a Docker engine that answers (RabbitMQ and PostgreSQL only) |
| Debian packages | Debian, root, and a package mirror |

`POSTROOM_TEST_WITHOUT=rabbitmq,dovecot` leaves servers out as if no step led to them.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

WITHOUT_VARIABLE = "POSTROOM_TEST_WITHOUT"


class Missing(Exception):
    """A step did not lead to a server; the text says why."""


class NotFound(Exception):
    """No step led to the server. `reasons` has one pair of step and reason for each step tried."""

    def __init__(self, server: str, reasons: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{step}: {reason}" for step, reason in reasons))
        self.server = server
        self.reasons = reasons


class Server(Protocol):
    """What a step leads to: the handle for the tests, and how to be rid of the server."""

    @property
    def handle(self) -> Any:
        """The frozen value that tests are given."""

    def close(self) -> None:
        """End the server and remove its state; called once, at the end of the run."""


@dataclass(frozen=True)
class Borrowed:
    """A server that somebody else started and ends."""

    handle: Any

    def close(self) -> None:
        """Leave it as it is."""


@dataclass(frozen=True)
class Owned:
    """A server of this run, with what ends it."""

    handle: Any
    end: Callable[[], None]

    def close(self) -> None:
        """End it."""
        self.end()


# Given the server's own folder (which does not exist yet), gives the started server. Looking and
# starting are two steps, so that a test which only needs the programs does not wait for a start.
Start = Callable[[Path], Server]


@dataclass(frozen=True)
class Step:
    """One way to a server: its name for the report, and the look that raises `Missing`."""

    name: str
    look: Callable[[], Start]


def search(server: str, steps: tuple[Step, ...]) -> Start:
    """Take the first step that leads to the server.

    Raises:
        NotFound: None did.
    """
    if server in os.environ.get(WITHOUT_VARIABLE, "").replace(",", " ").split():
        raise NotFound(server, (("every step", f"left out by {WITHOUT_VARIABLE}"),))
    reasons = []
    for step in steps:
        try:
            return step.look()
        except Missing as missing:
            reasons.append((step.name, str(missing)))
    raise NotFound(server, tuple(reasons))


def from_environment(variable: str) -> str:
    """The URL in an environment variable.

    Raises:
        Missing: It is not set.
    """
    url = os.environ.get(variable, "")
    if not url:
        raise Missing(f"{variable} is not set")
    return url


def program(name: str) -> Path:
    """Where a program is: by its name on the search path, or by a pattern of its full path.

    Raises:
        Missing: It is nowhere.
    """
    if "/" in name:
        found = sorted(path for path in glob.glob(name) if os.access(path, os.X_OK))
        if found:
            return Path(found[-1])
    else:
        # Servers are often outside the search path of an ordinary user.
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
        on_path = shutil.which(name, path=path)
        if on_path is not None:
            return Path(on_path)
    raise Missing(f"{name} is not on this machine")
