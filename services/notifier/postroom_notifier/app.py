"""Wires the notifier."""

from contextlib import ExitStack

from postroom import topology
from postroom.accounts_watch import Accounts, AccountsLoop
from postroom.broker.consumer import Consumer
from postroom.broker.publisher import Publisher
from postroom.broker.verdict import Handler
from postroom.clock import utc_now
from postroom.metrics import ConsumerMetrics
from postroom.secret import Secrets
from postroom.service import Loop, Parts, Ticker, run_service
from postroom.settings import Settings
from postroom.store import Store
from postroom.store.attempts import StoredAttempts
from postroom.store.migrate import check_schema
from postroom.webhook import Webhook
from postroom_notifier.delivering import Delivering, Mail
from postroom_notifier.posting import Posting
from postroom_notifier.queues import EventQueues
from postroom_notifier.standing import Standings
from postroom_notifier.subscriptions import Subscriptions
from postroom_notifier.testing import Testing

SERVICE = "notifier"
STANDING_INTERVAL_S = 1.0
MEASURE_INTERVAL_S = 15.0
TEST_WORKERS = 4


def main() -> int:
    """Run the notifier until a signal; returns its exit code."""
    return run_service(SERVICE, build)


def build(
    settings: Settings, stack: ExitStack, *, posting: Posting | None = None, queues: EventQueues | None = None
) -> Parts:
    """The loops of the notifier."""
    store = Store(settings.store)
    stack.callback(store.close)
    check_schema(store)
    accounts = Accounts(store)
    secrets = Secrets(store, settings.read_secret_box())
    standings = Standings(store)
    mail = Mail(posting or Posting(), secrets, utc_now)
    answers = stack.enter_context(Publisher(settings.broker, name="notifier answers"))

    def consumer(queue: str, handler: Handler, workers: int) -> Consumer:
        return Consumer(
            settings.broker,
            [queue],
            handler,
            name=f"notifier {queue}",
            attempts=StoredAttempts(store),
            # One request at a time for each worker: a batch would wait for its slowest.
            batch_size=1,
            batch_wait_ms=0,
            workers=workers,
            drain_s=settings.drain_s,
            observer=ConsumerMetrics(),
        )

    def of_webhook(queue: str, webhook: Webhook) -> Loop:
        delivering = Delivering(webhook.name, accounts, mail, standings, utc_now)
        return consumer(queue, delivering, webhook.concurrency)

    event_queues = queues or EventQueues(store, settings.broker, utc_now)
    # Of its own thread's, so that a long measure delays no change.
    measured = EventQueues(store, settings.broker, utc_now)
    testing = Testing(accounts, mail, standings, answers, settings.shards, utc_now)
    loops: dict[str, Loop] = {
        "commands": consumer(topology.NOTIFIER_COMMANDS, testing, TEST_WORKERS),
        "subscriptions": Subscriptions(accounts, event_queues, standings, of_webhook, settings.drain_s),
        "standings": Ticker(standings.tend, STANDING_INTERVAL_S),
        "queues": Ticker(measured.measure, MEASURE_INTERVAL_S),
        "accounts": AccountsLoop(accounts, settings.broker, SERVICE),
    }
    return Parts(loops, {"store": store.check})
