"""Single looks into a mailbox, each with objects of its own, as in a fetcher that has just begun."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from postroom.spool import Spool
from postroom.topology import shard_of
from postroom_fetcher.cursor import Limits
from postroom_fetcher.intake import Intake, Looked, Visit
from postroom_fetcher.lease import Leases
from postroom_fetcher.progress import Progress
from postroom_fetcher.trouble_list import TroubleList
from tests.integration.fetcher.mailroom import SHARDS, Mailroom


@contextmanager
def leases(mailroom: Mailroom) -> Iterator[Leases]:
    """All shards, held as long as the block lasts."""
    held = Leases(mailroom.store, SHARDS, "test")
    held.step()
    yield held
    held.release()


def intake(mailroom: Mailroom, publish: Any, pool: ThreadPoolExecutor) -> Intake:
    """An intake with this publisher."""
    limits = Limits(inline_bytes=64 * 1024, max_size_bytes=10**7)
    progress, spool = Progress(mailroom.store), Spool(mailroom.settings.spool)
    return Intake(progress, TroubleList(mailroom.store), publish, spool, pool, limits=limits, shards=SHARDS)


def look(mailroom: Mailroom, held: Leases, publish: Any) -> Looked:
    """One look into the one account's folder with this publisher, on a connection of its own."""
    (account,) = mailroom.accounts().all()
    assert account.imap is not None
    lease = held.held()[shard_of(account.name, SHARDS)]
    session = mailroom.connect(account)
    try:
        with ThreadPoolExecutor(1) as pool:
            visit = Visit(account, account.imap, lease, lambda: False, account.imap.folder)
            return intake(mailroom, publish, pool).look(session, visit)
    finally:
        session.close()
