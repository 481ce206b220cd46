"""Which mailboxes are this process's own: those of the accounts in the shards that it holds."""

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


class Charge:
    """Accounts and leases put together."""

    def __init__(
        self, accounts: Accounts, held: Callable[[], Mapping[int, Lease]], shards: int, board: StatusBoard
    ) -> None:
        self._accounts = accounts
        self._held = held
        self._shards = shards
        self._board = board
        self._warned: set[str] = set()

    def tell(self) -> bool:
        """Report what no watch reports: who is disabled, who has no mailbox (any more), and warnings.

        Never asks to be called again at once. Raises Transient.
        """
        mine = self._mine()
        boxes = {account.name for account in mine if account.imap is not None}
        self._board.keep(boxes)
        self._board.clear({account.name for account in mine} - boxes)
        for account in mine:
            if account.name in boxes and not account.enabled:
                self._board.report(account.name, disabled(account.name))
        self._warn({account.name: len(account.warnings()) for account in mine})
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
        shards = {account.name: shard_of(account.name, self._shards) for account in self._with_mailbox()}
        return {
            account.name: (account, held[shards[account.name]])
            for account in self._with_mailbox()
            if account.enabled and shards[account.name] in held
        }

    def accounts(self) -> Mapping[str, Account]:
        """The enabled accounts with a mailbox, by name."""
        return {account.name: account for account in self._with_mailbox() if account.enabled}

    def _with_mailbox(self) -> list[Account]:
        return [
            account.model_copy(update=_WITHOUT)
            for account in self._accounts.all()
            if account.imap is not None
        ]
