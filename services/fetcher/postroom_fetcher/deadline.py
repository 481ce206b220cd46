"""Hard deadlines: what takes too long has its connection closed under its hands.

A socket's own timeout bounds the silence of a server and not the time it takes: one byte every few seconds
would hold a thread for ever. Here one thread for the whole process closes the sockets of what is overdue.
Nearly all work ends in time, so it costs that thread nothing: it wakes when the oldest deadline has come.
"""

import math
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from postroom_fetcher.fault import Place, Unavailable


@dataclass(frozen=True)
class Patience:
    """How long a server may take, in seconds.

    Args:
        silence_s: Without a byte, during a command.
        command_s: For a whole command, however busily it talks. 256 KiB, the largest part of a mail that is
            asked for at once, come in time over 20 kbit/s.
        sign_of_life_s: Without a byte, where a connection is asked whether it still lives; a router that
            forgot it does not say so.
        connect_s: Until the host's addresses are known; then without a byte, while the connection is made,
            for each address and for the greeting.
        opening_s: For each step on the way to a session. Servers delay the answer to a wrong password.
    """

    silence_s: float = 30.0
    command_s: float = 120.0
    sign_of_life_s: float = 10.0
    connect_s: float = 10.0
    opening_s: float = 60.0


PATIENCE = Patience()
"""What servers are given, tests excepted."""


class Deadlines:
    """Watches over what is under way. Threads share it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition(threading.Lock())
        self._running: dict[int, Deadline] = {}
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None

    def within(self, connection: socket.socket, seconds: float, place: Place, doing: str) -> "Deadline":
        """For `with`: after so many seconds the connection is shut down, and what it led to is `too_slow`.

        Raises (at the end of the block):
            Unavailable: The block failed, and its time was over.
        """
        return Deadline(self, connection, seconds, place, doing)

    def enter(self, deadline: "Deadline") -> float:
        """Begin to watch over it; returns the time."""
        now = self._monotonic()
        deadline.due = due = now + deadline.seconds
        with self._changed:
            self._running[id(deadline)] = deadline
            if due < self._wakes_at:
                self._wakes_at = due
                self._wake()
        return now

    def leave(self, deadline: "Deadline") -> float:
        """Watch over it no more; returns the time."""
        with self._changed:
            self._running.pop(id(deadline), None)
        return self._monotonic()

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
            self._thread.start()
        else:
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while True:
                now = self._monotonic()
                for deadline in [each for each in self._running.values() if each.due <= now]:
                    del self._running[id(deadline)]
                    # With the lock held: nobody can be done with the connection and close it meanwhile.
                    deadline.expire()
                self._wakes_at = min((each.due for each in self._running.values()), default=math.inf)
                self._changed.wait(None if self._wakes_at == math.inf else self._wakes_at - now)


class Deadline:
    """What is under way; see `Deadlines.within`."""

    __slots__ = ("_all", "_began", "_connection", "_doing", "_expired", "_place", "due", "seconds")

    def __init__(
        self, deadlines: Deadlines, connection: socket.socket, seconds: float, place: Place, doing: str
    ) -> None:
        self._all = deadlines
        self._connection = connection
        self._place = place
        self._doing = doing
        self._expired = False
        self._began = 0.0
        self.seconds = seconds
        self.due = math.inf

    def expire(self) -> None:
        """End the connection: its time is over."""
        self._expired = True
        cut(self._connection)

    def __enter__(self) -> None:
        self._began = self._all.enter(self)

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        took_s = self._all.leave(self) - self._began
        # The socket's own timeout may be as long, and come first by a moment.
        if (self._expired or took_s >= self.seconds) and isinstance(error, Exception):
            raise Unavailable(
                "too_slow",
                f"{self._place} was given {self.seconds:g} s for {self._doing} and was not done after "
                f"{took_s:.1f} s, so that the connection was closed",
            ) from error


def cut(connection: socket.socket) -> None:
    """End a connection under the hands of another thread, which gets an error."""
    with suppress(OSError):
        # Not that of SSLSocket: it would take TLS away, and what comes still would be read as it is.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


PROCESS = Deadlines()
"""Those of this process."""
