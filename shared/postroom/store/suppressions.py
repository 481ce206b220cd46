"""Suppressed addresses in the store: whom an account, or all of them, do not write to."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from postroom.messages import SendLane
from postroom.store.engine import insert_new, upsert
from postroom.store.schema import soft_bounces, suppressions
from postroom.suppression import RULES, SOFT_BOUNCES, SOFT_WITHIN, Reason, key_of, stops

EVERYBODY = ""
_PART = 500


@dataclass(frozen=True)
class Suppressed:
    """An address that gets no mail. `account`: from whom; empty: from any. `until`: None is for ever."""

    account: str
    key: str
    reason: Reason
    address: str
    source: str
    detail: str
    until: datetime | None
    created_at: datetime

    @property
    def told(self) -> str:
        """Why, in a line for people."""
        whose = "for all accounts" if self.account == EVERYBODY else f"for {self.account}"
        end = f" until {self.until:%Y-%m-%d}" if self.until else ""
        said = f": {self.detail}" if self.detail else ""
        return f"{self.address} is suppressed {whose}{end}, since {RULES[self.reason].told}{said}"


def suppress(
    connection: Connection,
    address: str,
    reason: Reason,
    *,
    account: str = EVERYBODY,
    source: str,
    detail: str = "",
    until: datetime | None = None,
    now: datetime,
) -> Suppressed:
    """Suppress an address, anew if it was for the same reason. Raises ValueError: no address."""
    new = Suppressed(account, key_of(address), reason, address, source, detail, until, now)
    rest = ("address", "source", "detail", "until", "created_at")
    upsert(connection, suppressions, [vars(new)], update=rest)
    return new


def remove(connection: Connection, address: str, *, account: str = EVERYBODY) -> int:
    """Let an address get mail again, whatever it was suppressed for; returns how many reasons there were.

    Mails that came back so far count no longer. Raises ValueError: no address.
    """
    key, table = key_of(address), suppressions.c
    connection.execute(
        delete(soft_bounces).where(soft_bounces.c.account == account, soft_bounces.c.key == key)
    )
    return connection.execute(delete(suppressions).where(table.account == account, table.key == key)).rowcount


def note_soft(connection: Connection, send_id: str, address: str, account: str, now: datetime) -> int:
    """Note once a mail that came back for a reason that may pass; how many were within `SOFT_WITHIN`."""
    key, table = key_of(address), soft_bounces.c
    insert_new(connection, soft_bounces, [{"send_id": send_id, "account": account, "key": key, "at": now}])
    mine = (table.account == account) & (table.key == key) & (table.at > now - SOFT_WITHIN)
    return int(connection.execute(select(func.count()).select_from(soft_bounces).where(mine)).scalar_one())


def is_too_often(count: int) -> bool:
    """Whether an address of which so many mails came back is suppressed."""
    return count >= SOFT_BOUNCES


def covering(
    connection: Connection, wanted: Iterable[tuple[str, str, SendLane]], now: datetime
) -> dict[tuple[str, str, SendLane], Suppressed]:
    """Of triples of account, address and lane those that get no mail, with why; expired ones do not count."""
    keys = {each: key_of(each[1]) for each in wanted}
    rows: dict[tuple[str, str], list[Suppressed]] = {}
    for row in _about(connection, sorted(set(keys.values())), {each[0] for each in keys}):
        if row.until is None or row.until > now:
            rows.setdefault((row.account, row.key), []).append(row)
    found = {}
    for (account, address, lane), key in keys.items():
        reasons = (*rows.get((EVERYBODY, key), ()), *rows.get((account, key), ()))
        first = next((each for each in reasons if stops(each.reason, lane)), None)
        if first is not None:
            found[account, address, lane] = first
    return found


def forget_before(connection: Connection, before: datetime) -> None:
    """Forget suppressions that ended before a time, and soft bounces that count no longer."""
    connection.execute(delete(suppressions).where(suppressions.c.until < before))
    connection.execute(delete(soft_bounces).where(soft_bounces.c.at < before - SOFT_WITHIN))


def _about(connection: Connection, keys: Sequence[str], accounts: Collection[str]) -> Iterable[Suppressed]:
    names, table = sorted({EVERYBODY, *accounts}), suppressions.c
    for start in range(0, len(keys), _PART):
        part = table.key.in_(keys[start : start + _PART])
        query = select(suppressions).where(part, table.account.in_(names))
        for row in connection.execute(query.order_by(table.created_at, table.reason)):
            yield Suppressed(**row._mapping)
