"""Looks up names with a deadline, which the system's resolver does not have."""

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

MOST_LOOKUPS = 16

Resolve = Callable[[str, int, float], Sequence[str]]
"""The addresses of a host and port, in so many seconds. Raises OSError, which TimeoutError is too."""

_ROOM = threading.BoundedSemaphore(MOST_LOOKUPS)


def resolve(host: str, port: int, timeout_s: float) -> Sequence[str]:
    """The system's answer. Raises OSError: there is none, or none in time."""
    if not _ROOM.acquire(timeout=timeout_s):
        raise TimeoutError("too many names are being looked up")
    found: Future[Sequence[str]] = Future()
    # A lookup cannot be ended from outside: whoever gives up leaves its thread behind.
    threading.Thread(target=_look_up, args=(host, port, found), name="name", daemon=True).start()
    return found.result(timeout_s)


def _look_up(host: str, port: int, found: "Future[Sequence[str]]") -> None:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found.set_result(list(dict.fromkeys(str(address[0]) for *_, address in answers)))
    except Exception as error:
        found.set_exception(error)
    finally:
        _ROOM.release()
