"""`postroom bulk list|show|pause|resume|cancel`: mails to many, and how they go (D4)."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.table import Table
from sqlalchemy import and_, func, select

from postroom.clock import utc_now
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.inbox.reading import see_account
from postroom.store import audit, bulks
from postroom.store.schema import bulk_recipients, sends
from postroom.store.schema import bulks as table
from postroom.store.view import View
from postroom_console.account_list import local
from postroom_console.acting import Who, acting, doing, looking
from postroom_console.approvals import as_json
from postroom_console.bulk_sending import told
from postroom_console.remainder import cut
from postroom_console.terminal import make_console, safe

_SHOWN = ("id", "account", "template", "state", "total", "skipped", "created_by", "created_at", "updated_at")
MAX_LISTED = 1000
MAX_NOT_SENT = 10_000
_NOT_SENT = ("failed", "uncertain", "bounced")


class NoSuchBulk(Misconfigured):
    """There is no such bulk, as far as the actor may know."""

    def __init__(self, bulk_id: str) -> None:
        super().__init__("bulk", f"there is no bulk {bulk_id!r}; see `postroom bulk list`")


@click.group("bulk")
def bulk() -> None:
    """See how mails to many go, and stop them or let them go on; `postroom send --bulk` orders them."""


@bulk.command("list")
@click.option("--account", help="Only of this account.")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=20, show_default=True)
@acting
@as_json
def list_bulks(account: str | None, limit: int, who: Who, as_json: bool) -> None:
    """List bulks, newest first, with how many mails became what."""
    with looking(who) as view:
        query = _visible(view).order_by(table.c.created_at.desc(), table.c.id).limit(limit + 1)
        if account is not None:
            see_account(view, account)
            query = query.where(table.c.account == account)
        found = [dict(row) for row in view.connection.execute(query).mappings()]
        rows = cut(found, limit, f"--limit takes {MAX_LISTED:,} at most, --account says whose")
        counts = bulks.counts(view.connection, [row["id"] for row in rows])
    for row in rows:
        row["counts"] = counts[row["id"]]
    if as_json:
        click.echo(json_document(rows))
    elif rows:
        make_console().print(_table(rows))
    else:
        click.echo("no bulks; see `postroom send --bulk`")


@bulk.command("show")
@click.argument("bulk_id", metavar="ID")
@click.option(
    "--limit", type=click.IntRange(0, MAX_NOT_SENT), default=50, show_default=True, help="Of those not sent."
)
@acting
@as_json
def show(bulk_id: str, limit: int, who: Who, as_json: bool) -> None:
    """Show a bulk: how many mails became what, and which were not sent. Exit code 2: there is none."""
    with looking(who) as view:
        row = the_bulk(view, bulk_id)
        row["counts"] = bulks.counts(view.connection, [bulk_id])[bulk_id]
        not_sent = cut(_not_sent(view, bulk_id, limit + 1), limit, f"--limit takes {MAX_NOT_SENT:,} at most")
    if as_json:
        click.echo(json_document({**row, "not_sent": not_sent}))
        return
    for name in _SHOWN:
        value = local(row[name]) if name.endswith("_at") else safe(str(row[name]))
        click.echo(f"{name.replace('_', ' '):<12} {value}")
    click.echo(f"{'so far':<12} {told(row['counts'])}")
    for each in not_sent:
        click.echo(safe(f"  {each['recipient']}: {each['state']}: {each['detail']}"))


@bulk.command("pause")
@click.argument("bulk_id", metavar="ID")
@acting
def pause(bulk_id: str, who: Who) -> None:
    """Send no more mails of it until it is resumed; what the server has already goes its way."""
    _move(who, bulk_id, "pause", "paused")


@bulk.command("resume")
@click.argument("bulk_id", metavar="ID")
@acting
def resume(bulk_id: str, who: Who) -> None:
    """Go on with a bulk that was paused."""
    _move(who, bulk_id, "resume", "resumed")


@bulk.command("cancel")
@click.argument("bulk_id", metavar="ID")
@acting
def cancel(bulk_id: str, who: Who) -> None:
    """Send no more mails of it, ever."""
    _move(who, bulk_id, "cancel", "cancelled")


def _move(who: Who, bulk_id: str, verb: str, done: str) -> None:
    with doing(who) as view:
        row, now = the_bulk(view, bulk_id), utc_now()
        if not bulks.move(view.connection, bulk_id, verb, now):
            raise Misconfigured("bulk", f"{bulk_id} is {row['state']}: it cannot be {done}")
        audit.record(view.connection, view.actor, f"bulk.{verb}", row["account"], bulk_id, {}, now=now)
    click.echo(f"{bulk_id}: {done}")


def _visible(view: View) -> Any:
    return view.select(*(table.c[name] for name in _SHOWN))


def the_bulk(view: View, bulk_id: str) -> dict[str, Any]:
    """A bulk, if the actor sees it. Raises NoSuchBulk: there is none, as far as they may know."""
    row = view.connection.execute(_visible(view).where(table.c.id == bulk_id)).mappings().first()
    if row is None:
        raise NoSuchBulk(bulk_id)
    return dict(row)


def _not_sent(view: View, bulk_id: str, limit: int) -> list[dict[str, Any]]:
    each = bulk_recipients.c
    query = (
        select(each.recipient, sends.c.state, sends.c.reason_code, sends.c.detail)
        .join_from(bulk_recipients, sends, and_(sends.c.send_id == each.send_id, each.bulk_id == bulk_id))
        .where(sends.c.state.in_(_NOT_SENT), func.coalesce(sends.c.reason_code, "") != "cancelled")
        .order_by(each.position)
        .limit(limit)
    )
    return [dict(row) for row in view.connection.execute(query).mappings()]


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("ID", "ACCOUNT", "TEMPLATE", "STATE", "RECIPIENTS", "SO FAR", "CREATED"):
        shown.add_column(column, overflow="fold")
    for row in rows:
        cells = (row["id"], row["account"], row["template"], row["state"], str(row["total"]))
        shown.add_row(*map(safe, (*cells, told(row["counts"]), local(row["created_at"]))))
    return shown
