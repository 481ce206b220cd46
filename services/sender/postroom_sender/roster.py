"""What is to be seen of the accounts that send, also while nothing is sent: a step of a loop."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, select

from postroom import metrics
from postroom.account import Account
from postroom.accounts_watch import Accounts
from postroom.broker.publisher import Outgoing, outgoing
from postroom.clock import Clock
from postroom.envelope import envelop
from postroom.store import Store, account_status, outbox
from postroom.store.account_status import DISABLED_CODE, Report
from postroom.store.inbox import forget_before
from postroom.store.outbox import OutboxRelay
from postroom.store.schema import account_status as statuses
from postroom_sender.recorder import SERVICE, SOURCE
from postroom_sender.standing import SIDE

REMEMBER_COMMANDS = timedelta(days=7)
DISABLED = Report("grey", DISABLED_CODE, "the account is disabled")
NOT_TRIED = Report("grey", "not_tried", "nothing was sent since the account was enabled")


class Roster:
    """Turns disabled accounts grey, and shows in metrics what any sender found out."""

    def __init__(
        self, accounts: Accounts, store: Store, relay: OutboxRelay, shards: int, clock: Clock
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._relay = relay
        self._shards = shards
        self._clock = clock
        self._shown: set[str] = set()

    def tend(self) -> bool:
        """Bring statuses and metrics up to date; returns that there is no more to do. Raises Transient."""
        with self._store.read() as connection:
            rows = connection.execute(select(statuses).where(statuses.c.side == SIDE)).all()
        reports = list(_due(self._accounts.all(), {row.account: row.reason_code for row in rows}))
        if reports:
            self._report(reports)
        self._show(rows)
        return False

    def forget(self) -> bool:
        """Forget which tests were answered long ago; returns that this is all. Raises Transient."""
        with self._store.write() as connection:
            forget_before(connection, SERVICE, self._clock() - REMEMBER_COMMANDS)
        return False

    def _report(self, reports: list[tuple[Account, Report | None]]) -> None:
        now = self._clock()
        told: list[Outgoing] = []
        with self._store.write() as connection:
            for account, report in reports:
                if report is None:
                    account_status.forget(connection, account.name, SIDE)
                    continue
                event = account_status.record(connection, account.name, SIDE, report, now)
                if event is not None:
                    told.append(outgoing(envelop(event, source=SOURCE, now=now), self._shards))
            outbox.add(connection, SERVICE, told, now)
        self._relay.publish(told)

    def _show(self, rows: Sequence[Row[Any]]) -> None:
        for row in rows:
            metrics.account_red.labels(account=row.account, side=SIDE).set(row.colour == "red")
            if row.last_good_at is not None:
                good = metrics.account_last_good.labels(account=row.account, side=SIDE)
                good.set(row.last_good_at.timestamp())
        shown = {row.account for row in rows}
        for gone in self._shown - shown:
            for gauge in (metrics.account_red, metrics.account_last_good):
                gauge.remove_by_labels({"account": gone, "side": SIDE})
        self._shown = shown


def _due(accounts: Iterable[Account], known: Mapping[str, str]) -> Iterator[tuple[Account, Report | None]]:
    """What is to be reported, by the reason codes known so far; None: the account has no such side (pure)."""
    for account in accounts:
        code = known.get(account.name)
        if not account.send:
            if code is not None:
                yield account, None
        elif not account.enabled:
            if code != DISABLED.reason_code:
                yield account, DISABLED
        elif code == DISABLED.reason_code:
            yield account, NOT_TRIED
