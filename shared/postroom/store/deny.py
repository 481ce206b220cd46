"""Deny rules in the store: what `postroom deny` and the action *block* write and the processor reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from postroom.deny import DenyList, Rule, canonical_pattern
from postroom.errors import Misconfigured
from postroom.store.engine import insert_new
from postroom.store.schema import deny_rules, revisions

_REVISION = "deny"
_EVERYBODY = ""


class BadPattern(Misconfigured):
    """What is to be denied is neither an address nor a domain; the text says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__("deny", sentence)


@dataclass(frozen=True)
class StoredRule:
    """A rule: `key` is its canonical form, `account` whose mail it is about (None: everybody's)."""

    key: str
    pattern: str
    account: str | None
    reason: str
    added_by: str
    added_at: datetime


def revision(connection: Connection) -> int:
    """Grows with every change of the rules."""
    number = connection.execute(select(revisions.c.number).where(revisions.c.name == _REVISION)).scalar()
    return int(number or 0)


def add(
    connection: Connection,
    pattern: str,
    *,
    account: str | None = None,
    reason: str = "",
    by: str = "",
    now: datetime,
) -> bool:
    """Deny an address or a domain with all below it from the next mail on; whether the rule is new.

    Raises:
        BadPattern: it is neither.
    """
    return bool(add_all(connection, [pattern], account=account, reason=reason, by=by, now=now))


def add_all(
    connection: Connection,
    patterns: Iterable[str],
    *,
    account: str | None = None,
    reason: str = "",
    by: str = "",
    now: datetime,
) -> tuple[str, ...]:
    """As `add` for many; returns those that are new, as written. All are added, or none."""
    written = {_key(pattern): pattern.strip() for pattern in patterns}
    rows = [
        {
            "account": account or _EVERYBODY,
            "key": key,
            "pattern": pattern,
            "reason": reason,
            "added_by": by,
            "added_at": now,
        }
        for key, pattern in sorted(written.items())
    ]
    new = insert_new(connection, deny_rules, rows, key="key")
    if new:
        _bump(connection)
    return tuple(pattern for key, pattern in written.items() if key in new)


def remove(connection: Connection, pattern: str, *, account: str | None = None) -> bool:
    """Deny it no longer; whether there was such a rule. Another spelling of it is the same rule.

    Raises:
        BadPattern: it is neither an address nor a domain.
    """
    mine = deny_rules.c.account == (account or _EVERYBODY)
    found = connection.execute(delete(deny_rules).where(mine, deny_rules.c.key == _key(pattern))).rowcount
    if found:
        _bump(connection)
    return bool(found)


def remove_all(
    connection: Connection, patterns: Iterable[str], *, account: str | None = None
) -> list[StoredRule]:
    """As `remove` for many, at most some thousands; returns the rules that were there."""
    keys = sorted({_key(pattern) for pattern in patterns})
    mine = (deny_rules.c.account == (account or _EVERYBODY)) & deny_rules.c.key.in_(keys)
    gone = [_rule(row) for row in connection.execute(delete(deny_rules).where(mine).returning(deny_rules))]
    if gone:
        _bump(connection)
    return sorted(gone, key=lambda rule: rule.key)


def found(connection: Connection, pattern: str, *, account: str | None = None) -> StoredRule | None:
    """The rule, in whatever spelling; raises as `remove`."""
    mine = (deny_rules.c.account == (account or _EVERYBODY)) & (deny_rules.c.key == _key(pattern))
    row = connection.execute(select(deny_rules).where(mine)).first()
    return None if row is None else _rule(row)


def forget_account(connection: Connection, account: str) -> None:
    """Remove the rules of an account that is no more."""
    if connection.execute(delete(deny_rules).where(deny_rules.c.account == account)).rowcount:
        _bump(connection)


def rules(connection: Connection, *, accounts: Sequence[str] | None = None) -> list[StoredRule]:
    """The rules in order; `accounts`: only those for everybody and those of these accounts."""
    query = select(deny_rules).order_by(deny_rules.c.account, deny_rules.c.key)
    if accounts is not None:
        query = query.where(deny_rules.c.account.in_([_EVERYBODY, *accounts]))
    return [_rule(row) for row in connection.execute(query)]


def lists(connection: Connection) -> dict[str | None, DenyList]:
    """The rules as lists by account; None: everybody's."""
    table = deny_rules.c
    found: dict[str | None, dict[str, Rule]] = {}
    rows = connection.execute(select(table.account, table.key, table.pattern, table.added_by, table.reason))
    # There may be a hundred thousand, and mail waits meanwhile: no more columns than are needed.
    for account, key, pattern, added_by, reason in rows:
        by_key = found.setdefault(account or None, {})
        by_key[key] = Rule(pattern, account or None, added_by, reason)
    return {account: DenyList(by_key) for account, by_key in found.items()}


def _rule(row: Row[Any]) -> StoredRule:
    return StoredRule(row.key, row.pattern, row.account or None, row.reason, row.added_by, row.added_at)


def _key(pattern: str) -> str:
    try:
        return canonical_pattern(pattern)
    except ValueError as error:
        raise BadPattern(str(error)) from None


def _bump(connection: Connection) -> None:
    insert_new(connection, revisions, [{"name": _REVISION, "number": 0}])
    grow = update(revisions).where(revisions.c.name == _REVISION)
    connection.execute(grow.values(number=revisions.c.number + 1))
