"""What applying an accounts file would change, or has changed, for people to read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from postroom.account import Account
from postroom.account_values import duration
from postroom.accounts_plan import Change, Plan
from postroom.amount import amount

NOTHING = "nothing to change"
_SIGNS: Mapping[str, tuple[str, str]] = {
    "added": ("+", "green"),
    "changed": ("~", "yellow"),
    "removed": ("-", "red"),
    "left": ("·", "dim"),
}
_WORDS = {
    "added": "is new",
    "changed": "changes",
    "removed": "is removed, with its stored secrets, its OAuth 2 sign-in and its status",
    "left": "is not in the file, and stays (--prune removes it)",
}
_UNSET = "default"
_DURATIONS = ("imap.interval", "thread_within")


def lines(planned: Plan) -> Iterator[Text]:
    """The plan, a line for each account and each setting that changes."""
    for change in planned.changes:
        sign, style = _SIGNS[change.kind]
        yield Text(f"{sign} {change.name} {_WORDS[change.kind]}", style=style)
        yield from _fields(change, style)
    if planned.reordered:
        yield Text("~ the order of the accounts changes", style="yellow")


def summary(planned: Plan) -> str:
    """The plan in a few words, such as `1 added, 2 changed`."""
    counts = {
        kind: sum(change.kind == kind for change in planned.changes) for kind in _WORDS if kind != "left"
    }
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    return told or ("in another order" if planned.reordered else NOTHING)


def warnings(accounts: Iterable[Account]) -> list[str]:
    """What is allowed and unwise about the accounts, each with its fix."""
    return [f"{account.name}: {warning}" for account in accounts for warning in account.warnings()]


def shown(value: Any) -> str:
    """A setting's value, as the accounts file has it, on one line."""
    if value is None:
        return _UNSET
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(str(each) for each in value)}]"
    return _one_line(str(value))


def _fields(change: Change, style: str) -> Iterator[Text]:
    for field in change.fields:
        if field.field == "name":
            continue
        told = Text.assemble((f"    {field.field}: ", style))
        if change.kind == "changed":
            told.append(f"{_of(change, field.field, field.before)} → ")
        yield told.append(_of(change, field.field, field.after))


def _of(change: Change, field: str, value: Any) -> str:
    """Durations are kept in seconds."""
    if value is None and change.is_section and change.name == "deny":
        return "not denied"
    return setting(field, value)


def setting(field: str, value: Any) -> str:
    """The value of an account's setting, as files have it."""
    is_duration = field in _DURATIONS or field.startswith("retention.")
    return duration(value) if is_duration and isinstance(value, int) else shown(value)


def _one_line(text: str) -> str:
    first, *more = text.splitlines() or [""]
    return f"{first} … ({amount(len(more), 'more line')})" if more else first
