"""`postroom audit list|show|undo`: what people did, and undoing it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.table import Table

from postroom import undoing
from postroom.clock import utc_now
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.store import audit as recorded
from postroom.store.view import View
from postroom_console.account_list import local
from postroom_console.acting import Who, acting, doing, looking
from postroom_console.approvals import as_json
from postroom_console.registry import UnknownAccount
from postroom_console.remainder import cut
from postroom_console.terminal import make_console, safe


class NoSuchDeed(Misconfigured):
    """There is no such row, as far as the actor may know."""

    def __init__(self, row_id: str) -> None:
        super().__init__("audit", f"there is no {row_id!r} in the audit; see `postroom audit list`")


@click.group("audit")
def audit() -> None:
    """See what people did to the mail of your accounts, and undo it.

    Admins see what concerns no account too.
    """


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
        _check(view, account, before)
        rows = recorded.listed(
            view, limit=limit + 1, actor=actor, account=account, action=action, before=before
        )
    rows = cut(rows, limit, f"--before {rows[limit - 1]['id']}" if len(rows) > limit else "")
    if as_json:
        click.echo(json_document(rows))
    elif rows:
        make_console().print(_table(rows))
    else:
        click.echo("nothing is recorded")


def _check(view: View, account: str | None, before: str | None) -> None:
    """Raises Misconfigured for an account or a row that is not there, as far as the actor may know."""
    # Deeds of accounts that are no more stay, for whoever sees all.
    if account is not None and account not in view.accounts and not view.actor.sees_all:
        raise UnknownAccount(account, sorted(view.accounts))
    if before is not None and recorded.found(view, before) is None:
        raise NoSuchDeed(before)


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
        click.echo(json_document(row))
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for field, value in _told(row).items():
        grid.add_row(field, safe(value))
    make_console().print(grid)


@audit.command("undo")
@click.argument("row_id", metavar="[ID]", required=False)
@acting
@as_json
def undo(row_id: str | None, who: Who, as_json: bool) -> None:
    """Undo a deed; without ID the last of yours that can be undone. Exit code 2 if it cannot be.

    Undone can be: pair, add-contact, block and delete of `inbox`; `contacts add`; `deny add` and `remove`.
    """
    with doing(who) as view:
        wanted = row_id or recorded.newest_open(view)
        if wanted is None:
            raise Misconfigured("audit", "nothing that you did can be undone; see `postroom audit list`")
        row = undoing.undo(view, wanted, utc_now())
    if as_json:
        click.echo(json_document({"undone": row["id"], "action": row["action"], "target": row["target"]}))
    else:
        click.echo(f"undone: {row['action']} of {safe(str(row['target']))}")


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
    told["undone"] = local(row["undone_at"]) if row["undone_at"] else ""
    told["undo"] = f"postroom audit undo {row['id']}" if row["undo"] and not row["undone_at"] else ""
    return {field: value for field, value in told.items() if value}


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("ID", "AT", "ACTOR", "VIA", "ACTION", "ACCOUNT", "TARGET"):
        shown.add_column(column, overflow="fold", no_wrap=column in ("ID", "AT"))
    for each in rows:
        action = f"{each['action']} (undone)" if each["undone_at"] else each["action"]
        cells = (
            each["id"],
            local(each["at"], "%m-%d %H:%M"),
            each["actor"],
            each["via"],
            action,
            each["account"] or "",
            each["target"],
        )
        shown.add_row(*map(safe, cells))
    return shown
