"""What the store knows of mailboxes: cursors, and the ledger of mails and of what was done to them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, select, update

from postroom.clock import Clock, utc_now
from postroom.store import Store
from postroom.store.engine import insert_new, upsert
from postroom.store.schema import fetch_cursors, fetch_ledger
from postroom_fetcher import gaps
from postroom_fetcher.cursor import Cursor
from postroom_fetcher.fingerprint import Fingerprint
from postroom_fetcher.lease import Lease, check

IDS_AT_ONCE = 500
"""Bound parameters of one statement; SQLite allows 32,766, older ones 999."""

ARRIVALS = 100


@dataclass(frozen=True)
class Box:
    """A folder of an account."""

    account: str
    folder: str


@dataclass(frozen=True)
class Entry:
    """A mail in the ledger."""

    mail_id: str
    uid: int
    sha256: str
    size_bytes: int
    truncated: bool
    arrived_at: datetime | None
    header_sha256: str | None = None


@dataclass(frozen=True)
class Known:
    """By what a mail in the ledger is known on the server, and what was done to it there last."""

    fingerprint: Fingerprint
    action: str | None


@dataclass(frozen=True)
class Twin:
    """A mail in the ledger that has the same bytes as another; `arrived_at` is what the server had said."""

    uid: int
    sha256: str
    arrived_at: datetime | None


class Progress:
    """Reads and writes cursors and ledger. Threads may share it."""

    def __init__(self, store: Store, clock: Clock = utc_now) -> None:
        self._store = store
        self._clock = clock

    def cursor(self, box: Box) -> Cursor | None:
        """Up to where the folder has been handed on; None if it was never begun."""
        wanted = select(fetch_cursors).where(
            fetch_cursors.c.account == box.account, fetch_cursors.c.folder == box.folder
        )
        with self._store.read() as connection:
            row = connection.execute(wanted).first()
        return _cursor(row) if row else None

    def advance(self, lease: Lease, box: Box, cursor: Cursor, entries: Sequence[Entry] = ()) -> None:
        """Record in one transaction that these mails were handed on, and the cursor after them.

        Raises:
            Fenced: The lease is over; nothing was written.
        """
        now = self._clock()
        rows = [
            {
                "mail_id": entry.mail_id,
                "account": box.account,
                "folder": box.folder,
                "uidvalidity": cursor.uidvalidity,
                "uid": entry.uid,
                "sha256": entry.sha256,
                "size_bytes": entry.size_bytes,
                "truncated": entry.truncated,
                "header_sha256": entry.header_sha256,
                "arrived_at": entry.arrived_at,
                "fetched_at": now,
            }
            for entry in entries
        ]
        with self._store.write() as connection:
            check(connection, lease)
            insert_new(connection, fetch_ledger, rows)
            _write_cursor(connection, lease, box, cursor)

    def has_other_past(self, box: Box, uidvalidity: int) -> bool:
        """Whether the ledger has mails of this folder under another UIDVALIDITY."""
        ledger = fetch_ledger.c
        mine = select(ledger.uid).where(ledger.account == box.account, ledger.folder == box.folder).limit(1)
        with self._store.read() as connection:
            # Two ranges of the index; an inequality would go through all mails of the present UIDVALIDITY.
            return any(
                connection.execute(mine.where(other)).first() is not None
                for other in (ledger.uidvalidity < uidvalidity, ledger.uidvalidity > uidvalidity)
            )

    def has_given(self, box: Box, uidvalidity: int) -> bool:
        """Whether the ledger has a mail of this folder under this UIDVALIDITY."""
        ledger = fetch_ledger.c
        mine = select(ledger.uid).where(
            ledger.account == box.account, ledger.folder == box.folder, ledger.uidvalidity == uidvalidity
        )
        with self._store.read() as connection:
            return connection.execute(mine.limit(1)).first() is not None

    def last_arrival(self, box: Box, cursor: Cursor) -> datetime | None:
        """When the mail that the cursor stands at arrived, or one shortly before it; None if it is not known.

        The latest of some: another client may have put in a mail with an old date.
        """
        ledger = fetch_ledger.c
        newest = (
            select(ledger.arrived_at)
            .where(
                ledger.account == box.account,
                ledger.folder == box.folder,
                ledger.uidvalidity == cursor.uidvalidity,
                ledger.uid <= cursor.last_uid,
            )
            .order_by(ledger.uid.desc())
            .limit(ARRIVALS)
        )
        with self._store.read() as connection:
            arrivals = connection.execute(newest).scalars().all()
        return max((each for each in arrivals if each is not None), default=None)

    def handed_on(self, box: Box, uidvalidity: int, uids: Sequence[int]) -> set[int]:
        """Which of these UIDs are in the ledger."""
        ledger = fetch_ledger.c
        mine = select(ledger.uid).where(
            ledger.account == box.account, ledger.folder == box.folder, ledger.uidvalidity == uidvalidity
        )
        found: set[int] = set()
        with self._store.read() as connection:
            for start in range(0, len(uids), IDS_AT_ONCE):
                some = mine.where(ledger.uid.in_(uids[start : start + IDS_AT_ONCE]))
                found.update(connection.execute(some).scalars())
        return found

    def same_contents(self, box: Box, uidvalidity: int, hashes: Iterable[str]) -> list[Twin]:
        """The mails in the ledger with one of these contents, under this UIDVALIDITY."""
        ledger = fetch_ledger.c
        wanted = select(ledger.uid, ledger.sha256, ledger.arrived_at).where(
            ledger.account == box.account,
            ledger.folder == box.folder,
            ledger.uidvalidity == uidvalidity,
            ledger.sha256.in_(set(hashes)),
        )
        with self._store.read() as connection:
            return [Twin(row.uid, row.sha256, row.arrived_at) for row in connection.execute(wanted)]

    def known_from_before(self, box: Box, uidvalidity: int, hashes: Iterable[str]) -> Counter[str]:
        """How many mails of each content were handed on under another UIDVALIDITY and not found again yet.

        Content is the only thing that survives a change of UIDVALIDITY: as many mails of the same bytes as
        were handed on before are the same mails, one more is a new one.
        """
        ledger = fetch_ledger.c
        same_box = and_(ledger.account == box.account, ledger.folder == box.folder)
        counted = (
            select(ledger.sha256, ledger.uidvalidity, func.count())
            .where(same_box, ledger.sha256.in_(set(hashes)))
            .group_by(ledger.sha256, ledger.uidvalidity)
        )
        before: dict[str, int] = {}
        now: Counter[str] = Counter()
        with self._store.read() as connection:
            for sha256, generation, count in connection.execute(counted):
                if generation == uidvalidity:
                    now[sha256] = count
                else:
                    before[sha256] = max(count, before.get(sha256, 0))
        return Counter({sha256: count - now[sha256] for sha256, count in before.items()})

    def must_hold(self, lease: Lease) -> None:
        """Raises Fenced unless the lease holds."""
        with self._store.read() as connection:
            check(connection, lease)

    def acted(self, mail_ids: Sequence[str], action: str) -> None:
        """Record what was done to mails on the server; those we never handed on are not in the ledger."""
        now = self._clock()
        with self._store.write() as connection:
            for ids in _some(mail_ids):
                connection.execute(
                    update(fetch_ledger)
                    .where(fetch_ledger.c.mail_id.in_(ids))
                    .values(action=action, acted_at=now)
                )

    def known(self, mail_ids: Sequence[str]) -> dict[str, Known]:
        """What is known of the mails, by their ids; those we never handed on are left out."""
        ledger = fetch_ledger.c
        columns = (
            ledger.mail_id,
            ledger.size_bytes,
            ledger.header_sha256,
            ledger.sha256,
            ledger.truncated,
            ledger.action,
        )
        found: dict[str, Known] = {}
        with self._store.read() as connection:
            for ids in _some(mail_ids):
                for own_id, *known_by, action in connection.execute(
                    select(*columns).where(ledger.mail_id.in_(ids))
                ):
                    found[own_id] = Known(Fingerprint(*known_by), action)
        return found

    def acted_before(self, mail_ids: Sequence[str], action: str) -> set[str]:
        """Which of the mails this was done to already."""
        found: set[str] = set()
        with self._store.read() as connection:
            for ids in _some(mail_ids):
                done = select(fetch_ledger.c.mail_id).where(
                    fetch_ledger.c.mail_id.in_(ids), fetch_ledger.c.action == action
                )
                found.update(connection.execute(done).scalars())
        return found


def _some(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE))


_POSITION = ("last_uid", "settled_uid", "marked_uid", "marked_at", "scanned_after_uid", "scanned_uid")


def _cursor(row: Any) -> Cursor:
    position = {name: getattr(row, name) for name in _POSITION}
    return Cursor(
        uidvalidity=row.uidvalidity,
        updated_at=row.updated_at,
        since=row.since_on,
        gaps=gaps.read(row.gaps),
        **position,
    )


def _write_cursor(connection: Connection, lease: Lease, box: Box, cursor: Cursor) -> None:
    row = {
        "account": box.account,
        "folder": box.folder,
        "uidvalidity": cursor.uidvalidity,
        "gaps": gaps.written(cursor.gaps),
        "since_on": cursor.since,
        "epoch": lease.epoch,
        "updated_at": cursor.updated_at,
        **{name: getattr(cursor, name) for name in _POSITION},
    }
    upsert(
        connection, fetch_cursors, [row], update=[name for name in row if name not in ("account", "folder")]
    )
