"""Wires the processor."""

from contextlib import ExitStack
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from postroom import topology
from postroom.accounts_watch import Accounts, AccountsLoop
from postroom.broker.consumer import Consumer
from postroom.broker.publisher import Publisher
from postroom.broker.verdict import Handler
from postroom.clock import utc_now
from postroom.deny_lists import DenyLists
from postroom.inbox import retention
from postroom.metrics import ConsumerMetrics
from postroom.service import Loop, Parts, Ticker, run_service
from postroom.settings import Settings
from postroom.spool import Spool
from postroom.store import Store, attempts, audit, inbox, suppressions
from postroom.store.attempts import StoredAttempts
from postroom.store.migrate import check_schema
from postroom.store.outbox import OutboxRelay
from postroom_processor import waiting
from postroom_processor.commanding import Commands
from postroom_processor.deadlines import Deadlines
from postroom_processor.quarantines import Quarantines
from postroom_processor.receiving import SERVICE, ReceivedMail
from postroom_processor.recording import Recorder, origin
from postroom_processor.resolver import CachingResolver, DnsResolver
from postroom_processor.results import Results
from postroom_processor.signature_check import SignatureCheck
from postroom_processor.waiting import WaitingMails

SWEEP_INTERVAL_S = 2.0
DEADLINE_INTERVAL_S = 1.0
WAITING_INTERVAL_S = 15.0
QUARANTINE_INTERVAL_S = 30.0
RETENTION_INTERVAL_S = 3600.0


def main() -> int:
    """Run the processor until a signal; returns its exit code."""
    return run_service("processor", build)


def build(settings: Settings, stack: ExitStack) -> Parts:
    """The loops of the processor: one consumer for each queue, so that no queue waits for another."""
    store = Store(settings.store)
    stack.callback(store.close)
    check_schema(store)
    accounts = Accounts(store)
    deny = DenyLists(store, accounts)
    keys, tag_keys = settings.read_token_keys(), settings.read_tag_keys()
    spool = Spool(settings.spool)
    check = SignatureCheck(CachingResolver(DnsResolver()))
    recorder = Recorder(accounts, settings.read_evidence_keys(), origin())

    def publisher(name: str) -> Publisher:
        return stack.enter_context(Publisher(settings.broker, name=f"processor {name}"))

    def relay(name: str) -> OutboxRelay:
        return OutboxRelay(store, publisher(name), SERVICE)

    def consumer(queue: str, handler: Handler) -> Consumer:
        return Consumer(
            settings.broker,
            [queue],
            handler,
            name=f"processor {queue}",
            attempts=StoredAttempts(store),
            batch_size=settings.batch_size,
            batch_wait_ms=settings.batch_wait_ms,
            drain_s=settings.drain_s,
            observer=ConsumerMetrics(),
        )

    def received_mail(name: str) -> ReceivedMail:
        return ReceivedMail(
            store=store,
            spool=spool,
            relay=relay(name),
            accounts=accounts,
            keys=keys,
            recorder=recorder,
            check=check,
            shards=settings.shards,
            clock=utc_now,
            deny=deny,
            tag_keys=tag_keys,
        )

    commands = Commands(
        store=store,
        relay=relay("commands"),
        publisher=publisher("answers"),
        accounts=accounts,
        keys=keys,
        recorder=recorder,
        shards=settings.shards,
        clock=utc_now,
        deny=deny,
    )
    deadlines = Deadlines(store, relay("deadlines"), recorder, keys, settings.shards, utc_now)

    quarantines = Quarantines(store, settings.broker, accounts, settings.shards, utc_now)

    def forget() -> bool:
        before = utc_now() - timedelta(days=settings.retention_days)
        with store.write() as connection:
            inbox.forget_before(connection, SERVICE, before)
            attempts.forget_before(connection, before)
            waiting.forget_before(connection, before)
            suppressions.forget_before(connection, before)
            more = _forget_deeds(connection, settings.audit_days)
        more |= retention.tidy(
            store,
            {account.name: account.retention for account in accounts.all()},
            None if settings.evidence_days is None else settings.evidence_days * 86_400,
            utc_now(),
        )
        if not more:
            spool.remove_before(before.timestamp(), partial(retention.referenced, store))
        return more

    loops: dict[str, Loop] = {
        "replies": consumer(topology.REPLIES, received_mail("replies")),
        "inbox": consumer(topology.INBOX, received_mail("inbox")),
        "commands": consumer(topology.PROCESSOR_COMMANDS, commands),
        "results": consumer(topology.RESULTS, Results(store, relay("results"), settings.shards, utc_now)),
        "outbox": Ticker(relay("sweeper").tend, SWEEP_INTERVAL_S),
        "deadlines": Ticker(deadlines.tend, DEADLINE_INTERVAL_S),
        "waiting": Ticker(WaitingMails(store, accounts, utc_now).tend, WAITING_INTERVAL_S),
        "quarantine": Ticker(quarantines.tend, QUARANTINE_INTERVAL_S),
        "accounts": AccountsLoop(accounts, settings.broker, SERVICE),
        "retention": Ticker(forget, RETENTION_INTERVAL_S),
    }
    return Parts(loops, {"store": store.check})


def _forget_deeds(connection: Connection, keep_days: int | None) -> bool:
    """Take one step; whether there is more to forget."""
    if keep_days is None:
        return False
    before = utc_now() - timedelta(days=keep_days)
    return audit.forget_before(connection, before, retention.STEP) >= retention.STEP
