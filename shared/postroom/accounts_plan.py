"""What applying an accounts file would change, and the change itself."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection

from postroom.access import strangers
from postroom.account import Account
from postroom.accounts_file import AccountsFile, unfitting
from postroom.addresses import fold_case
from postroom.errors import Misconfigured
from postroom.sections import SECTIONS, SectionName, settings
from postroom.store import accounts as stored
from postroom.store import tokens
from postroom.store.accounts import Configuration, document
from postroom.user import User, called

Kind = Literal["added", "changed", "removed", "left"]


@dataclass(frozen=True)
class FieldChange:
    """A setting that changes, such as `imap.interval`; None: it is not given, so that the default holds."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """What happens to an account or to a section for all accounts. `left`: not in the file, and stays."""

    name: str
    kind: Kind
    fields: tuple[FieldChange, ...] = ()
    is_section: bool = False


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
            change.name for change in self.changes if change.kind != "left" and not change.is_section
        )


def plan(current: Configuration, wanted: AccountsFile, *, prune: bool) -> Plan:
    """What it takes to make the accounts those of the file (pure).

    Args:
        current: As they are.
        wanted: As they are to be.
        prune: Whether accounts that the file does not have are removed.

    Raises:
        Misconfigured: the file has no users, and an owner or reader is none of those that there are; or a new
            account would show them the mail of a former one that was not theirs; or an account that stays
            could not use the file's system_smtp any more.
    """
    if wanted.users is None and not prune:
        check_people(wanted.accounts, current.users)
    if wanted.system_smtp is not None and not prune:
        _check_those_that_stay(current, wanted)
    changes = [
        change
        for name in SECTIONS
        if (change := _of_section(name, current, getattr(wanted, name), prune=prune)) is not None
    ]
    known = {*current.accounts, *current.broken}
    check_heirs(
        (each for each in wanted.accounts if each.name not in known),
        current.former,
        current.users if wanted.users is None else wanted.users,
    )
    for account in wanted.accounts:
        before = current.accounts.get(account.name)
        if before != account:
            kind: Kind = "changed" if account.name in known else "added"
            changes.append(Change(account.name, kind, tuple(fields(before, account))))
    names = [account.name for account in wanted.accounts]
    rest = sorted(known - set(names))
    changes += [Change(name, "removed" if prune else "left") for name in rest]
    before_order = [name for name in current.accounts if name in set(names)]
    reordered = before_order != [name for name in names if name in current.accounts]
    return Plan(wanted, tuple(changes), reordered)


def check_people(accounts: Iterable[Account], users: Sequence[User]) -> None:
    """Raises Misconfigured unless owners and readers are users, if there are any; a line for each."""
    faults = [
        f"{account.name}: {'.'.join(map(str, field))}: {wrong}"
        for account in accounts
        for field, wrong in strangers(account, users)
    ]
    if faults:
        raise Misconfigured("users", "\n".join(faults))


def _check_those_that_stay(current: Configuration, wanted: AccountsFile) -> None:
    """Raises Misconfigured if the file's system_smtp is none for an account that it does not name."""
    named = {account.name for account in wanted.accounts}
    faults = [
        f"{name}: it is not in the file and stays (--prune removes it), and {wrong}"
        for name, account in current.accounts.items()
        if name not in named
        and unfitting(account, current.system_smtp) is None
        and (wrong := unfitting(account, wanted.system_smtp))
    ]
    if faults:
        raise Misconfigured("system_smtp", "\n".join(faults))


def check_heirs(
    accounts: Iterable[Account], former: Mapping[str, Sequence[str]], users: Sequence[User]
) -> None:
    """Raises Misconfigured if a new account would show kept mail to people whom it was not for."""

    def person(name: str) -> str:
        user = called(users, name)
        return user.name if user else fold_case(name)

    faults = []
    for account in accounts:
        named = [each for each in (account.owner, *account.readers) if each]
        before = former.get(account.name)
        others = [] if before is None else [each for each in named if person(each) not in map(person, before)]
        if before is not None and others:
            whose = f"was for {', '.join(before)}" if before else "was for nobody but the operator"
            faults.append(
                f"{account.name}: mail of a former account of this name is kept, which {whose} and would be "
                f"shown to {', '.join(others)}: choose another name, or let them have it with `postroom "
                f"accounts release {account.name}`"
            )
    if faults:
        raise Misconfigured("accounts", "\n".join(faults))


def apply(connection: Connection, planned: Plan, now: datetime) -> int | None:
    """Make the changes in this transaction; returns the new revision, or None if there was nothing to do."""
    if planned.is_empty:
        return None
    kinds = {change.name: change.kind for change in planned.changes if not change.is_section}
    for account in planned.file.accounts:
        if account.name in kinds:
            stored.put(connection, account, now)
    stored.order(connection, [account.name for account in planned.file.accounts])
    for name, kind in kinds.items():
        if kind == "removed":
            stored.remove(connection, name, now)
    for section in SECTIONS:
        if any(each.is_section and each.name == section and each.kind != "left" for each in planned.changes):
            stored.put_section(connection, section, getattr(planned.file, section), now)
    # Somebody else may be called the same one day.
    tokens.revoke_of_others(connection, {user.name for user in stored.read(connection).users}, now)
    return stored.bump(connection)


def fields(before: Account | None, after: Account | None) -> Iterator[FieldChange]:
    """The settings of an account that differ."""
    return _differences(document(before) if before else {}, document(after) if after else {})


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    old, new = flat(before), flat(after)
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


def _of_section(name: SectionName, current: Configuration, after: Any, *, prune: bool) -> Change | None:
    """What happens to a section; in the file, an empty list is as good as pruning it."""
    before = getattr(current, name)
    is_there = bool(before) or name in current.broken_sections
    if after:
        if before == after:
            return None
        differences = tuple(_differences(settings(name, before), settings(name, after)))
        return Change(name, "changed" if is_there else "added", differences, is_section=True)
    if not is_there:
        return None
    return Change(name, "removed" if prune or after is not None else "left", is_section=True)
