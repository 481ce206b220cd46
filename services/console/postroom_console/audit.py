"""`postroom audit list|show`: what people did."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.table import Table

from postroom.errors import Misconfigured
from postroom.store import audit as recorded
from postroom_console.account_list import local
from postroom_console.acting import Who, acting, looking
from postroom_console.approvals import as_json
from postroom_console.terminal import make_console, safe


class NoSuchDeed(Misconfigured):
    """There is no such row, as far as the actor may know."""

    def __init__(self, row_id: str) -> None:
        super().__init__("audit", f"there is no {row_id!r} in the audit; see `postroom audit list`")


@click.group("audit")
def audit() -> None:
    """See what people did to the mail of your accounts; admins see what concerns no account too."""


@audit.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--actor", help="Only what this person did.")
@click.option("--account", help="Only what was done to this account's mail.")
@click.option("--action", help="Only this, such as contact.add, or contact for all of contacts.")
@click.option("--before", metavar="ID", help="Only what was done before this.")
@acting
@as_json
def list_deeds(
    limit: int,
    actor: str | None,
    account: str | None,
    action: str | None,
    before: str | None,
    who: Who,
    as_json: bool,
) -> None:
    """List what was done, newest first."""
    with looking(who) as view:
        rows = recorded.listed(view, limit=limit, actor=actor, account=account, action=action, before=before)
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
    elif rows:
        make_console().print(_table(rows))
    else:
        click.echo("nothing is recorded")


@audit.command("show")
@click.argument("row_id", metavar="ID")
@acting
@as_json
def show(row_id: str, who: Who, as_json: bool) -> None:
    """Show one deed with all that is known of it. Exit code 2 if there is none."""
    with looking(who) as view:
        row = recorded.found(view, row_id)
    if row is None:
        raise NoSuchDeed(row_id)
    if as_json:
        click.echo(json.dumps(row, indent=2, default=str))
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for field, value in _told(row).items():
        grid.add_row(field, safe(value))
    make_console().print(grid)


def _told(row: Mapping[str, Any]) -> dict[str, str]:
    told = {
        "id": row["id"],
        "at": local(row["at"]),
        "actor": row["actor"],
        "via": row["via"],
        "action": row["action"],
        "account": row["account"] or "",
        "target": row["target"],
    }
    told |= {f"  {name}": _value(value) for name, value in row["detail"].items()}
    told["undo"] = f"done at {local(row['undone_at'])}" if row["undone_at"] else ""
    return {field: value for field, value in told.items() if value}


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("ID", "AT", "ACTOR", "VIA", "ACTION", "ACCOUNT", "TARGET"):
        shown.add_column(column, overflow="fold")
    for each in rows:
        action = f"{each['action']} (undone)" if each["undone_at"] else each["action"]
        cells = (
            each["id"],
            local(each["at"]),
            each["actor"],
            each["via"],
            action,
            each["account"] or "",
            each["target"],
        )
        shown.add_row(*map(safe, cells))
    return shown
