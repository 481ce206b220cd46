"""Everything around a notifier: its accounts, its broker and store, and programs that tell events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner
from click.testing import Result as Said

from postroom import topology
from postroom.broker import declare, queues
from postroom.broker.failure import republish
from postroom.broker.publisher import Publisher, outgoing
from postroom.broker.reception import Taken
from postroom.broker.verdict import DeadLetter
from postroom.clock import utc_now
from postroom.envelope import Envelope, envelop
from postroom.event_queues import Family
from postroom.messages import AccountsChanged, Event, MailAccepted
from postroom.settings import Settings
from postroom.store import Store, event_queues
from postroom.topology import Topology
from postroom_console.app import main
from postroom_notifier.app import build
from postroom_notifier.outcome import Outcome, Result, settled
from postroom_notifier.posting import Posting
from postroom_notifier.queues import EventQueues
from tests.accounts import keep_accounts
from tests.loops import running
from tests.tables import migrate
from tests.waiting import wait_until

SHARDS = 1
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ACCOUNTS = ("ops", "news")


@dataclass
class Office:
    """Everything around a notifier."""

    folder: Path
    settings: Settings
    store: Store

    def apply(self, *webhooks: dict[str, Any], campaigns: tuple[str, ...] = ()) -> None:
        """Make these the webhooks, and these accounts the campaigns."""
        (self.folder / "secret").write_text(SECRET)
        accounts = [
            {
                "name": name,
                "address": f"{name}@example.com",
                "smtp": {"host": "127.0.0.1", "port": 9, "security": "none"},
                "imap": {"host": "imap.example", "user": "u", "password": "env:P"},
                "after_processing": "keep",
                "campaign": name in campaigns,
            }
            for name in ACCOUNTS
        ]
        sections = {"webhooks": list(webhooks)}
        keep_accounts(self.store, yaml.safe_dump({"accounts": accounts, **sections}))
        self.tell(AccountsChanged(names=(), revision=0))

    def webhook(self, name: str, url: str, **more: Any) -> dict[str, Any]:
        """An entry of the section `webhooks`."""
        secret = f"file:{self.folder}/secret"
        return {"name": name, "url": url, "events": ["*"], "secret": secret, "allow_private": True, **more}

    def tell(self, *events: Event) -> list[str]:
        """Publish events; returns their ids."""
        envelopes: list[Envelope[Any]] = [envelop(each, source="/test", now=utc_now()) for each in events]
        with Publisher(self.settings.broker, name="test") as publisher:
            publisher.publish([outgoing(each, SHARDS) for each in envelopes])
        return [each.id for each in envelopes]

    def wait_for_queue(self, family: Family, bindings: int | None = None) -> None:
        """Wait until a family is there, bound to so much."""

        def there() -> bool:
            with self.store.read() as connection:
                known = event_queues.read(connection).get(family.name)
            return known is not None and known.is_bound and bindings in (None, len(known.bindings))

        wait_until(there, 10, f"{family.name} to be declared")

    def wait_until_retired(self, family: Family) -> None:
        """Wait until a family is known to be wanted no more."""

        def retired() -> bool:
            with self.store.read() as connection:
                known = event_queues.read(connection).get(family.name)
            return known is not None and known.retired_at is not None

        wait_until(retired, 10, f"{family.name} to be retired")

    def depth(self, name: str) -> int | None:
        """How many messages wait in a queue."""
        with queues.opened(self.settings.broker, "test") as broker:
            return broker.depth(name)

    def dead_letter(self, webhook: str, event: Event) -> str:
        """Give up delivering an event, as the notifier does; returns its id."""
        envelope: Envelope[Any] = envelop(event, source="/test", now=utc_now())
        name = Family("webhook", webhook, ()).name
        taken = Taken(name, 1, outgoing(envelope, SHARDS).wire, False, 28)
        failed = settled(
            Outcome(Result.RETRY, "it answers 500"), 28, utc_now() - timedelta(days=1), utc_now()
        )
        assert isinstance(failed, DeadLetter)
        with Publisher(self.settings.broker, name="test") as publisher:
            publisher.publish([republish(taken, failed, utc_now())])
        return envelope.id

    @contextmanager
    def notifier(self, posting: Posting | None = None, grace_s: float = 60) -> Iterator[None]:
        """A running notifier."""
        event_queues = EventQueues(self.store, self.settings.broker, utc_now, timedelta(seconds=grace_s))
        with ExitStack() as stack:
            parts = build(self.settings, stack, posting=posting or Posting(total_s=2), queues=event_queues)
            with running(*parts.loops.values()):
                yield

    def run(self, *arguments: str) -> Said:
        """Run `postroom` with these arguments."""
        environment = {
            "POSTROOM_DATA_DIR": str(self.folder),
            "POSTROOM_BROKER_URL": self.settings.broker,
            "POSTROOM_STORE_URL": self.settings.store,
            "POSTROOM_SHARDS": str(SHARDS),
        }
        return CliRunner().invoke(main, arguments, env=environment)


def accepted(number: int, account: str = "ops", **more: Any) -> MailAccepted:
    """A mail came."""
    common = {"sha256": "0" * 64, "sender": "anna@corp.example", "reason": "passed all checks"}
    return MailAccepted(
        account=account, mail_id=f"mail-{number}", subject=f"Order {number}", text="Hello", **common, **more
    )


@contextmanager
def open_office(folder: Path, broker_url: str, management_url: str | None = None) -> Iterator[Office]:
    """An office on this broker, with the part of the topology that it needs."""
    settings = Settings.model_validate(
        {
            "data_dir": folder,
            "broker_url": broker_url,
            "store_url": f"sqlite:///{folder}/store.sqlite3",
            "shards": SHARDS,
            "drain_s": 3,
        }
    )
    whole = topology.topology(SHARDS)
    needed = tuple(each for each in whole.queues if each.name.startswith(topology.NOTIFIER_COMMANDS))
    declare.apply(
        broker_url,
        Topology(whole.exchanges, needed),
        management_url=management_url,
        event_queue_length=100,
    )
    store = Store(settings.store)
    migrate(store)
    try:
        yield Office(folder, settings, store)
    finally:
        store.close()
