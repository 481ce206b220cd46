"""Since when dead letters wait in the quarantines: what the broker itself cannot be asked.

The letters are in the broker; this is only their age, for the metrics.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from postroom.broker.letter import message_key
from postroom.store.engine import insert_new
from postroom.store.schema import dead_letters

NOTICED = "noticed"


def note(connection: Connection, queue: str, message_ids: Sequence[str], now: datetime) -> None:
    """These messages are in the quarantine of the queue, since now unless it was noted before."""
    rows = [
        {"queue": queue, "key": key, "dead_at": now}
        for key in sorted({message_key(each) for each in message_ids})
    ]
    insert_new(connection, dead_letters, rows)


def forget(connection: Connection, queue: str, message_ids: Sequence[str]) -> None:
    """These were replayed or dropped."""
    keys = [message_key(each) for each in message_ids]
    mine = (dead_letters.c.queue == queue) & dead_letters.c.key.in_(keys)
    connection.execute(delete(dead_letters).where(mine))


def oldest(connection: Connection, counts: Mapping[str, int], now: datetime) -> dict[str, datetime]:
    """Since when the oldest letter of each quarantine waits, of those that have any.

    Letters that the broker moved by itself are noted when they are noticed; those that were removed by other
    means than `postroom dead` are forgotten when the quarantine is empty.

    Args:
        connection: May write.
        counts: How many letters the broker says there are, by work queue.
        now: The time.
    """
    table = dead_letters.c
    rows = connection.execute(
        select(table.queue, func.count(), func.min(table.dead_at)).group_by(table.queue)
    )
    noted = {queue: (int(count), since) for queue, count, since in rows}
    empty = [queue for queue in noted if counts.get(queue) == 0]
    if empty:
        connection.execute(delete(dead_letters).where(table.queue.in_(empty)))
    for queue, count in sorted(counts.items()):
        if count > noted.get(queue, (0, now))[0]:
            insert_new(connection, dead_letters, [{"queue": queue, "key": NOTICED, "dead_at": now}])
    return {queue: noted.get(queue, (0, now))[1] for queue, count in counts.items() if count}
