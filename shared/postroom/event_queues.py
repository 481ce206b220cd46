"""The queues that follow from settings: of webhooks, and of campaign accounts (pure).

Unlike those of `postroom.topology` they come and go with the accounts file; the notifier declares them. One
that is full never holds up who publishes: its oldest messages go to its quarantine, and there the oldest give
way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from postroom.account import Account
from postroom.messages import MESSAGES, AccountName
from postroom.topology import (
    COMMANDS,
    DEAD,
    EVENTS,
    RETRY,
    RETRY_DELAYS_S,
    Binding,
    Queue,
    dead_queue,
    retry_queue,
)
from postroom.webhook import EVENT_TYPES, Webhook, family

WEBHOOK = "postroom.webhook"
CAMPAIGN = "postroom.campaign"
WITHOUT_ACCOUNT = tuple(kind for kind in EVENT_TYPES if "account" not in MESSAGES[kind].model_fields)
Kind = Literal["webhook", "campaign"]
_QUORUM: Mapping[str, str | int] = {"x-queue-type": "quorum"}


@dataclass(frozen=True)
class Family:
    """A work queue with those beside it. `of`: the webhook's or account's name."""

    kind: Kind
    of: str
    bindings: tuple[Binding, ...]

    @property
    def name(self) -> str:
        """The work queue."""
        return f"{WEBHOOK if self.kind == 'webhook' else CAMPAIGN}.{self.of}"

    @property
    def waiting(self) -> tuple[str, ...]:
        """The queues in which messages wait to be delivered."""
        delays = RETRY_DELAYS_S if self.kind == "webhook" else ()
        return (self.name, *(retry_queue(self.name, delay_s) for delay_s in delays))

    @property
    def dead(self) -> str:
        """The quarantine."""
        return dead_queue(self.name)

    def queues(self) -> tuple[Queue, ...]:
        """All queues, the quarantine first: what cannot be delivered must have a place."""
        quarantine = Queue(self.dead, (Binding(DEAD, self.dead),), _QUORUM)
        # Without reject-publish, or a full queue would refuse the event to whoever publishes it.
        letters = {"x-dead-letter-exchange": DEAD, "x-dead-letter-routing-key": self.dead}
        delays = [self._delay(delay_s) for delay_s in RETRY_DELAYS_S] if self.kind == "webhook" else []
        return (quarantine, Queue(self.name, self.bindings, {**_QUORUM, **letters}), *delays)

    def _delay(self, delay_s: int) -> Queue:
        name = retry_queue(self.name, delay_s)
        arguments: dict[str, str | int] = {
            **_QUORUM,
            "x-dead-letter-exchange": RETRY,
            "x-dead-letter-routing-key": self.name,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-message-ttl": delay_s * 1000,
        }
        return Queue(name, (Binding(RETRY, name),), arguments)


def webhook_family(webhook: Webhook) -> Family:
    """The queues of a webhook; one that is switched off is bound to no events."""
    events = tuple(Binding(EVENTS, key) for key in routing_keys(webhook)) if webhook.enabled else ()
    name = f"{WEBHOOK}.{webhook.name}"
    # What waited in a delay queue comes back through the exchange and not straight into the queue: whoever
    # declares that would need the right to write to every queue (`amq.default`).
    return Family("webhook", webhook.name, (Binding(RETRY, name), *events))


def campaign_family(account: str) -> Family:
    """The queues of a campaign account.

    Bound under its own name, and not to the event beside others: so a mail that misses it is known to have,
    whoever else listens.
    """
    name = campaign_queue(account)
    return Family("campaign", account, (Binding(COMMANDS, name),))


def campaign_queue(account: AccountName) -> str:
    """The queue with the accepted mail of an account."""
    return f"{CAMPAIGN}.{account}"


def families(accounts: Iterable[Account], webhooks: Iterable[Webhook]) -> tuple[Family, ...]:
    """All that there have to be."""
    campaigns = (campaign_family(account.name) for account in accounts if account.campaign)
    return (*map(webhook_family, webhooks), *campaigns)


def family_named(queue: str) -> Family:
    """The family of a work queue, without its bindings. Raises ValueError for any other name."""
    prefix, _, of = queue.rpartition(".")
    if prefix == WEBHOOK:
        return Family("webhook", of, ())
    if prefix == CAMPAIGN:
        return Family("campaign", of, ())
    raise ValueError(f"{queue} is no queue of a webhook or campaign")


def routing_keys(webhook: Webhook) -> tuple[str, ...]:
    """Patterns of the keys of exactly the events that the webhook wants.

    An event's key is its type (two words) and its account, if it has one. `mail.received` has a word more;
    what services tell each other is of other families.
    """
    kinds = dict.fromkeys(kind for pattern in webhook.events for kind in _kinds(pattern))
    if webhook.accounts != "all":
        return tuple(f"{kind}.{account}" for kind in kinds for account in dict.fromkeys(webhook.accounts))
    without = (kind for kind in kinds if any(_fits(kind, each) for each in WITHOUT_ACCOUNT))
    return (*(f"{kind}.*" for kind in kinds), *without)


def _kinds(pattern: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(family, EVENT_TYPES))) if pattern == "*" else (pattern,)


def _fits(kind: str, event_type: str) -> bool:
    return kind in (event_type, family(event_type))
