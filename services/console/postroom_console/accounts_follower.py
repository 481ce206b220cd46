"""Applies an accounts file now, and again whenever it changes: for `postroom up`."""

import threading
from collections.abc import Callable
from pathlib import Path

from postroom.errors import Misconfigured, PostroomError
from postroom.settings import Settings
from postroom_console.applying import Applied, carry_out, read_file
from postroom_console.registry import opened

POLL_S = 1.0


class AccountsFollower:
    """What is not in the file stays.

    Args:
        settings: Where the store and the broker are, and the file.
        on_applied: Hears what has changed, from another thread.
        on_fault: Hears once why the file cannot be used; nothing is changed then.
    """

    def __init__(
        self, settings: Settings, on_applied: Callable[[Applied], None], on_fault: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._path: Path = settings.accounts
        self._on_applied = on_applied
        self._on_fault = on_fault
        self._seen: object = None
        self._fault = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="accounts file", daemon=True)

    def apply(self) -> Applied:
        """Apply the file.

        Raises:
            Misconfigured: It cannot be used; the text has a line for each fault.
            Transient: The store does not answer.
        """
        seen = self._look()
        wanted = read_file(self._path)
        with opened(self._settings) as store:
            applied = carry_out(self._settings, store, wanted, prune=False)
        self._seen = seen
        return applied

    def start(self) -> None:
        """Follow the file from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Follow it no longer."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        while not self._stop.wait(POLL_S):
            if self._look() != self._seen:
                self._again()

    def _again(self) -> None:
        seen = self._look()
        try:
            applied = self.apply()
        except PostroomError as error:
            # A file with faults is not looked at again before it changes; a store that is away is.
            if isinstance(error, Misconfigured):
                self._seen = seen
            if str(error) != self._fault:
                self._on_fault(str(error))
            self._fault = str(error)
            return
        self._fault = ""
        if not applied.plan.is_empty:
            self._on_applied(applied)

    def _look(self) -> object:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
