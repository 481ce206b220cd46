"""Who holds leases on the embedded broker, and whether that process is still there."""

import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

BEAT_S = 7.0
LEASE_S = 30.0
"""A session that holds leases and has not given a sign of life for so long loses them."""


@dataclass(frozen=True)
class Session:
    """One connection to the broker. `started` tells a process from a later one with the same pid."""

    id: int
    machine: str
    pid: int
    started: str
    beat_at: float


def machine() -> str:
    """Where pids of this process mean something: the host and, on Linux, the pid namespace."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{socket.gethostname()} {namespace}"


@lru_cache(maxsize=1)
def _own(pid: int) -> str:
    return start_mark(pid) or ""


def own_start_mark() -> str:
    """The start mark of this process."""
    return _own(os.getpid())


def start_mark(pid: int) -> str | None:
    """What tells a running process from others that had its pid; None if no such process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    try:
        # proc(5): the name, in brackets, may contain anything; state and start time are fields 3 and 22.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return None if fields[0] in "ZX" else fields[19]


def is_over(session: Session, *, here: str, now: float, holds_leases: bool) -> bool:
    """Whether what the session has goes back to the queues.

    At once when its process is gone. When it only gave no sign of life (stopped, or on another machine):
    after `LEASE_S`, and, if the process is known to be there, only when it keeps messages from others.
    """
    silent = now - session.beat_at > LEASE_S
    if session.machine != here:
        return silent
    mark = start_mark(session.pid)
    if mark is None or (mark and session.started and mark != session.started):
        return True
    return silent and holds_leases
