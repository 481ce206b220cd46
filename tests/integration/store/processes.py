"""Other processes that work on the same store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def start(job: str, url: str, argument: str = "") -> subprocess.Popen[str]:
    """A process that does one of the jobs of `workers`."""
    command = [sys.executable, "-m", "tests.integration.store.workers", job, url, argument]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def finish(*processes: subprocess.Popen[str]) -> list[tuple[int, str]]:
    """Exit code and last words of each."""
    ended = []
    for process in processes:
        words = process.communicate(timeout=60)[1]
        ended.append((process.returncode, words))
    return ended
