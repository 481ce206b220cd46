"""Commands to the services, and what they answer."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from postroom.broker.publisher import Publisher, outgoing
from postroom.clock import utc_now
from postroom.envelope import envelop
from postroom.messages import Command, Event
from postroom.settings import Settings
from postroom.subscription import Listening, Subscription, subscribe
from postroom_console.broker import check_broker
from postroom_console.registry import SOURCE

NAME = "console"
ORDER_S = 10.0
"""How long a command may take to get into its queue."""

E = TypeVar("E", bound=Event)


class Asking(Generic[E]):
    """Listens to answers from before the first command on; see `asking`."""

    def __init__(
        self, subscription: Subscription, publisher: Publisher, shards: int, kinds: tuple[type[E], ...]
    ) -> None:
        self._subscription = subscription
        self._publisher = publisher
        self._shards = shards
        self._kinds = kinds
        self._waiting: dict[str, Command] = {}

    @property
    def waiting(self) -> tuple[Command, ...]:
        """The commands that have no answer yet."""
        return tuple(self._waiting.values())

    def give(self, command: Command) -> None:
        """Give a command; the queue has it then."""
        envelope = envelop(command, source=SOURCE, now=utc_now(), message_id=str(uuid.uuid4()))
        self._waiting[envelope.id] = command
        self._publisher.publish([outgoing(envelope, self._shards)])

    def answers(self, deadline: float) -> Iterator[tuple[Command, E]]:
        """Each command with its answer, as they come, until all have one or the deadline (monotonic)."""
        while self._waiting and time.monotonic() < deadline:
            for envelope in self._subscription.until(deadline):
                message = envelope.message
                if isinstance(message, self._kinds) and envelope.causation_id in self._waiting:
                    yield self._waiting.pop(envelope.causation_id), message
                if not self._waiting:
                    return


def order(settings: Settings, command: Command) -> None:
    """Give a command that nobody answers. Raises as `asking`."""
    check_broker(settings)
    envelope = envelop(command, source=SOURCE, now=utc_now(), message_id=str(uuid.uuid4()))
    with Publisher(settings.broker, name=NAME, timeout_s=ORDER_S) as publisher:
        publisher.publish([outgoing(envelope, settings.shards)])


@contextmanager
def asking(settings: Settings, *kinds: type[E]) -> Iterator[Asking[E]]:
    """Ask the services of the settings; they answer with events of these kinds.

    Raises:
        Misconfigured: there is no broker, or it refuses us.
        Transient: it does not answer.
    """
    check_broker(settings)
    listening = Listening([f"{kind.TYPE}.#" for kind in kinds])
    with (
        Publisher(settings.broker, name=NAME, timeout_s=ORDER_S) as publisher,
        subscribe(settings.broker, NAME, listening) as subscription,
    ):
        yield Asking(subscription, publisher, settings.shards, kinds)
