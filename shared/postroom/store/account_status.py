"""How each side of an account does: grey, green or red, and why. Fetcher and sender write it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, Row, delete, select

from postroom.account import Account, Side
from postroom.account_reason import waits_for_change
from postroom.messages import AccountStatusChanged
from postroom.store.accounts import document
from postroom.store.engine import upsert
from postroom.store.schema import account_status, accounts

Colour = Literal["grey", "green", "red"]
DISABLED_CODE = "disabled"


@dataclass(frozen=True)
class Report:
    """How a side of an account does now.

    Attributes:
        next_try_at: When it is tried again; None: now, or (red) when its settings or secrets have changed.
        failures: How many in a row so far.
        back_off_s: Seconds until the next try.
        settings_digest: `settings_digest` of the account that it was found with.
    """

    colour: Colour
    reason_code: str
    sentence: str
    next_try_at: datetime | None = None
    failures: int = 0
    back_off_s: float = 0.0
    settings_digest: str = ""


@dataclass(frozen=True)
class Known:
    """What an earlier life of a service, or another replica, has found out."""

    report: Report

    def stops(self, settings_digest: str) -> bool:
        """Whether nothing is to be tried with these settings."""
        found = self.report
        return (
            found.colour == "red"
            and found.settings_digest == settings_digest
            and waits_for_change(found.reason_code, found.failures)
        )


def settings_digest(account: Account) -> str:
    """Tells an account's settings and secrets from others (pure); `account` as it is in effect."""
    written = json.dumps([document(account), account.secrets_stamp], sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()


def record(
    connection: Connection, account: str, side: Side, report: Report, now: datetime
) -> AccountStatusChanged | None:
    """Write the report in this transaction; returns the event if colour or reason are news.

    Nothing is written of an account that is not there any more: its removal took its status with it.
    """
    # Locked, where the database knows that: it is not removed before this transaction ends.
    there = select(accounts.c.name).where(accounts.c.name == account).with_for_update(read=True)
    if connection.execute(there).first() is None:
        return None
    row = _row(connection, account, side)
    is_news = row is None or (row.colour, row.reason_code) != (report.colour, report.reason_code)
    since = now if row is None or row.colour != report.colour else row.since
    fields = {
        "colour": report.colour,
        "reason_code": report.reason_code,
        "sentence": report.sentence,
        "since": since,
        "next_try_at": report.next_try_at,
        "last_good_at": now if report.colour == "green" else row.last_good_at if row else None,
        "failures": report.failures,
        "back_off_s": report.back_off_s,
        "settings_digest": report.settings_digest,
    }
    upsert(connection, account_status, [{"account": account, "side": side, **fields}], update=tuple(fields))
    if not is_news:
        return None
    return AccountStatusChanged(
        account=account,
        side=side,
        colour=report.colour,
        reason_code=report.reason_code,
        sentence=report.sentence,
        since=since,
        next_try_at=report.next_try_at,
    )


def known(connection: Connection, account: str, side: Side) -> Known | None:
    """What was recorded last; None if nothing was."""
    row = _row(connection, account, side)
    if row is None:
        return None
    return Known(
        Report(
            row.colour,
            row.reason_code,
            row.sentence,
            row.next_try_at,
            row.failures,
            row.back_off_s,
            row.settings_digest,
        )
    )


def forget(connection: Connection, account: str, side: Side) -> None:
    """The account does not use this side any more."""
    connection.execute(
        delete(account_status).where(account_status.c.account == account, account_status.c.side == side)
    )


def colours(connection: Connection, side: Side) -> Sequence[tuple[str, Colour]]:
    """The colour of each account on this side."""
    query = select(account_status.c.account, account_status.c.colour).where(account_status.c.side == side)
    return [(row.account, row.colour) for row in connection.execute(query)]


def _row(connection: Connection, account: str, side: Side) -> Row[tuple[object, ...]] | None:
    key = (account_status.c.account == account) & (account_status.c.side == side)
    return connection.execute(select(account_status).where(key)).first()
