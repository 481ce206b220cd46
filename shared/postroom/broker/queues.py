"""Looks at queues, makes and removes them: one connection for many."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from amqp import exceptions as amqp_errors

from postroom.broker.connection import connect, release, translated
from postroom.broker.declare import declare_queue
from postroom.topology import Binding, Queue


class Queues:
    """The queues of a broker, over one connection. Not for two threads at a time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def declare(self, queue: Queue) -> None:
        """Make the queue with its bindings; harmless to repeat.

        Raises:
            Misconfigured: it is there with other arguments, or this user may not.
        """
        declare_queue(self._connection, queue)

    def unbind(self, name: str, bindings: Iterable[Binding]) -> None:
        """Remove bindings; of a queue or a binding that is not there nothing is to be removed."""
        for binding in bindings:
            try:
                with self._connection.channel() as channel:
                    channel.queue_unbind(name, exchange=binding.exchange, routing_key=binding.routing_key)
            except amqp_errors.NotFound:
                return

    def depth(self, name: str) -> int | None:
        """How many messages wait in it, without those in somebody's hand; None: there is no such queue."""
        found = self._look(name)
        return None if found is None else int(found.message_count)

    def is_idle(self, name: str) -> bool:
        """Whether nothing is in it and nobody consumes from it; also if there is no such queue."""
        found = self._look(name)
        return found is None or not (found.message_count or found.consumer_count)

    def delete(self, name: str) -> None:
        """Remove the queue with what is in it."""
        with self._connection.channel() as channel:
            channel.queue_delete(name)

    def _look(self, name: str) -> Any:
        try:
            with self._connection.channel() as channel:
                return channel.queue_declare(name, passive=True)
        except amqp_errors.NotFound:
            return None


@contextmanager
def opened(url: str, name: str) -> Iterator[Queues]:
    """The queues of the broker.

    Raises:
        Transient: the broker is away.
        Misconfigured: it refuses us.
    """
    connection = connect(url, name=name, heartbeat_s=0)
    try:
        with translated("the broker's queues"):
            yield Queues(connection)
    finally:
        release(connection)
