"""The queues that have a quarantine (pure)."""

from collections.abc import Iterable

from postroom.account import Account
from postroom.event_queues import families
from postroom.topology import dead_queue, topology
from postroom.webhook import Webhook


def work_queues(shards: int, accounts: Iterable[Account], webhooks: Iterable[Webhook]) -> tuple[str, ...]:
    """All work queues of ours, those of webhooks and campaigns included; programs' own are not known here."""
    names = dict.fromkeys(queue.name for queue in topology(shards).queues)
    work = (name for name in names if dead_queue(name) in names)
    return (*work, *(each.name for each in families(accounts, webhooks)))
