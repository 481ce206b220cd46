"""The connection on which one account's commands are carried out, apart from the one that watches it."""

import time
from collections.abc import Callable
from typing import TypeVar

from postroom.account import Account
from postroom.errors import Misconfigured
from postroom_fetcher.fault import Unavailable
from postroom_fetcher.pause import pause_s
from postroom_fetcher.session import Connect, Session

STALE_AFTER_S = 60.0
"""A connection unused for so long is asked for a sign of life before it is trusted."""
CLOSED_FOR_S = 10.0
"""After a failed connection the next one is tried no sooner, whoever asks; later where settings are wrong."""

T = TypeVar("T")


class Desk:
    """Connects when there is something to do, and keeps the connection. One thread at a time."""

    def __init__(self, connect: Connect, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._monotonic = monotonic
        self._account: Account | None = None
        self._session: Session | None = None
        self._used_at = 0.0
        self._failures = 0
        self._closed: tuple[float, Unavailable | Misconfigured] | None = None

    def do(self, account: Account, task: Callable[[Session], T]) -> T:
        """Do something that may be repeated; a connection that turns out to be dead is made anew once.

        Raises:
            Unavailable, Misconfigured: The mailbox cannot be used.
        """
        if account != self._account:
            self.close()
            self._account, self._closed, self._failures = account, None, 0
        if self._session is not None:
            try:
                return self._done_with(self._session, task)
            except Unavailable as error:
                if error.reason_code != "disconnected":
                    raise
        return self._done_with(self._connected(account), task)

    def close(self) -> None:
        """End the connection."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _done_with(self, session: Session, task: Callable[[Session], T]) -> T:
        try:
            if self._monotonic() - self._used_at > STALE_AFTER_S:
                session.noop()
            result = task(session)
        except Unavailable as error:
            if error.reason_code != "refused":
                self.close()
            raise
        self._used_at = self._monotonic()
        return result

    def _connected(self, account: Account) -> Session:
        if self._closed is not None and self._monotonic() < self._closed[0]:
            raise self._closed[1]
        try:
            self._session = self._connect(account)
        except (Unavailable, Misconfigured) as error:
            self._failures += 1
            wrong = isinstance(error, Misconfigured)
            pause = pause_s(error, self._failures, jitter=1.0) if wrong else CLOSED_FOR_S
            self._closed = (self._monotonic() + pause, error)
            raise
        self._closed, self._failures = None, 0
        self._used_at = self._monotonic()
        return self._session
