"""`postroom config check` and `postroom accounts list`."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.table import Table
from rich.text import Text
from sqlalchemy import select

from postroom.account import Account
from postroom.accounts_file import read_accounts
from postroom.settings import read_settings
from postroom.store.engine import Store
from postroom.store.migrate import check_schema
from postroom.store.schema import account_status
from postroom_console.terminal import make_console

_NEVER = {"colour": "grey", "sentence": "never tried", "since": None, "next_try_at": None}
_STYLES = {"grey": "dim", "green": "green", "red": "red bold"}


@click.group("config")
def config() -> None:
    """Check the configuration."""


@config.command("check")
def check() -> None:
    """Read settings and accounts file. Exit code 2 with one line per fault if something is wrong."""
    accounts = read_accounts(read_settings().accounts)
    for warning in account_warnings(accounts):
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{len(accounts)} accounts: {', '.join(account.name for account in accounts)}")


@click.group("accounts")
def accounts() -> None:
    """Look at the accounts."""


@accounts.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def list_accounts(as_json: bool) -> None:
    """List the accounts with their status: grey never tried, green active, red failed and why."""
    settings = read_settings()
    configured = read_accounts(settings.accounts)
    store = Store(settings.store)
    try:
        check_schema(store)
        with store.read() as connection:
            found = [dict(row) for row in connection.execute(select(account_status)).mappings()]
    finally:
        store.close()
    rows = _rows(configured, found)
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
    else:
        make_console().print(_table(rows))


def account_warnings(accounts: Sequence[Account]) -> list[str]:
    """What is allowed and unwise about the accounts, each with its fix."""
    return [f"{account.name}: {warning}" for account in accounts for warning in account.warnings()]


def _rows(accounts: Sequence[Account], found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    known = {(row["account"], row["side"]): row for row in found}
    return [
        {"account": account.name, "side": side, **_NEVER, **known.get((account.name, side), {})}
        for account in accounts
        for side in ("imap", "smtp")
        if getattr(account, side) is not None
    ]


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("ACCOUNT", "SIDE", "STATUS", "SINCE", "NEXT TRY", ""):
        table.add_column(column, overflow="fold")
    for row in rows:
        status = Text(row["colour"], style=_STYLES[row["colour"]])
        since, next_try = _local(row["since"], "%Y-%m-%d %H:%M:%S"), _local(row["next_try_at"], "%H:%M:%S")
        table.add_row(row["account"], row["side"], status, since, next_try, row["sentence"])
    return table


def _local(moment: datetime | None, form: str) -> str:
    return moment.astimezone().strftime(form) if moment else ""
