"""Open SMTP sessions by account, for reuse."""

import threading
from collections import defaultdict
from collections.abc import Callable

from postroom.account import Account
from postroom.credentials import Credentials
from postroom_sender.opening import Timeouts
from postroom_sender.session import Session, open_session

CLOSE_AFTER_S = 60.0


class Connections:
    """Sessions that nobody uses at the moment. Threads may share it; a taken session belongs to its taker."""

    def __init__(self, credentials: Credentials, timeouts: Timeouts | None = None) -> None:
        self._credentials = credentials
        self._timeouts = timeouts or Timeouts()
        self._lock = threading.Lock()
        self._is_closed = False
        self._free: defaultdict[str, list[Session]] = defaultdict(list)

    def reuse(self, account: Account) -> Session | None:
        """An open session for the account, or None. Sessions with other settings are closed."""
        while (session := self._pop(account.name)) is not None:
            if session.usable_for(account):
                return session
            session.close()
        return None

    def open(self, account: Account) -> Session:
        """A new session. Raises as `open_session`."""
        return open_session(account, self._timeouts, self._credentials)

    def give_back(self, session: Session) -> None:
        """Keep the session for the next mail, unless it is closed."""
        with self._lock:
            is_kept = session.open and not self._is_closed
            if is_kept:
                self._free[session.account.name].append(session)
        if not is_kept:
            session.close()

    def close_idle(self) -> bool:
        """Close sessions that were not used for a while; returns that there is no more to do."""
        self._close(lambda session: session.idle_s > CLOSE_AFTER_S)
        return False

    def close(self) -> None:
        """Close all sessions that nobody uses, and from now on each that is given back."""
        with self._lock:
            self._is_closed = True
        self._close(lambda _session: True)

    def _pop(self, name: str) -> Session | None:
        with self._lock:
            return self._free[name].pop() if self._free[name] else None

    def _close(self, condition: Callable[[Session], bool]) -> None:
        with self._lock:
            closing = [session for free in self._free.values() for session in free if condition(session)]
            for session in closing:
                self._free[session.account.name].remove(session)
        for session in closing:
            session.close()
