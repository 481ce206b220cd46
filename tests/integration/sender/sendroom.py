"""Everything around a sender: its accounts, its broker and store, and an ear for what it tells."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select

from postroom import metrics, topology
from postroom.accounts_file import parse_accounts
from postroom.accounts_plan import apply, plan
from postroom.accounts_watch import AccountsLoop
from postroom.broker import declare
from postroom.broker.consumer import Ack, Consumer, Delivery, Verdict
from postroom.broker.publisher import Publisher, outgoing
from postroom.clock import utc_now
from postroom.envelope import Envelope, envelop
from postroom.messages import AccountStatusChanged, ApprovalMail, MailSend, Message, PlainMail, SendEvent
from postroom.service import Parts
from postroom.settings import Settings, read_settings
from postroom.store import Store
from postroom.store.accounts import bump, put_section, read
from postroom.store.attempts import StoredAttempts
from postroom.store.schema import account_status, sends
from postroom_sender.app import build
from postroom_sender.opening import Timeouts
from postroom_sender.patience import Patience
from tests.loops import running
from tests.tables import migrate
from tests.waiting import wait_until

SHARDS = 2
EAR = topology.Queue(
    "test.ear", (topology.Binding(topology.EVENTS, "account.#"),), {"x-queue-type": "quorum"}
)
TOKEN = "pr" + "abcdefgh" * 5
QUICK = Patience(
    mail_delays_s=(1,),
    account_delays_s=(1,),
    resting_delays_s=(1,),
    held_retry_s=1,
    look_delays_s=(1,),
    silence=timedelta(seconds=2),
)


def entry(name: str, port: int, **changes: Any) -> dict[str, Any]:
    """An entry of the accounts file for a server on loopback, without TLS; `smtp` and others override."""
    smtp = {"host": "127.0.0.1", "port": port, "security": "none", **changes.pop("smtp", {})}
    return {"name": name, "address": f"{name}@example.com", "smtp": smtp, **changes}


def approval(number: int, account: str = "releases", **changes: Any) -> MailSend:
    """The order to ask for a decision."""
    now = utc_now().replace(microsecond=0)
    content = ApprovalMail(
        approval_id=f"deploy-{number}",
        subject=f"Deploy {number}",
        body="It is ready.\n.\n..a line that begins with dots",
        choices=("approve", "reject"),
        requester="Release bot",
        deadline=now + timedelta(days=1),
        reply_token=TOKEN,
    )
    return _send(f"deploy-{number}:ask:0", account, content, number, changes, now)


def plain(number: int, account: str = "releases", **changes: Any) -> MailSend:
    """The order to send a mail as a program wrote it."""
    content = PlainMail(subject=f"Build {number}", text="It is done.\n")
    return _send(f"build-{number}", account, content, number, changes, utc_now().replace(microsecond=0))


def _send(
    send_id: str,
    account: str,
    content: ApprovalMail | PlainMail,
    number: int,
    changes: dict[str, Any],
    now: datetime,
) -> MailSend:
    settings: dict[str, Any] = {"id": send_id, "recipient": f"boss-{number}@example.net", "written_at": now}
    return MailSend(account=account, content=content, **{**settings, **changes})


@dataclass
class Sendroom:
    """Everything around a sender. `password` is a file that entries may refer to."""

    folder: Path
    settings: Settings
    store: Store
    heard: list[Envelope[Message]] = field(default_factory=list)

    @property
    def password(self) -> str:
        """A reference to the password."""
        return f"file:{self.folder}/password"

    def write_accounts(
        self,
        *entries: dict[str, Any],
        password: str = "a right password",
        system_smtp: dict[str, Any] | None = None,
    ) -> None:
        """Apply an accounts file of these entries: what it does not have is removed."""
        (self.folder / "password").write_text(password)
        document = {"accounts": list(entries), **({"system_smtp": system_smtp} if system_smtp else {})}
        file, faults = parse_accounts(yaml.safe_dump(document).encode())
        assert not faults, faults
        with self.store.write() as connection:
            apply(connection, plan(read(connection), file, prune=True), utc_now())

    def order(self, *commands: MailSend) -> None:
        """Publish commands."""
        envelopes = [envelop(command, source="test", now=utc_now()) for command in commands]
        with Publisher(self.settings.broker, name="test") as publisher:
            publisher.publish([outgoing(envelope, SHARDS) for envelope in envelopes])

    def events(self, kind: type[SendEvent]) -> list[Any]:
        """The events of a kind heard of so far."""
        return [each.message for each in list(self.heard) if isinstance(each.message, kind)]

    def wait_for(self, kind: type[SendEvent], count: int = 1, timeout_s: float = 20) -> list[Any]:
        """The events of a kind, once there are so many."""
        wait_until(lambda: len(self.events(kind)) >= count, timeout_s, f"{count} times {kind.TYPE}")
        return self.events(kind)

    def wait_to_be_told(self, account: str, colour: str, reason_code: str) -> None:
        """Wait for the event that says so about the account."""

        def told() -> bool:
            events = [each.message for each in list(self.heard)]
            return (account, colour, reason_code) in [
                (each.account, each.colour, each.reason_code)
                for each in events
                if isinstance(each, AccountStatusChanged)
            ]

        wait_until(told, 20, f"the event that {account} is {colour}")

    def wait_until(self, condition: Callable[[], bool], what: str, timeout_s: float = 20) -> None:
        """Wait until the condition is true."""
        wait_until(condition, timeout_s, what)

    def wait_for_any(self, count: int, timeout_s: float = 20) -> None:
        """Wait until so many events about mails were heard of."""
        wait_until(lambda: len(self.events(SendEvent)) >= count, timeout_s, f"{count} events")

    def row(self, send_id: str) -> Any:
        """The mail's row, or None."""
        with self.store.read() as connection:
            return connection.execute(select(sends).where(sends.c.send_id == send_id)).one_or_none()

    def states(self) -> dict[str, str]:
        """The state of each mail."""
        with self.store.read() as connection:
            return {row.send_id: row.state for row in connection.execute(select(sends))}

    def wait_for_state(self, send_id: str, state: str, timeout_s: float = 20) -> Any:
        """The mail's row, once it is in this state."""
        wait_until(
            lambda: (row := self.row(send_id)) is not None and row.state == state,
            timeout_s,
            f"{send_id} to be {state}",
        )
        return self.row(send_id)

    def status(self, account: str) -> Any:
        """How the account does, or None."""
        with self.store.read() as connection:
            query = select(account_status).where(account_status.c.account == account)
            return connection.execute(query).one_or_none()

    def wait_for_stop(self, account: str) -> Any:
        """The account's status, once nothing more is tried."""

        def stopped() -> Any:
            row = self.status(account)
            return row if row is not None and row.colour == "red" and row.next_try_at is None else None

        return wait_until(stopped, 20, f"{account} to be stopped")

    def wait_for_retries(self, count: int) -> None:
        """Wait until messages were put back so often from now on."""

        def retries() -> float:
            labels = {"queue": topology.SENDER_TRANSACTIONAL}
            return metrics.REGISTRY.get_sample_value("postroom_retries_total", labels) or 0.0

        before = retries()
        wait_until(lambda: retries() >= before + count, 20, f"{count} retries")

    def take_away_system_smtp(self) -> None:
        """Remove the section though an account needs it, as older versions could."""
        with self.store.write() as connection:
            put_section(connection, "system_smtp", None, utc_now())
            bump(connection)

    def wait_for_status(self, account: str, colour: str, timeout_s: float = 20) -> Any:
        """The account's status, once it has this colour."""

        def found() -> Any:
            row = self.status(account)
            return row if row is not None and row.colour == colour else None

        return wait_until(found, timeout_s, f"{account} to be {colour}")

    @contextmanager
    def sender(
        self, patience: Patience = QUICK, timeouts: Timeouts | None = None, *, without: str = ""
    ) -> Iterator[Parts]:
        """A running sender in this process; `without` the loop of this name."""
        with ExitStack() as stack:
            parts = build(self.settings, stack, patience=patience, timeouts=timeouts)
            with running(*(loop for name, loop in parts.loops.items() if name != without)):
                yield parts

    def start_process(self) -> subprocess.Popen[bytes]:
        """A running sender in a process of its own."""
        environment = {
            "POSTROOM_DATA_DIR": str(self.folder),
            "POSTROOM_SHARDS": str(SHARDS),
            "POSTROOM_HTTP_HOST": "127.0.0.1",
            "POSTROOM_HTTP_PORT": "0",
        }
        return subprocess.Popen([sys.executable, "-m", "postroom_sender"], env=environment)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear what the sender tells."""

        def hear(deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
            self.heard += [delivery.envelope for delivery in deliveries]
            return [Ack()] * len(deliveries)

        attempts = StoredAttempts(self.store)
        ear = Consumer(
            self.settings.broker, [topology.RESULTS, EAR.name], hear, name="ear", attempts=attempts
        )
        with running(ear):
            yield


@dataclass
class Post:
    """One account of a sender that runs all the time; it hears of its own mails alone."""

    room: Sendroom
    name: str
    accounts: AccountsLoop
    entries: list[dict[str, Any]]

    def has_account(self, port: int, **changes: Any) -> None:
        """Give the sender this account, at once."""
        self.entries[:] = [each for each in self.entries if each["name"] != self.name]
        self.entries.append(entry(self.name, port, **changes))
        self.room.write_accounts(*self.entries)
        self.accounts.look()

    def disable(self) -> None:
        """Let its mails fail that are still waiting, so that they disturb no other test."""
        self.has_account(1, enabled=False)

    def approval(self, number: int, **changes: Any) -> MailSend:
        """The order to ask for a decision."""
        return approval(number, self.name, id=f"{self.name}-deploy-{number}:ask:0", **changes)

    def plain(self, number: int, **changes: Any) -> MailSend:
        """The order to send a mail as a program wrote it."""
        return plain(number, self.name, id=f"{self.name}-build-{number}", **changes)

    def order(self, *commands: MailSend) -> None:
        """Publish commands."""
        self.room.order(*commands)

    def events(self, kind: type[SendEvent]) -> list[Any]:
        """The events of a kind about this account's mails."""
        return [each for each in self.room.events(kind) if each.account == self.name]

    def wait_for(self, kind: type[SendEvent], count: int = 1, timeout_s: float = 20) -> list[Any]:
        """The events of a kind, once there are so many."""
        wait_until(lambda: len(self.events(kind)) >= count, timeout_s, f"{count} times {kind.TYPE}")
        return self.events(kind)

    def row(self, send_id: str) -> Any:
        """The mail's row, or None."""
        return self.room.row(send_id)

    def states(self) -> dict[str, str]:
        """The state of each mail of this account."""
        return {key: state for key, state in self.room.states().items() if key.startswith(f"{self.name}-")}


@contextmanager
def open_sendroom(folder: Path, **settings_of: Any) -> Iterator[Sendroom]:
    """A sendroom with its tables and queues, that hears what is told."""
    settings = read_settings(data_dir=folder, shards=SHARDS, **{"batch_wait_ms": 5, **settings_of})
    store = Store(settings.store)
    migrate(store)
    whole = topology.topology(SHARDS)
    declare.apply(settings.broker, replace(whole, queues=(*whole.queues, EAR)))
    room = Sendroom(folder, settings, store)
    try:
        with room.listening():
            yield room
    finally:
        store.close()
