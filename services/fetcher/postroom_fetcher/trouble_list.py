"""The mails that servers list and do not give, in the store: what a restart must not forget."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, select, update

from postroom.store import Store
from postroom.store.engine import upsert
from postroom.store.schema import fetch_troubles
from postroom_fetcher.lease import Lease, check
from postroom_fetcher.progress import IDS_AT_ONCE, Box
from postroom_fetcher.trouble import Trouble

_FACTS = ("tries", "reason_code", "sentence", "first_at", "last_at", "set_aside_at", "next_try_at")


class TroubleList:
    """Reads and writes troubles. Threads may share it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, box: Box, uidvalidity: int) -> dict[int, Trouble]:
        """The troubles of a folder by UID. Raises Transient."""
        query = select(fetch_troubles).where(_in(box), fetch_troubles.c.uidvalidity == uidvalidity)
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return {row.uid: Trouble(row.uid, *(getattr(row, name) for name in _FACTS)) for row in rows}

    def record(self, lease: Lease, box: Box, uidvalidity: int, troubles: Sequence[Trouble]) -> None:
        """Write these, new or changed. Raises Fenced, Transient."""
        place = {"account": box.account, "folder": box.folder, "uidvalidity": uidvalidity}
        rows = [
            place | {"uid": each.uid} | {name: getattr(each, name) for name in _FACTS} for each in troubles
        ]
        with self._store.write() as connection:
            check(connection, lease)
            upsert(connection, fetch_troubles, rows, update=_FACTS)

    def forget(self, lease: Lease, box: Box, uidvalidity: int, uids: Sequence[int]) -> None:
        """These are dealt with. Raises Fenced, Transient."""
        mine = delete(fetch_troubles).where(_in(box), fetch_troubles.c.uidvalidity == uidvalidity)
        with self._store.write() as connection:
            check(connection, lease)
            for start in range(0, len(uids), IDS_AT_ONCE):
                connection.execute(mine.where(fetch_troubles.c.uid.in_(uids[start : start + IDS_AT_ONCE])))

    def forget_others(self, lease: Lease, box: Box, uidvalidity: int) -> None:
        """The folder has another UIDVALIDITY now, under which all its mails are met anew."""
        with self._store.write() as connection:
            check(connection, lease)
            connection.execute(
                delete(fetch_troubles).where(_in(box), fetch_troubles.c.uidvalidity != uidvalidity)
            )

    def try_now(self, account: str, now: datetime) -> None:
        """What is set aside of an account is tried again at its next look. Raises Transient."""
        aside = fetch_troubles.c.set_aside_at.is_not(None)
        with self._store.write() as connection:
            connection.execute(
                update(fetch_troubles)
                .where(fetch_troubles.c.account == account, aside)
                .values(next_try_at=now)
            )


def _in(box: Box) -> ColumnElement[bool]:
    return and_(fetch_troubles.c.account == box.account, fetch_troubles.c.folder == box.folder)
