"""How each mailbox does: grey, green or red, with a reason; in the store, as an event and as a metric."""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from sqlalchemy import select

from postroom import metrics
from postroom.broker.publisher import Outgoing, outgoing
from postroom.clock import Clock, utc_now
from postroom.envelope import envelop
from postroom.errors import Transient
from postroom.messages import AccountStatusChanged, derive_id
from postroom.store import Store, outbox
from postroom.store.engine import upsert
from postroom.store.schema import account_status

logger = logging.getLogger(__name__)

SIDE: Literal["imap"] = "imap"
SOURCE = "postroom/fetcher"
SERVICE = "fetcher"
WRITE_AGAIN_AFTER = timedelta(seconds=60)
"""A mailbox that stays green is written this often at most: `last_good_at` need not be exact."""

Colour = Literal["grey", "green", "red"]


@dataclass(frozen=True)
class Report:
    """How a mailbox does now. `failures` in a row so far; `back_off_s` until the next try."""

    colour: Colour
    reason_code: str
    sentence: str
    next_try_at: datetime | None = None
    failures: int = 0
    back_off_s: float = 0.0


GREEN = Report("green", "ok", "the mailbox is watched")
DISABLED = Report("grey", "disabled", "the account is disabled in the accounts file")


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

    def report(self, account: str, report: Report) -> None:
        """Write the report. Raises Transient if the store does not answer."""
        now = self._clock()
        if self._is_known(account, report, now):
            return
        event = self._write(account, report, now)
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

    def forget(self, account: str) -> None:
        """The account is not ours any more; its metric must not stay behind."""
        with self._lock:
            if self._last.pop(account, None) is not None:
                metrics.account_red.remove(account, SIDE)

    def _is_known(self, account: str, report: Report, now: datetime) -> bool:
        with self._lock:
            last, written_at = self._last.get(account, (None, now))
        return last == report and now - written_at < WRITE_AGAIN_AFTER

    def _write(self, account: str, report: Report, now: datetime) -> Outgoing | None:
        key = (account_status.c.account == account) & (account_status.c.side == SIDE)
        with self._store.write() as connection:
            row = connection.execute(select(account_status).where(key)).first()
            is_news = row is None or (row.colour, row.reason_code) != (report.colour, report.reason_code)
            since = now if row is None or row.colour != report.colour else row.since
            good_at = now if report.colour == "green" else row.last_good_at if row else None
            fields = {
                "colour": report.colour,
                "reason_code": report.reason_code,
                "sentence": report.sentence,
                "since": since,
                "next_try_at": report.next_try_at,
                "last_good_at": good_at,
                "failures": report.failures,
                "back_off_s": report.back_off_s,
            }
            upsert(
                connection,
                account_status,
                [{"account": account, "side": SIDE, **fields}],
                update=tuple(fields),
            )
            if not is_news:
                return None
            event = self._event(account, report, since, now)
            outbox.add(connection, SERVICE, [event], now)
            return event

    def _event(self, account: str, report: Report, since: datetime, now: datetime) -> Outgoing:
        event = AccountStatusChanged(
            account=account,
            side=SIDE,
            colour=report.colour,
            reason_code=report.reason_code,
            sentence=report.sentence,
            since=since,
            next_try_at=report.next_try_at,
        )
        own_id = derive_id("status", account, SIDE, report.colour, report.reason_code, now.isoformat())
        return outgoing(envelop(event, source=SOURCE, now=now, message_id=own_id), self._shards)

    def _publish(self, event: Outgoing) -> None:
        try:
            self._relay.publish([event])
        except Transient as error:
            # It is in the outbox; the sweeper tries again.
            logger.warning("status not published yet", extra={"error": str(error)})
