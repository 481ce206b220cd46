"""Wires the fetcher."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from postroom.account import Account
from postroom.accounts_watch import Accounts, AccountsLoop
from postroom.broker.consumer import Consumer
from postroom.broker.publisher import Publisher
from postroom.clock import utc_now
from postroom.credentials import Credentials
from postroom.metrics import ConsumerMetrics
from postroom.oauth.tokens import Tokens
from postroom.secret import Secrets
from postroom.service import Loop, Parts, Ticker, process_name, run_service
from postroom.settings import Settings
from postroom.spool import Spool
from postroom.store import Store
from postroom.store.attempts import StoredAttempts
from postroom.store.migrate import check_schema
from postroom.store.outbox import OutboxRelay
from postroom.topology import fetcher_commands
from postroom.trust import TRUST
from postroom_fetcher import command, opening, watch
from postroom_fetcher.berth import Berths, Permit
from postroom_fetcher.budget import Budget
from postroom_fetcher.charge import Charge
from postroom_fetcher.cursor import Limits
from postroom_fetcher.deadline import PATIENCE, Patience
from postroom_fetcher.examination import opener
from postroom_fetcher.intake import Intake
from postroom_fetcher.lease import Lease, Leases
from postroom_fetcher.lookout import Lookout
from postroom_fetcher.opening import connector
from postroom_fetcher.progress import Progress
from postroom_fetcher.reception import Receptions
from postroom_fetcher.status import SERVICE, StatusBoard, unless_stopped
from postroom_fetcher.tenure import Tenure
from postroom_fetcher.trial import Trials
from postroom_fetcher.trouble_list import TroubleList
from postroom_fetcher.watch import Watch

TELL_INTERVAL_S = 2.0
SWEEP_INTERVAL_S = 2.0
HAND_ON_THREADS = 4
COMMAND_THREADS = 8
TEST_THREADS = 4


def main() -> int:
    """Run the fetcher until a signal; returns its exit code."""
    return run_service("fetcher", build)


def build(settings: Settings, stack: ExitStack, patience: Patience = PATIENCE) -> Parts:
    """The loops of the fetcher: leases, accounts, mailboxes, commands, outbox."""
    store = Store(settings.store)
    stack.callback(store.close)
    check_schema(store)
    holder = process_name()
    leases = Leases(store, settings.shards, holder)
    relay = OutboxRelay(store, _publisher(settings, stack, "status"), SERVICE)
    board = StatusBoard(store, relay, settings.shards)
    box = settings.read_secret_box()
    secrets = Secrets(store, box)
    credentials = Credentials(secrets, Tokens(store, box, secrets, holder))
    accounts = Accounts(store, secrets)
    charge = Charge(accounts, leases.held, settings.shards, board)
    ways = opening.Tools(TRUST, credentials, patience)
    berths = Berths(settings.imap_connections_per_host)
    progress, troubles, spool = Progress(store), TroubleList(store), Spool(settings.spool)
    intake = Intake(
        progress,
        troubles,
        _publisher(settings, stack, "mail").publish,
        spool,
        _pool(stack, HAND_ON_THREADS, "hand-on"),
        limits=Limits(settings.inline_limit_bytes, settings.max_size_bytes),
        shards=settings.shards,
        budget=Budget(settings.fetch_budget_bytes),
    )

    def watch_account(account: Account, lease: Lease) -> Watch:
        return Watch(account, lease, watching)

    lookout = Lookout(charge.wanted, watch_account, on_drop=board.forget)

    def place_in_turn(account: Account) -> Permit:
        return berths.take(account, partial(lookout.look_now, account.name))

    watching = watch.Tools(
        connector(replace(ways, take=place_in_turn)),
        intake,
        board,
        leases.lose,
        lookout.look_now,
        berths.forget,
    )
    commands_first = replace(ways, take=berths.wait)

    def fresh_accounts() -> Mapping[str, Account]:
        # A test may come sooner than the news of the change that it is to prove.
        if accounts.refresh():
            lookout.recheck()
        return {account.name: account for account in accounts.all()}

    def fetch_now(account: str) -> None:
        troubles.try_now(account, utc_now())
        lookout.look_now(account)

    results = _publisher(settings, stack, "results")
    commanding = command.Tools(
        progress=progress,
        publish=results.publish,
        spool=spool,
        connect=unless_stopped(board, connector(commands_first)),
        accounts=charge.accounts,
        look_now=fetch_now,
        executor=_pool(stack, COMMAND_THREADS, "command"),
        trials=Trials(
            opener(commands_first),
            fresh_accounts,
            lookout.look_now,
            results.publish,
            _pool(stack, TEST_THREADS, "test"),
            shards=settings.shards,
        ),
        shards=settings.shards,
    )

    def receive(lease: Lease) -> tuple[Consumer, command.Commands]:
        handler = command.Commands(commanding, lease)
        return _consumer(settings, store, lease.shard, handler), handler

    receptions = Receptions(leases.held, receive)

    def on_leases() -> None:
        lookout.recheck()
        receptions.recheck()

    leases.on_change = on_leases

    loops: dict[str, Loop] = {
        "leases": Tenure(leases),
        "accounts": AccountsLoop(accounts, settings.broker, SERVICE, lookout.recheck),
        "statuses": Ticker(charge.tell, TELL_INTERVAL_S),
        "mailboxes": lookout,
        "commands": receptions,
        "outbox": Ticker(relay.tend, SWEEP_INTERVAL_S),
    }
    return Parts(loops, {"store": store.check})


def _publisher(settings: Settings, stack: ExitStack, purpose: str) -> Publisher:
    return stack.enter_context(Publisher(settings.broker, name=f"fetcher {purpose}"))


def _pool(stack: ExitStack, threads: int, name: str) -> ThreadPoolExecutor:
    return stack.enter_context(ThreadPoolExecutor(threads, thread_name_prefix=name))


def _consumer(settings: Settings, store: Store, shard: int, handler: command.Commands) -> Consumer:
    return Consumer(
        settings.broker,
        [fetcher_commands(shard)],
        handler.handle,
        name=f"fetcher commands {shard}",
        attempts=StoredAttempts(store),
        batch_size=settings.batch_size,
        batch_wait_ms=settings.batch_wait_ms,
        drain_s=settings.drain_s,
        observer=ConsumerMetrics(),
    )
