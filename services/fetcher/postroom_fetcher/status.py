"""How each mailbox does: grey, green or red, with a reason; in the store, as an event and as a metric."""

import logging
import threading
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Literal, Protocol, get_args

from postroom import metrics
from postroom.account import Account
from postroom.account_reason import waits_for_change
from postroom.broker.publisher import Outgoing, outgoing
from postroom.clock import Clock, utc_now
from postroom.envelope import envelop
from postroom.errors import Misconfigured, Transient
from postroom.messages import AccountStatusChanged, FolderRole, derive_id
from postroom.store import Store, account_status, outbox
from postroom.store.account_status import DISABLED_CODE, Known, Report, settings_digest
from postroom_fetcher.lease import Lease, check
from postroom_fetcher.session import Connect, Session

logger = logging.getLogger(__name__)

SIDE: Literal["imap"] = "imap"
SOURCE = "postroom/fetcher"
SERVICE = "fetcher"
SET_ASIDE_CODE = "mail_set_aside"
WRITE_AGAIN_AFTER = timedelta(seconds=60)
"""A mailbox that stays green is written this often at most: `last_good_at` need not be exact."""


def green(settings_digest: str, shortcoming: str = "", set_aside: str = "") -> Report:
    """The mailbox is read.

    Args:
        settings_digest: Of the account.
        shortcoming: What the server cannot do of what is asked of it.
        set_aside: Which mails it does not give; they have a reason code of their own, so that it is an event.
    """
    sentence = "; ".join(each for each in ("the mailbox is watched", set_aside, shortcoming) if each)
    code = SET_ASIDE_CODE if set_aside else "ok"
    return Report("green", code, sentence, settings_digest=settings_digest)


def disabled(account: str) -> Report:
    """Nothing is done, as the settings say."""
    sentence = f"the account is disabled: `postroom accounts enable {account}` starts it again"
    return Report("grey", DISABLED_CODE, sentence)


class Relay(Protocol):
    """What publishes recorded events; the outbox relay."""

    def publish(self, messages: list[Outgoing], /) -> object:
        """Publish them and forget them; raises Transient if some stay recorded."""


class StatusBoard:
    """Writes reports; a change of colour or reason is an event as well. Threads may share it."""

    def __init__(self, store: Store, relay: Relay, shards: int, clock: Clock = utc_now) -> None:
        self._store = store
        self._relay = relay
        self._shards = shards
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, tuple[Report, datetime]] = {}

    def report(self, account: str, report: Report, lease: Lease) -> None:
        """Write the report, under the lease of the account's shard.

        Raises:
            Transient: The store does not answer.
            Fenced: The lease is over; nothing was written.
        """
        now = self._clock()
        if report.colour == "green":
            metrics.account_last_good.labels(account=account, side=SIDE).set(now.timestamp())
        if self._is_known(account, report, now):
            return
        event = self._write(account, report, lease, now)
        with self._lock:
            self._last[account] = (report, now)
        metrics.account_red.labels(account=account, side=SIDE).set(report.colour == "red")
        if event is not None:
            log = logger.warning if report.colour == "red" else logger.info
            log(
                "account status",
                extra={"account": account, "colour": report.colour, "reason_code": report.reason_code}
                | {"sentence": report.sentence},
            )
            self._publish(event)

    def known(self, account: str) -> Known | None:
        """What was reported last, by whichever process. Raises Transient."""
        with self._store.read() as connection:
            return account_status.known(connection, account, SIDE)

    def stopped(self, account: str) -> Report | None:
        """The report of a mailbox that is not tried until its account changes; None if it is tried."""
        with self._lock:
            last, _written_at = self._last.get(account, (None, None))
        if last is None or last.colour != "red" or not waits_for_change(last.reason_code, last.failures):
            return None
        return last

    def forget(self, account: str) -> None:
        """The account is not ours any more; its metrics must not stay behind."""
        for role in get_args(FolderRole):
            with suppress(KeyError):
                metrics.mails_set_aside.remove(account, role)
        with self._lock:
            known = self._last.pop(account, None) is not None
        if known:
            for metric in (metrics.account_red, metrics.account_last_good):
                with suppress(KeyError):
                    metric.remove(account, SIDE)

    def keep(self, accounts: Collection[str]) -> None:
        """These are all that are ours."""
        with self._lock:
            gone = [account for account in self._last if account not in accounts]
        for account in gone:
            self.forget(account)

    def clear(self, accounts: Collection[str]) -> None:
        """Drop what is in the store of these, which have no mailbox any more. Raises Transient."""
        with self._store.read() as connection:
            left = [name for name, _colour in account_status.colours(connection, SIDE) if name in accounts]
        if left:
            with self._store.write() as connection:
                for account in left:
                    account_status.forget(connection, account, SIDE)

    def _is_known(self, account: str, report: Report, now: datetime) -> bool:
        with self._lock:
            last, written_at = self._last.get(account, (None, now))
        return last == report and now - written_at < WRITE_AGAIN_AFTER

    def _write(self, account: str, report: Report, lease: Lease, now: datetime) -> Outgoing | None:
        with self._store.write() as connection:
            check(connection, lease)
            event = account_status.record(connection, account, SIDE, report, now)
            if event is None:
                return None
            message = self._message(event, now)
            outbox.add(connection, SERVICE, [message], now)
            return message

    def _message(self, event: AccountStatusChanged, now: datetime) -> Outgoing:
        own_id = derive_id("status", event.account, SIDE, event.colour, event.reason_code, now.isoformat())
        return outgoing(envelop(event, source=SOURCE, now=now, message_id=own_id), self._shards)

    def _publish(self, event: Outgoing) -> None:
        try:
            self._relay.publish([event])
        except Transient as error:
            # It is in the outbox; the sweeper tries again.
            logger.warning("status not published yet", extra={"error": str(error)})


def unless_stopped(board: StatusBoard, connect: Connect) -> Connect:
    """Connects, but not where the sign-in was refused so often that it waits for a change of the account."""

    def connect_or_not(account: Account) -> Session:
        report = board.stopped(account.name)
        if report is not None and report.settings_digest == settings_digest(account):
            raise Misconfigured(report.reason_code, report.sentence)
        return connect(account)

    return connect_or_not
