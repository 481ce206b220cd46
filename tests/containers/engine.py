"""What must be there before anything can be built: a Docker engine, Compose, and the base images."""

from __future__ import annotations

import os
from pathlib import Path

from tests.containers.command import Failed, run, succeeds

ROOT = Path(__file__).parents[2]
STAND_INS = ROOT.parent / "shared" / "tools" / "stand-in-images"
PULL_TIMEOUT_S = 300.0
STAND_INS_TIMEOUT_S = 900.0

COMPOSE = (("docker", "compose"), ("docker-compose",))

# The variable that names another image (as in deploy/compose.yaml), the image, and the kind of its stand-in.
IMAGES = (
    ("POSTROOM_BASE_IMAGE", "python:3.12-slim-bookworm", "python"),
    ("RABBITMQ_IMAGE", "rabbitmq:4-management", "rabbitmq"),
    ("POSTGRES_IMAGE", "postgres:17", "postgres"),
    ("PROMETHEUS_IMAGE", "prom/prometheus:v3.5.0", "prometheus"),
)


def image(variable: str) -> str:
    """The image that the deployment uses, by the name of its variable."""
    default = next(name for known, name, _ in IMAGES if known == variable)
    return os.environ.get(variable) or default


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
    return [(image(variable), kind) for variable, _, kind in IMAGES]


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
