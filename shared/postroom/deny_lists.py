"""The deny lists as they stand: of the accounts file and of the store, read again when they change (C1)."""

import threading
from collections.abc import Iterable, Mapping

from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.deny import DenyList, Rule, compile_patterns, first_covering
from postroom.store import deny
from postroom.store.engine import Store

_NONE = DenyList()


class DenyLists:
    """The deny lists of all accounts. Threads may share it.

    Args:
        store: Where the rules are that were added by command or action.
        accounts: For those of the accounts file.
    """

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts
        self._lock = threading.Lock()
        self._revision = -1
        self._stored: Mapping[str | None, DenyList] = {}
        self._of_file: dict[str | None, tuple[tuple[str, ...], DenyList]] = {}

    def refresh(self) -> None:
        """Look for changes in the store; without one it takes one query. Raises Transient."""
        with self._lock, self._store.read() as connection:
            revision = deny.revision(connection)
            if revision != self._revision:
                # Replaced as a whole, so that readers need no lock.
                self._stored = deny.lists(connection)
                self._revision = revision

    def covering(self, account: Account, addresses: Iterable[str]) -> Rule | None:
        """The rule that denies mail from one of the addresses to the account: its own before everybody's."""
        lists = (
            self._from_file(account.deny, account.name),
            self._stored.get(account.name, _NONE),
            self._from_file(self._accounts.deny, None),
            self._stored.get(None, _NONE),
        )
        return first_covering(lists, addresses)

    def _from_file(self, patterns: tuple[str, ...], account: str | None) -> DenyList:
        known, compiled = self._of_file.get(account, ((), _NONE))
        # Mostly the same object; a comparison of long lists for every mail would cost more than the look.
        if known is not patterns:
            compiled = compiled if known == patterns else compile_patterns(patterns, account)
            self._of_file[account] = patterns, compiled
        return compiled
