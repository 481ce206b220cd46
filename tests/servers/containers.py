"""Servers in containers, through testcontainers, where a Docker engine answers.

Each container has a guard: a process under the tests' watchdog that removes the container when it
is told to stop, or when the test run dies. So no image but the server's own is needed.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers.missing import Missing
from tests.servers.process import Command, Process, remove
from tests.servers.search import Recipe, Server

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

GUARD = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("ready", flush=True)
import docker
client = docker.from_env()
signal.sigwait([signal.SIGTERM])
client.containers.get(sys.argv[1]).remove(force=True, v=True)
"""


def engine() -> None:
    """Say nothing if a Docker engine answers.

    Raises:
        Missing: It does not, with the reason.
    """
    with warnings.catch_warnings():
        # A client that finds no engine leaves its socket open: gone here, it disturbs no test.
        warnings.simplefilter("ignore", ResourceWarning)
        obstacle = _obstacle()
        gc.collect()
    if obstacle is not None:
        raise Missing(f"no Docker engine answers ({obstacle})")


def _obstacle() -> str | None:
    from testcontainers.core.docker_client import DockerClient

    try:
        # Making a client asks the engine for its version.
        DockerClient(timeout=5).client.close()
    except Exception as error:
        return _short(error)
    return None


def container_class(module: str, name: str) -> Any:
    """A class of testcontainers; some of its modules warn of their own age when imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return getattr(importlib.import_module(module), name)


def start(container: DockerContainer, folder: Path) -> Callable[[], None]:
    """Start a container; what is returned ends it. `folder` is for its guard.

    Raises:
        Missing: Its image is not to be had, or it did not start.
    """
    from testcontainers.core.config import testcontainers_config

    if "TESTCONTAINERS_RYUK_DISABLED" not in os.environ:
        # The guard does the reaper's work, without an image of its own.
        testcontainers_config.ryuk_disabled = True
    try:
        container.start()
    except Exception as error:
        container.stop()
        raise Missing(f"{container.image} did not start ({_short(error)})") from error
    folder.mkdir(parents=True)
    guard = _guard(container.get_wrapped_container().id or "", folder)

    def end() -> None:
        guard.stop()
        remove(folder)

    return end


def _guard(container: str, folder: Path) -> Process:
    arguments = [sys.executable, "-c", GUARD, container]
    process = Process(Command(arguments, folder, stop_signal=signal.SIGTERM, grace_s=20))
    process.wait_ready(lambda: "ready" in process.log_tail(), 20, "the container's guard")
    return process


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


RECIPE = Recipe(engine, lambda _folder: Server(None), packaged=False)
