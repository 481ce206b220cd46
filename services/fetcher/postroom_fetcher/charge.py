"""Which mailboxes are this process's own: those of the accounts in the shards that it holds."""

from collections.abc import Callable, Mapping

from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.topology import shard_of
from postroom_fetcher.lease import Lease
from postroom_fetcher.status import DISABLED, StatusBoard


class Charge:
    """Accounts and leases put together."""

    def __init__(
        self, accounts: Accounts, held: Callable[[], Mapping[int, Lease]], shards: int, board: StatusBoard
    ) -> None:
        self._accounts = accounts
        self._held = held
        self._shards = shards
        self._board = board

    def tell_disabled(self) -> bool:
        """Report the accounts that are disabled as grey; never asks to be called again at once."""
        held = self._held()
        for account in self._with_mailbox():
            if not account.enabled and shard_of(account.name, self._shards) in held:
                self._board.report(account.name, DISABLED)
        return False

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
        return [account for account in self._accounts.all() if account.imap is not None]
