"""Builds the image that is deployed, and the mail server's of the test."""

from __future__ import annotations

from tests.containers.command import run
from tests.containers.engine import ROOT, image

POSTROOM = "postroom:containers-test"
MAIL = "postroom-mail:containers-test"
BUILD_TIMEOUT_S = 600.0


def build() -> None:
    """Build both; layers of an earlier run are used again."""
    _build(POSTROOM, "deploy/Dockerfile")
    _build(MAIL, "tests/containers/Dockerfile.mail")


def size_megabytes(name: str) -> float:
    """The size of an image."""
    return int(run(["docker", "image", "inspect", "--format", "{{.Size}}", name])) / 1e6


def _build(tag: str, dockerfile: str) -> None:
    run(
        [
            *("docker", "build", "--tag", tag, "--file", str(ROOT / dockerfile)),
            # The network of the host: a build reaches the package index the way this machine does.
            *("--network", "host", "--build-arg", f"BASE_IMAGE={image('POSTROOM_BASE_IMAGE')}"),
            str(ROOT),
        ],
        timeout_s=BUILD_TIMEOUT_S,
    )
