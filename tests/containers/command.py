"""Running other programs: their output is for us, and shown only when they fail."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

TAIL_LINES = 40


class Failed(Exception):
    """A step of the test did not succeed; the text says what and shows the end of the output."""


def run(
    arguments: Sequence[str],
    *,
    timeout_s: float = 60.0,
    environment: Mapping[str, str] | None = None,
    typed: str = "",
) -> str:
    """Run a program to its end, with `typed` as its standard input, and return its standard output.

    Raises:
        Failed: It is not there, took too long or had another exit code than 0.
    """
    shown = " ".join(arguments)
    try:
        done = subprocess.run(
            arguments,
            env=environment,
            input=typed,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
    except FileNotFoundError as error:
        raise Failed(f"{arguments[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{shown}: did not end within {timeout_s:g} s") from error
    if done.returncode != 0:
        raise Failed(f"{shown}: exit code {done.returncode}\n{tail(done.stdout + done.stderr)}")
    return done.stdout


def succeeds(arguments: Sequence[str], *, timeout_s: float = 30.0) -> bool:
    """Whether a program is there and ends with exit code 0."""
    try:
        run(arguments, timeout_s=timeout_s)
    except Failed:
        return False
    return True


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """The last lines of a text."""
    return "\n".join(text.strip().splitlines()[-lines:])
