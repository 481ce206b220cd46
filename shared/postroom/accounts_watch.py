"""The accounts as they stand: read again when they, or the secrets they refer to, change (A11)."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from postroom.account import Account
from postroom.broker.connection import back_off
from postroom.errors import Misconfigured, PostroomError, Transient
from postroom.messages import AccountsChanged
from postroom.secret import Secrets, file_of, look
from postroom.store import accounts as stored
from postroom.store.accounts import Configuration
from postroom.store.engine import Store
from postroom.subscription import Listening, subscribe
from postroom.user import User
from postroom.webhook import Webhook

logger = logging.getLogger(__name__)

POLL_S = 1.5
"""How often the store is asked at least, broadcast or not: changes are noticed within two seconds."""


@dataclass
class _File:
    """A file with a secret: how it was when it was looked at last, and the accounts that refer to it."""

    seen: object
    accounts: set[str] = field(default_factory=set)


class Accounts:
    """The accounts of a store. Threads may share it; one of them calls `refresh` now and then.

    Args:
        store: Where the accounts are.
        secrets: With it, an account whose secrets changed counts as changed; services that sign in need that.

    Raises:
        Transient: the store does not answer.
    """

    def __init__(self, store: Store, secrets: Secrets | None = None) -> None:
        self._store = store
        self._secrets = secrets
        self._lock = threading.Lock()
        self._configuration = Configuration({}, revision=-1)
        self._by_name: Mapping[str, Account] = {}
        self._files: dict[str, _File] = {}
        self.refresh()

    def get(self, name: str) -> Account | None:
        """The account of that name as it is in effect, or None if there is none."""
        return self._by_name.get(name)

    def all(self) -> tuple[Account, ...]:
        """All accounts as they are in effect, in their order."""
        return tuple(self._by_name.values())

    @property
    def users(self) -> tuple[User, ...]:
        """The people who may see mail; none: whoever is at the shell."""
        return self._configuration.users

    @property
    def deny(self) -> tuple[str, ...]:
        """The addresses and domains of the accounts file whose mail is denied for every account."""
        return self._configuration.deny

    @property
    def webhooks(self) -> tuple[Webhook, ...]:
        """Where events are posted to, those that are switched off too."""
        return self._configuration.webhooks

    def refresh(self) -> bool:
        """Look for changes; returns whether accounts, users, deny list or webhooks are other ones now.

        Without a change it takes one query, and a look at each file that has a secret. Raises Transient.
        """
        with self._lock:
            before = self._configuration
            with self._store.read() as connection:
                is_new = stored.revision(connection) != self._configuration.revision
                if is_new:
                    self._configuration = stored.read(connection)
                    self._complain()
            accounts = self._configuration.accounts
            names = accounts.keys() if is_new else self._whose_files_changed()
            if is_new:
                self._files = self._look_at_files()
            if not is_new and not names:
                return False
            fresh = {
                name: self._effective(each) if name in names else self._by_name[name]
                for name, each in accounts.items()
            }
            # Replaced as a whole, so that readers need no lock.
            changed = fresh != self._by_name or _common(before) != _common(self._configuration)
            self._by_name = fresh
            if changed:
                logger.info("accounts read again", extra={"accounts": len(fresh)})
            return changed

    def catch_up(self) -> None:
        """Know what was applied before now; files with secrets are left to `refresh`. Raises Transient.

        For whoever would refuse for good what concerns an account that has just been added. One query.
        """
        with self._store.read() as connection:
            is_current = stored.revision(connection) == self._configuration.revision
        if not is_current:
            self.refresh()

    def _complain(self) -> None:
        for name, why in self._configuration.broken.items():
            logger.error("an account's record is not understood", extra={"account": name, "error": why})
        for section, why in self._configuration.broken_sections.items():
            logger.error(
                "a section for all accounts is not understood", extra={"section": section, "error": why}
            )

    def _look_at_files(self) -> dict[str, _File]:
        """The files with secrets as they are now, before they are read."""
        files: dict[str, _File] = {}
        for name, account in self._configuration.accounts.items():
            for reference in self._references(account):
                if path := file_of(reference):
                    files.setdefault(path, _File(look(path))).accounts.add(name)
        return files

    def _whose_files_changed(self) -> set[str]:
        names: set[str] = set()
        for path, file in self._files.items():
            if (seen := look(path)) != file.seen:
                file.seen = seen
                names |= file.accounts
        return names

    def _effective(self, account: Account) -> Account:
        return account.effective(self._configuration.system_smtp, self._stamp(account))

    def _references(self, account: Account) -> Collection[str]:
        """Those of the account's secrets and of the system's SMTP, if it uses that."""
        if self._secrets is None:
            return ()
        return account.effective(self._configuration.system_smtp).secret_references().values()

    def _stamp(self, account: Account) -> str:
        stamp = self._secrets.stamp(self._references(account)) if self._secrets else ""
        # A new sign-in is a new secret; a refresh is not.
        signed_in = self._configuration.signed_in.get(account.name)
        if self._secrets and signed_in:
            stamp = f"{stamp};{signed_in.isoformat()}"
        return stamp


def _common(configuration: Configuration) -> tuple[object, ...]:
    return configuration.users, configuration.deny, configuration.webhooks


class AccountsLoop:
    """A service's loop that refreshes the accounts: at each broadcast, and every `POLL_S` all the same.

    Without the broker it goes on by looking into the store.
    """

    def __init__(
        self,
        accounts: Accounts,
        broker_url: str,
        service: str,
        on_change: Callable[[], None] = lambda: None,
        *,
        poll_s: float = POLL_S,
    ) -> None:
        self._accounts = accounts
        self._broker_url = broker_url
        self._queue_prefix = f"postroom.{service}.accounts"
        self._on_change = on_change
        self._poll_s = poll_s
        self.last_beat = time.monotonic()
        self.fault = ""

    def run(self, stop: threading.Event) -> None:
        """Look for changes until told to stop."""
        failures = 0
        while not stop.is_set():
            try:
                self._listen(stop)
                failures = 0
            except (Transient, Misconfigured) as error:
                failures += 1
                logger.warning(
                    "changes of accounts are not heard of, only polled", extra={"error": str(error)}
                )
                self._poll(stop, back_off(failures, 0.5))

    def _listen(self, stop: threading.Event) -> None:
        listening = Listening([f"{AccountsChanged.TYPE}.#"], prefix=self._queue_prefix)
        with subscribe(self._broker_url, "watch", listening) as subscription:
            while not stop.is_set():
                self.look()
                subscription.next(self._poll_s)

    def _poll(self, stop: threading.Event, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not stop.is_set() and time.monotonic() < until:
            self.look()
            stop.wait(self._poll_s)

    def look(self) -> None:
        """Look for changes now; that the store is away is a fault of the loop."""
        try:
            changed = self._accounts.refresh()
            self.fault = ""
            if changed:
                self._on_change()
        except PostroomError as error:
            self.fault = str(error)
            logger.warning("the accounts cannot be read", extra={"error": str(error)})
        self.last_beat = time.monotonic()
