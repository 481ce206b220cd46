"""A server's parent process, which lives no longer than the test run and leaves nothing behind.

Run as a program: the first line of its standard input is a JSON object with the fields of `Job` (no argument:
its environment may hold secrets). It starts the command and writes the command's pid to standard output. Then
it waits for another line: `stop` (the stop signal, then SIGKILL when the grace is over) or `kill` (SIGKILL).
The end of the input, or another parent than at the start, means that the test run is dead, however
it died: as `stop`, and the job's folder is removed too.

It needs no code of the project, so it starts in a few milliseconds. On Linux it is a subreaper:
processes that detach themselves from the server become its children and are ended as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
POLL_S = 0.05
PARENT_CHECK_S = 0.5


@dataclass(frozen=True)
class Job:
    """What to run and how to end it."""

    command: list[str]
    environment: dict[str, str]
    folder: str
    log: str
    user: str | None
    stop_signal: int
    grace_s: float


def main() -> None:
    """Run the job in the first line of the input until the input says stop, or ends."""
    job = Job(**json.loads(_first_line()))
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    _adopt_orphans()
    parent = os.getppid()
    server = _start(job)
    print(server.pid, flush=True)
    order = _order(server, parent)
    if order != "kill" and server.poll() is None:
        _stop_gently(server, job)
    _kill_all(server)
    if order == "orphaned":
        _remove(Path(job.folder))


def _first_line() -> bytes:
    # Without a buffer, which would take the order after it as well.
    with open(0, "rb", buffering=0, closefd=False) as given:
        return given.readline()


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _start(job: Job) -> subprocess.Popen[bytes]:
    with Path(job.log).open("ab") as log:
        return subprocess.Popen(
            job.command,
            env=job.environment,
            cwd=job.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            restore_signals=True,
            preexec_fn=_default_signals,
            user=job.user,
            group=None if job.user is None else _group_of(job.user),
            extra_groups=None if job.user is None else [],
        )


def _default_signals() -> None:
    # What is ignored stays ignored in a new program, and the server has to hear its stop signal.
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_DFL)


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _order(server: subprocess.Popen[bytes], parent: int) -> str:
    """Wait for what to do: `stop`, `kill`, or `orphaned`; `gone` when the server ended by itself."""
    while True:
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], PARENT_CHECK_S)
        if readable:
            return os.read(sys.stdin.fileno(), 64).decode().strip() or "orphaned"
        if os.getppid() != parent:
            return "orphaned"
        if server.poll() is not None:
            return "gone"


def _stop_gently(server: subprocess.Popen[bytes], job: Job) -> None:
    server.send_signal(job.stop_signal)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(timeout=job.grace_s)


def _kill_all(server: subprocess.Popen[bytes]) -> None:
    """Kill every process below this one, also those that detached themselves, and reap them."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    while _reap():
        for pid in _descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_S)


def _reap() -> bool:
    """Take the exit states of ended children; whether there are children left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descendants(ancestor: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, in brackets, may contain anything; the parent is the second field after it.
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found: list[int] = []
    waiting = [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    # The run's own folder goes with the last of its servers' folders.
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


if __name__ == "__main__":
    main()
