"""Looks up the addresses of hosts, with a deadline: the system's resolver has none that we could set.

A lookup cannot be ended from outside, so each has a thread of its own, which whoever asked leaves behind when
the time is over. There are `MOST_LOOKUPS` of them at the same time, and one for each name however many ask:
a name server that is silent holds a bounded number of threads, and a name that is stuck holds one.
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

MOST_LOOKUPS = 16

Address = tuple[socket.AddressFamily, Any]
"""What `socket.socket` and its `connect` take."""

Resolve = Callable[[str, int], Sequence[Address]]
"""Asks, for as long as it takes. Raises as `socket.getaddrinfo`."""


def ask_system(host: str, port: int, flags: int = 0) -> Sequence[Address]:
    """The addresses of a host for TCP, as the system's resolver has them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _kind, _protocol, _name, address in found]


class Names:
    """Looks names up. Threads share it."""

    def __init__(self, resolve: Resolve = ask_system, most: int = MOST_LOOKUPS) -> None:
        self._resolve = resolve
        self._most = most
        self._changed = threading.Condition()
        self._running: dict[tuple[str, int], Future[Sequence[Address]]] = {}

    def addresses(self, host: str, port: int, timeout_s: float) -> Sequence[Address]:
        """The addresses of a host, the best one first.

        Raises:
            socket.gaierror: There is no such name; or, EAI_AGAIN, nobody could tell in time.
            UnicodeError: The host is no name.
        """
        try:
            return ask_system(host, port, socket.AI_NUMERICHOST)
        except socket.gaierror:
            until = time.monotonic() + timeout_s
        try:
            return self._lookup((host, port), until).result(max(0.0, until - time.monotonic()))
        except TimeoutError as error:
            raise socket.gaierror(
                socket.EAI_AGAIN, f"no name server has answered in {timeout_s:g} s"
            ) from error

    def _lookup(self, place: tuple[str, int], until: float) -> "Future[Sequence[Address]]":
        """The lookup that is under way, or a new one. Raises TimeoutError where there is no room for it."""
        with self._changed:
            while place not in self._running and len(self._running) >= self._most:
                if not self._changed.wait(max(0.0, until - time.monotonic())):
                    raise TimeoutError
            if place not in self._running:
                lookup: Future[Sequence[Address]] = Future()
                threading.Thread(target=self._run, args=(place, lookup), name="name", daemon=True).start()
                self._running[place] = lookup
            return self._running[place]

    def _run(self, place: tuple[str, int], lookup: "Future[Sequence[Address]]") -> None:
        try:
            lookup.set_result(self._resolve(*place))
        except Exception as error:
            lookup.set_exception(error)
        finally:
            with self._changed:
                del self._running[place]
                self._changed.notify_all()


NAMES = Names()
"""Those that this process looks up."""
