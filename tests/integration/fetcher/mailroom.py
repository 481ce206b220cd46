"""A fetcher in this process, on the embedded broker and SQLite, and an ear for what it publishes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from postroom import topology
from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.broker import declare
from postroom.broker.consumer import Ack, Consumer, Delivery, Verdict
from postroom.broker.publisher import Publisher, outgoing
from postroom.clock import utc_now
from postroom.credentials import Credentials
from postroom.envelope import Envelope, envelop
from postroom.messages import AccountsChanged, Command, MailReceived, Message
from postroom.oauth.tokens import Tokens
from postroom.secret import Secrets
from postroom.settings import Settings, read_settings
from postroom.store import Store
from postroom.store.attempts import StoredAttempts
from postroom.store.schema import account_status
from postroom.trust import TRUST
from postroom_fetcher.app import build
from postroom_fetcher.deadline import PATIENCE, Patience
from postroom_fetcher.opening import Tools, connector
from postroom_fetcher.session import Session
from tests.accounts import keep_accounts
from tests.loops import running
from tests.servers.dovecot import Account as User
from tests.servers.dovecot import Dovecot
from tests.tables import migrate
from tests.waiting import wait_until

SHARDS = 2
EAR = topology.Queue(
    "test.ear", (topology.Binding(topology.EVENTS, "account.#"),), {"x-queue-type": "quorum"}
)
QUEUES = (topology.REPLIES, topology.INBOX, topology.RESULTS, EAR.name)


def mail(number: int, *, to: str = "approvals@example.org", text: str = "Hello", size: int = 0) -> bytes:
    """A mail of its own; with `size` at least so many bytes."""
    head = (
        f"From: person@example.net\r\nTo: {to}\r\nSubject: Mail {number}\r\n"
        f"Message-ID: <mail-{number}@example.net>\r\n\r\n{text} {number}\r\n"
    ).encode()
    lines = -(-max(0, size - len(head)) // 78)
    return head + (b"x" * 76 + b"\r\n") * lines


def entry(name: str, dovecot: Dovecot, user: User, **imap: Any) -> dict[str, Any]:
    """An entry of the accounts file for a mailbox on Dovecot, without TLS; `imap` overrides."""
    server = {
        "host": dovecot.host,
        "port": dovecot.port,
        "security": "none",
        "user": user.user,
        "since": "beginning",
        "interval": "1h",
        "count": 100_000,
    }
    return {"name": name, "address": user.user, "imap": {**server, **imap}}


@dataclass
class Mailroom:
    """Everything around a fetcher. `password` is a file that every entry without one refers to."""

    folder: Path
    settings: Settings
    stack: ExitStack
    heard: list[Envelope[Message]] = field(default_factory=list)

    @property
    def store(self) -> Store:
        """The fetcher's store."""
        store = Store(self.settings.store)
        self.stack.callback(store.close)
        return store

    def write_accounts(
        self, *entries: dict[str, Any], password: str = "a right password", tell: bool = False
    ) -> None:
        """Make these the accounts of the store; `tell`: with the broadcast, as `postroom apply` does."""
        (self.folder / "password").write_text(password)
        for each in entries:
            if "oauth" not in each:
                each["imap"] = {"password": f"file:{self.folder}/password", **each["imap"]}
        with closing(Store(self.settings.store)) as store:
            keep_accounts(store, entries)
        if tell:
            names = tuple(each["name"] for each in entries)
            self._publish(envelop(AccountsChanged(names=names, revision=1), source="test", now=utc_now()))

    def accounts(self) -> Accounts:
        """The accounts as a fetcher has them."""
        return Accounts(self.store, self.secrets)

    @property
    def secrets(self) -> Secrets:
        """The fetcher's secrets."""
        return Secrets(self.store, self.settings.read_secret_box())

    def connect(self, account: Account) -> Session:
        """A session of the test's own, made as the fetcher makes them."""
        return connector(Tools(TRUST, self.credentials))(account)

    @property
    def credentials(self) -> Credentials:
        """The fetcher's credentials."""
        tokens = Tokens(self.store, self.settings.read_secret_box(), self.secrets, "test")
        return Credentials(self.secrets, tokens)

    def send(self, command: Command, command_id: str | None = None) -> str:
        """Publish a command; returns its id."""
        return self._publish(envelop(command, source="test", now=utc_now(), message_id=command_id))

    def _publish(self, envelope: Envelope[Message]) -> str:
        with Publisher(self.settings.broker, name="test") as publisher:
            publisher.publish([outgoing(envelope, SHARDS)])
        return envelope.id

    def mails(self, account: str | None = None) -> list[MailReceived]:
        """The mails heard of so far, in order."""
        found = [each.message for each in list(self.heard) if isinstance(each.message, MailReceived)]
        return [each for each in found if account in (None, each.account)]

    def mail_ids(self) -> list[str]:
        """The message ids of those mails."""
        return [each.id for each in list(self.heard) if isinstance(each.message, MailReceived)]

    def wait_for_mails(
        self, count: int, timeout_s: float = 20, account: str | None = None
    ) -> list[MailReceived]:
        """The mails, once there are so many."""
        wait_until(lambda: len(self.mails(account)) >= count, timeout_s, f"{count} mails")
        return self.mails(account)

    def answer(self, command_id: str, timeout_s: float = 20) -> Any:
        """The event that a command led to."""

        def answers() -> list[Message]:
            return [each.message for each in list(self.heard) if each.causation_id == command_id]

        return wait_until(answers, timeout_s, f"the answer to {command_id}")[0]

    def status(self, account: str) -> Any:
        """The row with the account's status, or None."""
        with self.store.read() as connection:
            return connection.execute(
                select(account_status).where(account_status.c.account == account)
            ).first()

    def wait_for_status(self, account: str, colour: str, reason_code: str, timeout_s: float = 15) -> Any:
        """The row, once it has this colour and reason."""

        def there() -> Any:
            row = self.status(account)
            return row if row and (row.colour, row.reason_code) == (colour, reason_code) else None

        try:
            return wait_until(there, timeout_s, f"{account} to be {colour} for {reason_code}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.status(account)}") from None

    @contextmanager
    def fetcher(self, patience: Patience = PATIENCE) -> Iterator[None]:
        """A running fetcher."""
        with ExitStack() as stack:
            parts = build(self.settings, stack, patience)
            with running(*parts.loops.values()):
                yield

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear what is published for the processor."""

        def hear(deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
            self.heard += [delivery.envelope for delivery in deliveries]
            return [Ack()] * len(deliveries)

        attempts = StoredAttempts(self.store)
        with running(Consumer(self.settings.broker, QUEUES, hear, name="ear", attempts=attempts)):
            yield


@contextmanager
def open_mailroom(folder: Path, **settings: Any) -> Iterator[Mailroom]:
    """A mailroom with its tables and queues, that hears what is published."""
    own = read_settings(data_dir=folder, shards=SHARDS, batch_wait_ms=1, **settings)
    store = Store(own.store)
    migrate(store)
    store.close()
    whole = topology.topology(SHARDS)
    declare.apply(own.broker, replace(whole, queues=(*whole.queues, EAR)))
    with ExitStack() as stack:
        room = Mailroom(folder, own, stack)
        stack.enter_context(room.listening())
        yield room
