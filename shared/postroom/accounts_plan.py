"""What applying an accounts file would change, and the change itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection

from postroom.account import Account
from postroom.account_servers import SystemSmtp
from postroom.accounts_file import AccountsFile
from postroom.store import accounts as stored
from postroom.store.accounts import Configuration, document

SYSTEM_SMTP = "system_smtp"


@dataclass(frozen=True)
class FieldChange:
    """A setting that changes, such as `imap.interval`; None: it is not given, so that the default holds."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """What happens to an account, or to the section `system_smtp`. `left`: not in the file, and stays."""

    name: str
    kind: Literal["added", "changed", "removed", "left"]
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The changes, and the file that they come from."""

    file: AccountsFile
    changes: tuple[Change, ...]
    reordered: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether applying it changes nothing."""
        return not self.reordered and all(change.kind == "left" for change in self.changes)

    @property
    def names(self) -> tuple[str, ...]:
        """The accounts that change."""
        return tuple(
            change.name for change in self.changes if change.kind != "left" and change.name != SYSTEM_SMTP
        )


def plan(current: Configuration, wanted: AccountsFile, *, prune: bool) -> Plan:
    """What it takes to make the accounts those of the file (pure).

    Args:
        current: As they are.
        wanted: As they are to be.
        prune: Whether accounts that the file does not have are removed.
    """
    changes = list(_of_section(current.system_smtp, wanted.system_smtp, prune=prune))
    known = {*current.accounts, *current.broken} - {SYSTEM_SMTP}
    for account in wanted.accounts:
        before = current.accounts.get(account.name)
        if before != account:
            kind: Literal["added", "changed"] = "changed" if account.name in known else "added"
            changes.append(Change(account.name, kind, tuple(fields(before, account))))
    names = [account.name for account in wanted.accounts]
    rest = sorted(known - set(names))
    changes += [Change(name, "removed" if prune else "left") for name in rest]
    before_order = [name for name in current.accounts if name in set(names)]
    reordered = before_order != [name for name in names if name in current.accounts]
    return Plan(wanted, tuple(changes), reordered)


def apply(connection: Connection, planned: Plan, now: datetime) -> int | None:
    """Make the changes in this transaction; returns the new revision, or None if there was nothing to do."""
    if planned.is_empty:
        return None
    kinds = {change.name: change.kind for change in planned.changes}
    for account in planned.file.accounts:
        if account.name in kinds:
            stored.put(connection, account, now)
    stored.order(connection, [account.name for account in planned.file.accounts])
    for name, kind in kinds.items():
        if kind == "removed" and name != SYSTEM_SMTP:
            stored.remove(connection, name)
    if kinds.get(SYSTEM_SMTP, "left") != "left":
        stored.put_system_smtp(connection, planned.file.system_smtp, now)
    return stored.bump(connection)


def fields(before: Account | SystemSmtp | None, after: Account | SystemSmtp | None) -> Iterator[FieldChange]:
    """The settings that differ."""
    old = flat(document(before)) if before else {}
    new = flat(document(after)) if after else {}
    for field in (*new, *(each for each in old if each not in new)):
        if old.get(field) != new.get(field):
            yield FieldChange(field, old.get(field), new.get(field))


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The settings with the names of sections before them, such as `imap.host`."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _of_section(before: SystemSmtp | None, after: SystemSmtp | None, *, prune: bool) -> Sequence[Change]:
    if before == after:
        return ()
    if after is None:
        return (Change(SYSTEM_SMTP, "removed" if prune else "left"),)
    return (Change(SYSTEM_SMTP, "changed" if before else "added", tuple(fields(before, after))),)
