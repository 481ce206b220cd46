"""What must be there before anything can be built: a Docker engine, Compose, and the base images."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.containers.command import Failed, run, succeeds

ROOT = Path(__file__).parents[2]
STAND_INS = ROOT.parent / "shared" / "tools" / "stand-in-images"
PULL_TIMEOUT_S = 300.0
STAND_INS_TIMEOUT_S = 900.0

COMPOSE = (("docker", "compose"), ("docker-compose",))

# The kind of stand-in for each image that deploy/compose.yaml names by a variable.
KINDS = {
    "POSTROOM_BASE_IMAGE": "python",
    "RABBITMQ_IMAGE": "rabbitmq",
    "POSTGRES_IMAGE": "postgres",
    "PROMETHEUS_IMAGE": "prometheus",
}


def image(variable: str) -> str:
    """The image behind a variable of the compose file: from the environment, else the file's default."""
    compose = (ROOT / "deploy" / "compose.yaml").read_text()
    defaults = dict(re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", compose))
    return os.environ.get(variable) or defaults[variable]


def provide() -> tuple[str, ...]:
    """Make sure that engine and images are there; returns the command of Compose.

    Raises:
        Failed: Something is missing and cannot be had; says what.
    """
    if not _engine_answers():
        _stand_in("No Docker engine answers (docker version)")
    missing = [pair for pair in _pairs() if not _present_or_pulled(pair[0])]
    if missing:
        names = ", ".join(name for name, _ in missing)
        _stand_in(f"These images are neither here nor to be pulled: {names}", *missing)
    for command in COMPOSE:
        if succeeds([*command, "version"]):
            return command
    raise Failed("Docker Compose is missing: install its plugin (docker compose) or docker-compose 1.29")


def _pairs() -> list[tuple[str, str]]:
    return [(image(variable), kind) for variable, kind in KINDS.items()]


def _engine_answers() -> bool:
    return succeeds(["docker", "version", "--format", "{{.Server.Version}}"])


def _present_or_pulled(name: str) -> bool:
    return succeeds(["docker", "image", "inspect", name]) or succeeds(
        ["docker", "pull", "--quiet", name], timeout_s=PULL_TIMEOUT_S
    )


def _stand_in(lack: str, *images: tuple[str, str]) -> None:
    if not STAND_INS.exists():
        raise Failed(f"{lack}, and there is nothing that could supply it on this machine")
    run(
        [str(STAND_INS), *(f"{name}={kind}" for name, kind in images or _pairs())],
        timeout_s=STAND_INS_TIMEOUT_S,
    )
