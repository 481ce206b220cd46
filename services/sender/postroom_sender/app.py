"""Wires the sender."""

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta

from postroom import topology
from postroom.accounts_watch import Accounts, AccountsLoop
from postroom.broker.consumer import Consumer
from postroom.broker.publisher import Publisher
from postroom.clock import utc_now
from postroom.credentials import Credentials
from postroom.messages import SendLane
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
from postroom_sender.aftermath import Aftermath
from postroom_sender.allowance import FullWindows
from postroom_sender.bulk_intake import BulkIntake
from postroom_sender.connections import Connections
from postroom_sender.doubts_watch import Doubts
from postroom_sender.feeding import Feeding
from postroom_sender.gathering import Gathering
from postroom_sender.in_hand import InHand
from postroom_sender.lines import Lines
from postroom_sender.living import Living
from postroom_sender.opening import Timeouts
from postroom_sender.patience import Patience
from postroom_sender.recorder import SERVICE, Life
from postroom_sender.roster import Roster
from postroom_sender.round import Paces, RoundParts
from postroom_sender.send import Sending
from postroom_sender.standing import Standings, recall_from
from postroom_sender.testing import Testing

SWEEP_INTERVAL_S = 2.0
IDLE_INTERVAL_S = 10.0
ROSTER_INTERVAL_S = 2.0
DOUBTS_INTERVAL_S = 5.0
FEED_INTERVAL_S = 0.5
FORGET_INTERVAL_S = 3600.0
BEAT_INTERVAL_S = 3.0
LANES: Mapping[str, SendLane] = {
    topology.SENDER_TRANSACTIONAL: "transactional",
    topology.SENDER_BULK: "bulk",
}
WORKERS = {topology.SENDER_TRANSACTIONAL: 4, topology.SENDER_BULK: 2}
"""How many batches are sent at a time: bulk has its own, and fewer, so that it never delays an approval."""


def main() -> int:
    """Run the sender until a signal; returns its exit code."""
    return run_service("sender", build)


def build(
    settings: Settings,
    stack: ExitStack,
    *,
    patience: Patience | None = None,
    timeouts: Timeouts | None = None,
) -> Parts:
    """The loops of the sender."""
    store = Store(settings.store)
    stack.callback(store.close)
    check_schema(store)
    box = settings.read_secret_box()
    secrets = Secrets(store, box)
    accounts = Accounts(store, secrets)
    patience = patience or Patience(lifetime=timedelta(seconds=settings.send_lifetime_s))
    me = Life(process_name(), patience.silence)
    living = Living(store, me.name, utc_now)
    living.beat()
    stack.callback(living.end)
    credentials = Credentials(secrets, Tokens(store, box, secrets, me.name))
    connections = Connections(credentials, timeouts)
    stack.callback(connections.close)
    spool, keys = Spool(settings.spool), settings.read_tag_keys()
    standings = Standings(utc_now, patience, recall_from(store))
    parts = RoundParts(
        connections, standings, patience, Paces(), utc_now, FullWindows(), Aftermath(patience, spool)
    )
    lines = Lines()
    in_hand = InHand()
    gathering = Gathering(store, spool, accounts, settings.attachments_limit_bytes, keys)

    def relay(name: str) -> OutboxRelay:
        publisher = stack.enter_context(Publisher(settings.broker, name=f"sender {name}"))
        return OutboxRelay(store, publisher, SERVICE)

    testing = Testing(accounts, standings, credentials, store, relay("tests"), settings.shards, parts.clock)
    stack.callback(testing.close)
    roster = Roster(accounts, store, relay("roster"), settings.shards, parts.clock)

    most = settings.attachments_limit_bytes
    intake = BulkIntake(store, spool, accounts, relay("lists"), settings.shards, most, parts.clock)
    feeding = Feeding(store, relay("bulks"), settings.shards, parts.clock)

    def consumer(queue: str) -> Consumer:
        sending = Sending(
            parts,
            accounts,
            in_hand,
            store,
            relay(queue),
            settings.shards,
            testing,
            gathering,
            intake,
            lines,
            LANES[queue],
            me,
        )
        return Consumer(
            settings.broker,
            [queue],
            sending,
            name=f"sender {queue}",
            attempts=StoredAttempts(store),
            batch_size=settings.batch_size,
            batch_wait_ms=settings.batch_wait_ms,
            workers=WORKERS[queue],
            drain_s=settings.drain_s,
            observer=ConsumerMetrics(),
        )

    loops: dict[str, Loop] = {
        "transactional": consumer(topology.SENDER_TRANSACTIONAL),
        "bulk": consumer(topology.SENDER_BULK),
        "bulks": Ticker(feeding.tend, FEED_INTERVAL_S),
        "life": Ticker(living.beat, BEAT_INTERVAL_S),
        "outbox": Ticker(relay("sweeper").tend, SWEEP_INTERVAL_S),
        "accounts": AccountsLoop(accounts, settings.broker, SERVICE),
        "roster": Ticker(roster.tend, ROSTER_INTERVAL_S),
        "doubts": Ticker(Doubts(store, relay("doubts"), settings.shards, utc_now).tend, DOUBTS_INTERVAL_S),
        "memory": Ticker(roster.forget, FORGET_INTERVAL_S),
        "connections": Ticker(connections.close_idle, IDLE_INTERVAL_S),
    }
    return Parts(loops, {"store": store.check})
