"""The mails that wait for room and what senders have used, as the store has them.

All of it is read and written while the windows of the accounts are locked (`ledger.windows_of`), so that
several processors see one line.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Subquery, bindparam, delete, func, select, update

from postroom import metrics
from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.clock import Clock
from postroom.store.engine import Store, insert_new, upsert
from postroom.store.schema import deferred_mails, sender_windows
from postroom_processor.follow_up import Handled
from postroom_processor.limits import Line, Place, Window

MAX_WAIT_S = 600.0
"""A waiting mail is looked at this often at least: the limits may have been raised."""
GRACE_S = 900.0
"""How long after its time a mail that does not come keeps its place free: it may be gone from the broker."""


def touch(connection: Connection, mail_ids: Collection[str], now: datetime) -> set[str]:
    """Those of the mails that wait since before; they are here, so they keep their places."""
    if not mail_ids:
        return set()
    statement = (
        update(deferred_mails)
        .where(deferred_mails.c.mail_id.in_(sorted(mail_ids)))
        .values(expires_at=now + timedelta(seconds=GRACE_S))
    )
    return set(connection.execute(statement.returning(deferred_mails.c.mail_id)).scalars())


def lines_of(
    connection: Connection,
    batch: Sequence[tuple[str, Account, str]],
    windows: Mapping[str, Window],
    approvers: Mapping[str, Collection[str]],
    waits: Collection[str],
    now: datetime,
) -> dict[str, Line]:
    """The line of each account that has a window.

    Args:
        connection: Has the windows locked.
        batch: The mails: id, account, and under which key its sender is counted.
        windows: As they stand now.
        approvers: Under which keys the approvers with a token in the batch are counted, by account.
        waits: The mails of the batch that wait since before (`touch`).
        now: The time.
    """
    limits = {account.name: account.imap.per_sender_count for _, account, _ in batch if account.imap}
    senders = {name: {key for _, account, key in batch if account.name == name} for name in limits}
    keys = {
        name: {*approvers.get(name, ()), *(senders[name] if limits[name] else ())} for name in sorted(limits)
    }
    used = _used(connection, windows, keys)
    lengths = _lengths(connection, sorted(limits), now)
    lines = {name: Line(limits[name], used=used.get(name, {})) for name in limits}
    for name, length in lengths.items():
        asked = _Asked(connection, name, windows[name], limits[name], now)
        lines[name] = replace(
            lines[name],
            length=length,
            next_ids=asked.next_ids(len(waits)),
            places=asked.places(waits),
            waiting_of=asked.waiting_of(senders[name]),
        )
    return lines


@dataclass(frozen=True)
class _Asked:
    """What is asked about the line of one account that somebody waits in."""

    connection: Connection
    account: str
    window: Window
    per_sender: int | None
    now: datetime

    def next_ids(self, may_leave: int) -> tuple[str, ...]:
        if not self.window.has_room:
            return ()
        line = self._line()
        query = select(line.c.mail_id).order_by(line.c.seq).limit(self.window.room + may_leave)
        if self.per_sender is not None:
            spent = (
                (sender_windows.c.account == self.account)
                & (sender_windows.c.sender == line.c.sender)
                & (sender_windows.c.started_at >= self.window.started_at)
            )
            nth = line.c.of_sender + func.coalesce(sender_windows.c.used, 0)
            query = query.select_from(line.outerjoin(sender_windows, spent)).where(nth < self.per_sender)
        return tuple(self.connection.execute(query).scalars())

    def places(self, waits: Collection[str]) -> dict[str, Place]:
        if not waits:
            return {}
        line = self._line()
        query = select(line.c.mail_id, line.c.ahead, line.c.of_sender).where(
            line.c.mail_id.in_(sorted(waits))
        )
        return {row.mail_id: Place(row.ahead, row.of_sender) for row in self.connection.execute(query)}

    def waiting_of(self, senders: Collection[str]) -> dict[str, int]:
        if self.per_sender is None:
            return {}
        query = (
            select(deferred_mails.c.sender, func.count())
            .where(self._fresh(), deferred_mails.c.sender.in_(sorted(senders)))
            .group_by(deferred_mails.c.sender)
        )
        return {sender: int(count) for sender, count in self.connection.execute(query)}

    def _line(self) -> Subquery:
        order = deferred_mails.c.seq
        of_sender = func.row_number().over(partition_by=deferred_mails.c.sender, order_by=order)
        columns = (
            deferred_mails.c.mail_id,
            deferred_mails.c.seq,
            deferred_mails.c.sender,
            (func.row_number().over(order_by=order) - 1).label("ahead"),
            (of_sender - 1).label("of_sender"),
        )
        return select(*columns).where(self._fresh()).subquery()

    def _fresh(self) -> ColumnElement[bool]:
        return (deferred_mails.c.account == self.account) & (deferred_mails.c.expires_at > self.now)


def _lengths(connection: Connection, accounts: Sequence[str], now: datetime) -> dict[str, int]:
    query = (
        select(deferred_mails.c.account, func.count())
        .where(deferred_mails.c.account.in_(accounts), deferred_mails.c.expires_at > now)
        .group_by(deferred_mails.c.account)
    )
    return {account: int(count) for account, count in connection.execute(query)}


def _used(
    connection: Connection, windows: Mapping[str, Window], keys: Mapping[str, Collection[str]]
) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, wanted in keys.items():
        if wanted:
            mine = (sender_windows.c.account == name) & sender_windows.c.sender.in_(sorted(wanted))
            since = sender_windows.c.started_at >= windows[name].started_at
            rows = connection.execute(select(sender_windows).where(mine, since))
            found[name] = {row.sender: row.used for row in rows}
    return found


def save(
    connection: Connection,
    handled: Sequence[Handled],
    windows: Mapping[str, Window],
    lines: Mapping[str, Line],
    waits: Collection[str],
    now: datetime,
) -> set[str]:
    """Write who waits now, who does not any more, and what was used; returns who waits since now."""
    deferred = [each for each in handled if each.outcome.kind == "deferred"]
    rows = [_row(each, now) for each in deferred]
    new = insert_new(connection, deferred_mails, rows, key="mail_id")
    again = [
        {"mail": row["mail_id"], "again_at": row["until"], "over_at": row["expires_at"]}
        for row in rows
        if row["mail_id"] not in new
    ]
    if again:
        statement = update(deferred_mails).where(deferred_mails.c.mail_id == bindparam("mail"))
        statement = statement.values(until=bindparam("again_at"), expires_at=bindparam("over_at"))
        connection.execute(statement, again)
    gone = set(waits) - {each.envelope.id for each in deferred}
    if gone:
        connection.execute(delete(deferred_mails).where(deferred_mails.c.mail_id.in_(sorted(gone))))
    used = [
        {"account": name, "sender": key, "started_at": windows[name].started_at, "used": count}
        for name, line in sorted(lines.items())
        for key, count in sorted(line.used.items())
    ]
    upsert(connection, sender_windows, used, update=("started_at", "used"))
    return new


def _row(handled: Handled, now: datetime) -> dict[str, object]:
    until = now + timedelta(seconds=wait_s(handled.outcome.until or now, now))
    return {
        "mail_id": handled.envelope.id,
        "account": handled.account.name,
        "sender": handled.examined.sender_key,
        "deferred_at": now,
        "until": until,
        "expires_at": until + timedelta(seconds=GRACE_S),
    }


def wait_s(until: datetime, now: datetime) -> float:
    """How long a mail waits before it is looked at again."""
    return min(MAX_WAIT_S, max(1.0, (until - now).total_seconds()))


class WaitingMails:
    """Says in the metrics how many mails of each account wait."""

    def __init__(self, store: Store, accounts: Accounts, clock: Clock) -> None:
        self._store = store
        self._accounts = accounts
        self._clock = clock

    def tend(self) -> bool:
        """Count once; False: there is nothing more to do. Raises Transient."""
        names = sorted(account.name for account in self._accounts.all())
        with self._store.read() as connection:
            lengths = _lengths(connection, names, self._clock())
        for name in names:
            metrics.mails_waiting.labels(account=name).set(lengths.get(name, 0))
        return False


def forget_before(connection: Connection, before: datetime) -> None:
    """Forget mails that never came back, and windows that are over."""
    connection.execute(delete(deferred_mails).where(deferred_mails.c.expires_at < before))
    connection.execute(delete(sender_windows).where(sender_windows.c.started_at < before))
