"""`make containers`: builds the image, brings the compose project up and plays the round trip through it.

Exit code 0 if every step succeeded. Everything that was started is removed at the end, also after Ctrl-C; the
images stay, so that the next run has less to build.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.containers import checks, engine, images, round_trip
from tests.containers.command import Failed
from tests.containers.deployment import Deployment

TIME_LIMIT_S = 20 * 60
"""Whatever hangs, the run ends."""

CHECKS: tuple[tuple[str, Callable[[Deployment], str]], ...] = (
    ("metrics", checks.scraped),
    ("health", checks.healthy),
    ("privileges", checks.unprivileged),
    ("broker users", checks.least_privilege),
    ("accounts", checks.accounts_changed),
    ("secrets", checks.secrets_kept),
    ("drain", checks.drained),
)


def main() -> int:
    """Play all steps; returns the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(TIME_LIMIT_S)
    began = time.monotonic()
    try:
        _play()
    except (Failed, AssertionError, OSError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(f"The round trip went through the containers ({time.monotonic() - began:.0f} s in all).")
    return 0


def _play() -> None:
    steps = Steps()
    compose = engine.provide()
    steps.done("engine and base images", " ".join(compose))
    images.build()
    steps.done("images built", f"{images.size_megabytes(images.POSTROOM):.0f} MB")
    with tempfile.TemporaryDirectory(prefix="postroom-containers-") as folder:
        deployment = Deployment(compose, Path(folder))
        with _running(deployment):
            steps.done("compose up", deployment.name)
            deployment.wait_ready()
            steps.done("fetcher, processor, sender", "ready")
            for sentence in round_trip.play(deployment):
                steps.done("round trip", sentence)
            for name, check in CHECKS:
                steps.done(name, check(deployment))
        steps.done("compose down", "containers, networks and volumes removed")


@contextmanager
def _running(deployment: Deployment) -> Iterator[None]:
    deployment.prepare()
    try:
        deployment.up()
        yield
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt):
            print(deployment.failing_logs(), file=sys.stderr)
        raise
    finally:
        # A second Ctrl-C must not leave containers behind.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        deployment.down()
        signal.signal(signal.SIGINT, before)


class Steps:
    """Prints a line for each step with the time since the last."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def done(self, name: str, detail: str) -> None:
        """Say that a step is over."""
        now = time.monotonic()
        print(f"{now - self._last:7.1f} s  {name:28} {detail}", flush=True)
        self._last = now


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _too_late(_number: int, _frame: FrameType | None) -> None:
    raise Failed(f"it took longer than {TIME_LIMIT_S} s")


if __name__ == "__main__":
    sys.exit(main())
