"""The connection on which one account's commands are carried out, apart from the one that watches it."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from postroom.account import Account
from postroom.errors import Misconfigured
from postroom_fetcher.fault import Unavailable
from postroom_fetcher.pause import pause_s
from postroom_fetcher.session import Connect, Session

CLOSED_FOR_S = 10.0
"""After a failed connection the next one is tried no sooner, whoever asks; later where settings are wrong."""

T = TypeVar("T")


class Desk:
    """Connects when there is something to do, and keeps the connection while nobody else needs it.

    One thread at a time; `let_go` excepted.
    """

    def __init__(self, connect: Connect, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._monotonic = monotonic
        self._busy = threading.Lock()
        self._account: Account | None = None
        self._session: Session | None = None
        self._failures = 0
        self._closed: tuple[float, Unavailable | Misconfigured] | None = None

    def do(self, account: Account, task: Callable[[Session], T]) -> T:
        """Do something that may be repeated; a connection that turns out to be dead is made anew once.

        Raises:
            Unavailable, Misconfigured: The mailbox cannot be used.
        """
        with self._busy:
            try:
                return self._do(account, task)
            finally:
                if self._session is not None and not self._session.permit.keep(self.let_go):
                    self.close()

    def _do(self, account: Account, task: Callable[[Session], T]) -> T:
        if account != self._account:
            self.close()
            self._account, self._closed, self._failures = account, None, 0
        if self._session is not None:
            self._session.permit.use()
            try:
                return self._done_with(self._session, task)
            except Unavailable as error:
                if error.reason_code != "disconnected":
                    raise
        return self._done_with(self._connected(account), task)

    def let_go(self) -> None:
        """End the connection, unless it is in use; then it is not kept afterwards."""
        if self._busy.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._busy.release()

    def close(self) -> None:
        """End the connection."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _done_with(self, session: Session, task: Callable[[Session], T]) -> T:
        try:
            if session.is_stale():
                session.noop()
            return task(session)
        except Unavailable as error:
            if error.reason_code != "refused":
                self.close()
            raise

    def _connected(self, account: Account) -> Session:
        if self._closed is not None and self._monotonic() < self._closed[0]:
            raise self._closed[1]
        try:
            self._session = self._connect(account)
        except (Unavailable, Misconfigured) as error:
            self._failures += 1
            pause = pause_s(error, self._failures, jitter=1.0)
            if isinstance(error, Unavailable):
                pause = max(CLOSED_FOR_S, error.retry_after_s or 0.0)
            self._closed = (self._monotonic() + pause, error)
            raise
        self._closed, self._failures = None, 0
        return self._session
