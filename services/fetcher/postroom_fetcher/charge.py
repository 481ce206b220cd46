"""Which mailboxes are this process's own: those of the accounts in the shards that it holds."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from postroom import metrics
from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.topology import shard_of
from postroom_fetcher.lease import Lease
from postroom_fetcher.status import StatusBoard, disabled

_WITHOUT: Mapping[str, object] = {
    "smtp": None,
    "use_system_smtp": False,
    "send": False,
    "from_name": "",
    "footer": "",
    "owner": "",
    "readers": (),
    "deny": (),
    "approvers": (),
}
"""What reading needs nothing of: if it changes, the mailbox keeps its connection."""


TELL_AGAIN_S = 60.0
"""What did not change is told this often: it costs with thousands of accounts."""


class Charge:
    """Accounts and leases put together. Threads may share it."""

    def __init__(
        self, accounts: Accounts, held: Callable[[], Mapping[int, Lease]], shards: int, board: StatusBoard
    ) -> None:
        self._accounts = accounts
        self._held = held
        self._shards = shards
        self._board = board
        self._warned: set[str] = set()
        self._told: tuple[object, float] = (None, 0.0)
        self._lock = threading.Lock()
        self._known: tuple[tuple[Account, ...], Mapping[str, Account]] = ((), {})

    def tell(self) -> bool:
        """Report what no watch reports: who is disabled, who has no mailbox (any more), and warnings.

        Never asks to be called again at once. Raises Transient.
        """
        held = self._held()
        state = self._accounts.all(), frozenset(held)
        if state == self._told[0] and time.monotonic() - self._told[1] < TELL_AGAIN_S:
            return False
        mine = self._mine()
        boxes = {account.name for account in mine if account.imap is not None}
        self._board.keep(boxes)
        self._board.clear({account.name for account in mine} - boxes)
        for account in mine:
            lease = held.get(shard_of(account.name, self._shards))
            if lease is not None and account.name in boxes and not account.enabled:
                self._board.report(account.name, disabled(account.name), lease)
        self._warn({account.name: len(account.warnings()) for account in mine})
        self._told = (state, time.monotonic())
        return False

    def _warn(self, warnings: Mapping[str, int]) -> None:
        for name in self._warned - warnings.keys():
            with suppress(KeyError):
                metrics.account_warnings.remove(name)
        for name, count in warnings.items():
            metrics.account_warnings.labels(account=name).set(count)
        self._warned = set(warnings)

    def _mine(self) -> list[Account]:
        held = self._held()
        return [account for account in self._accounts.all() if shard_of(account.name, self._shards) in held]

    def wanted(self) -> Mapping[str, tuple[Account, Lease]]:
        """The mailboxes to watch, each with the lease that allows it, by account name."""
        held = self._held()
        accounts = self.accounts()
        shards = {name: shard_of(name, self._shards) for name in accounts}
        return {
            name: (account, held[shards[name]]) for name, account in accounts.items() if shards[name] in held
        }

    def accounts(self) -> Mapping[str, Account]:
        """The enabled accounts with a mailbox, by name."""
        accounts = self._accounts.all()
        with self._lock:
            if accounts != self._known[0]:
                known = {
                    account.name: account.model_copy(update=_WITHOUT)
                    for account in accounts
                    if account.imap is not None and account.enabled
                }
                self._known = accounts, known
            return self._known[1]
