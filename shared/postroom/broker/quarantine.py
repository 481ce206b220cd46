"""Looking into quarantines, on either broker: nothing is consumed by it, and the order stays.

with opened(url) as quarantine, quarantine.looking("postroom.processor.inbox") as look:
    for found in look: ...      # the oldest first
    look.remove([found])        # only what was done with
"""

from collections.abc import Iterator
from contextlib import contextmanager

from postroom.broker.connection import connect, parse_url, release, translated
from postroom.broker.embedded import SCHEME
from postroom.broker.looking import Found, Look, Quarantine
from postroom.broker.quarantine_embedded import EmbeddedQuarantine
from postroom.broker.quarantine_rabbitmq import RabbitQuarantine

__all__ = ["Found", "Look", "Quarantine", "opened"]


@contextmanager
def opened(url: str) -> Iterator[Quarantine]:
    """The quarantines of the broker at the URL.

    Raises:
        Transient, Misconfigured: the broker is away, or refuses.
    """
    # No heartbeats: nobody keeps them while people read.
    connection = connect(url, name="postroom quarantine", heartbeat_s=0)
    try:
        with translated("looking into the quarantine"):
            if parse_url(url).scheme == SCHEME:
                yield EmbeddedQuarantine(connection.connection.file)
            else:
                yield RabbitQuarantine(url, connection)
    finally:
        release(connection)
