"""`postroom accounts list`: each side of each account with its status."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, select

from postroom.account import Account
from postroom.account_reason import waits_for_change
from postroom.clock import utc_now
from postroom.document import json_document
from postroom.settings import read_settings
from postroom.store import accounts as stored
from postroom.store.accounts import Configuration
from postroom.store.schema import account_status
from postroom_console.registry import opened
from postroom_console.terminal import make_console

NEVER: Mapping[str, Any] = {
    "colour": "grey",
    "reason_code": "",
    "sentence": "never tried",
    "since": None,
    "next_try_at": None,
    "last_good_at": None,
    "failures": 0,
}
STYLES = {"grey": "dim", "green": "green", "red": "red bold"}
GOOD = {"imap": "fetch", "smtp": "send"}
_BROKEN = {**NEVER, "colour": "red", "reason_code": "record"}
_SHOWN = ("colour", "reason_code", "sentence", "since", "next_try_at", "last_good_at", "failures")


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def list_accounts(as_json: bool) -> None:
    """List the accounts with their status: grey never tried, green active, red failed and why."""
    with opened(read_settings()) as store, store.read() as connection:
        rows = status_rows(connection, stored.read(connection))
    if as_json:
        click.echo(json_document(rows))
    elif rows:
        make_console().print(table(rows, utc_now()))
    else:
        click.echo("no accounts yet; see `postroom apply` and `postroom accounts add`")


def status_rows(connection: Connection, configuration: Configuration) -> list[dict[str, Any]]:
    """A row for each side that an account has in effect, in the order of the accounts."""
    found = [dict(row) for row in connection.execute(select(account_status)).mappings()]
    return rows_of(configuration, found)


def rows_of(configuration: Configuration, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each side that an account has in effect, from what services recorded (pure)."""
    known = {(row["account"], row["side"]): row for row in found}
    rows = [
        _row(account, side, known.get((account.name, side), NEVER))
        for account in configuration.accounts.values()
        for side in sides(account)
    ]
    broken = [
        {"account": name, "side": "", **_BROKEN, "sentence": why, "warnings": [], "waits_for_change": True}
        for name, why in (*configuration.broken.items(), *configuration.broken_sections.items())
    ]
    return rows + broken


def sides(account: Account) -> Sequence[str]:
    """The sides that an account has: imap if it receives, smtp if it sends."""
    return [side for side, has in (("imap", account.receive), ("smtp", account.send)) if has]


def table(rows: Sequence[Mapping[str, Any]], now: datetime) -> Table:
    """The rows for a terminal; of today only the time is shown."""
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("ACCOUNT", "SIDE", "STATUS", "SINCE", "NEXT TRY", "LAST GOOD"):
        shown.add_column(column, no_wrap=True)
    shown.add_column("", overflow="fold")
    for row in rows:
        told = Text(str(row["sentence"]))
        for warning in row["warnings"]:
            told.append(f"\nwarning: {warning}", style="yellow")
        shown.add_row(
            row["account"],
            row["side"],
            Text(row["colour"], style=STYLES[row["colour"]]),
            _short(row["since"], now),
            next_try(row),
            _short(row["last_good_at"], now),
            told,
        )
    return shown


def next_try(row: Mapping[str, Any]) -> str:
    """When a side is tried again, in words."""
    if row["waits_for_change"]:
        return "waits for a change"
    return local(row["next_try_at"], "%H:%M:%S")


def local(moment: datetime | None, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """The moment in local time; empty without one."""
    return moment.astimezone().strftime(form) if moment else ""


def _short(moment: datetime | None, now: datetime) -> str:
    is_today = moment is not None and moment.astimezone().date() == now.astimezone().date()
    return local(moment, "%H:%M:%S" if is_today else "%Y-%m-%d")


def _row(account: Account, side: str, found: Mapping[str, Any]) -> dict[str, Any]:
    status = {name: found[name] for name in _SHOWN}
    waits = found["colour"] == "red" and waits_for_change(found["reason_code"], found["failures"])
    own = [warning for warning in account.warnings() if _is_about(warning, side, account)]
    return {"account": account.name, "side": side, **status, "waits_for_change": waits, "warnings": own}


def _is_about(warning: str, side: str, account: Account) -> bool:
    """Whether the warning is shown with this side: its own ones, and all others with the first side."""
    sections = ("imap.", "smtp.")
    return warning.startswith(f"{side}.") or (
        not warning.startswith(sections) and side == next(iter(sides(account)), "")
    )
