"""TCP ports that nobody listens on at the moment."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

LOOPBACK = "127.0.0.1"


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """From choosing ports until they are listened on, for all stacks on this machine.

    Two that start at once would both find the same ports free.
    """
    # The folder itself is locked: a file would have to stay there.
    folder = os.open(tempfile.gettempdir(), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def free_port() -> int:
    """A free port of the loopback address, chosen by the system."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def choose_ports(host: str, first: int, count: int) -> Sequence[int]:
    """`count` ports from `first` on, each replaced by a free one where somebody listens already."""
    wished = [first + offset if first else 0 for offset in range(count)]
    return [port if port and _is_free(host, port) else free_port() for port in wished]


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        # As http.server does: the remains of closed connections do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError):
            return False
    return True
