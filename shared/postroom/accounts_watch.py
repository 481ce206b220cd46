"""The accounts as they stand: the accounts file, read again when it changes (A11)."""

import logging
import threading
from pathlib import Path

from postroom.account import Account
from postroom.accounts_file import AccountsFileError, read_accounts

logger = logging.getLogger(__name__)

_Fingerprint = tuple[int, int, int] | None


class Accounts:
    """The accounts of a file. Threads may share it; one of them calls `refresh` now and then.

    Raises:
        AccountsFileError: the file cannot be used at the start; nothing can be done without it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen = _fingerprint(path)
        self._by_name = _by_name(path)

    def get(self, name: str) -> Account | None:
        """The account of that name, or None if there is none."""
        return self._by_name.get(name)

    def all(self) -> tuple[Account, ...]:
        """All accounts, in the order of the file."""
        return tuple(self._by_name.values())

    def refresh(self) -> bool:
        """Read the file if it has changed; returns whether the accounts are other ones now.

        A file that cannot be used changes nothing: the accounts stay as they were and the faults are logged,
        once for each change of the file.
        """
        with self._lock:
            # Looked at before reading: what is written in between is seen next time.
            found = _fingerprint(self._path)
            if found == self._seen:
                return False
            self._seen = found
            try:
                fresh = _by_name(self._path)
            except AccountsFileError as error:
                logger.error(
                    "the accounts file cannot be used; the accounts stay", extra={"error": str(error)}
                )
                return False
            # Replaced as a whole, so that readers need no lock.
            changed = fresh != self._by_name
            self._by_name = fresh
            if changed:
                logger.info("accounts read again", extra={"accounts": len(fresh)})
            return changed


def _fingerprint(path: Path) -> _Fingerprint:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _by_name(path: Path) -> dict[str, Account]:
    return {account.name: account for account in read_accounts(path)}
