"""`postroom suppressions list|add|remove`: addresses that get no mail any more (D7)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, get_args

import click
from rich.table import Table

from postroom.clock import utc_now
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.inbox.reading import see_account
from postroom.mail_tag import find_tags, is_of
from postroom.store import audit
from postroom.store import suppressions as stored
from postroom.store.schema import sends
from postroom.store.schema import suppressions as table
from postroom.store.view import View
from postroom.suppression import RULES, Reason, key_of
from postroom_console.account_list import local
from postroom_console.acting import Who, acting, doing, looking
from postroom_console.approvals import as_json
from postroom_console.moment import Duration
from postroom_console.registry import UnknownAccount
from postroom_console.remainder import cut
from postroom_console.terminal import make_console, safe

for_account = click.option(
    "--account", metavar="NAME", help="Only for mail of this account. Default: of all."
)
MAX_LISTED = 100_000
_MORE = f"--limit takes {MAX_LISTED:,} at most, --account, --address and --reason say which"
_SHOWN = [
    table.c[name] for name in ("address", "account", "reason", "until", "source", "detail", "created_at")
]


@click.group("suppressions")
def suppressions() -> None:
    """See and change which addresses get no mail any more, and why.

    Bounces and complaints that prove themselves, and whoever unsubscribes, are added by themselves.
    """


@suppressions.command("list")
@click.option("--account", metavar="NAME", help="Only of this account.")
@click.option("--address", help="Only this address.")
@click.option("--reason", type=click.Choice(get_args(Reason)), help="Only for this reason.")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=1000, show_default=True)
@acting
@as_json
def list_suppressions(
    account: str | None, address: str | None, reason: str | None, limit: int, who: Who, as_json: bool
) -> None:
    """List suppressed addresses, newest first; those that have ended are left out."""
    with looking(who) as view:
        if account is not None:
            see_account(view, account)
        query = view.select(*_SHOWN, also_system="suppressions")
        query = query.where(table.c.until.is_(None) | (table.c.until > utc_now()))
        for column, wanted in (("account", account), ("key", address and _key(address)), ("reason", reason)):
            if wanted is not None:
                query = query.where(table.c[column] == wanted)
        query = query.order_by(table.c.created_at.desc(), table.c.key).limit(limit + 1)
        rows = [dict(row) for row in view.connection.execute(query).mappings()]
    rows = cut(rows, limit, _MORE)
    if as_json:
        click.echo(json_document(rows))
    elif rows:
        make_console().print(_table(rows))
    else:
        click.echo("no addresses are suppressed")


@suppressions.command("add")
@click.argument("addresses", metavar="ADDRESS…", nargs=-1)
@for_account
@click.option(
    "--tag", help="Instead of an address: the tag of a mail whose recipient unsubscribed by a click."
)
@click.option("--reason", "why", default="", help="Why; one line, shown with it.")
@click.option("--for", "lasts_s", type=Duration(), help="For 30d, …; default: until it is removed.")
@acting
def add(
    addresses: tuple[str, ...], account: str | None, tag: str | None, why: str, lasts_s: int | None, who: Who
) -> None:
    """Send addresses no mail any more. All are added or none. Exit codes: 0 added, 2 refused."""
    if (tag is None) == (not addresses):
        raise Misconfigured("suppressions", "give addresses, or --tag")
    if lasts_s == 0:
        raise Misconfigured("for", "--for 0 would end at once; without --for it lasts until it is removed")
    now = utc_now()
    with doing(who) as view:
        about: dict[str, Any] = {"source": view.actor.name, "detail": " ".join(why.split()), "now": now}
        if tag is not None:
            send = _tagged(view, who, tag)
            addresses, only = (send.recipient,), send.account
        else:
            only = _of(view, account)
        reason: Reason = "manual" if tag is None else "unsubscribe"
        until = now + timedelta(seconds=lasts_s) if lasts_s is not None else None
        for address in addresses:
            _key(address)
            stored.suppress(view.connection, address, reason, account=only, until=until, **about)
        _record(view, "suppressions.add", only, addresses)
    click.echo(f"{len(addresses)} added" if len(addresses) > 1 else f"added: {safe(addresses[0])}")


@suppressions.command("remove")
@click.argument("addresses", metavar="ADDRESS…", nargs=-1, required=True)
@for_account
@acting
def remove(addresses: tuple[str, ...], account: str | None, who: Who) -> None:
    """Send them mail again, whatever they were suppressed for. Exit code 2 if one of them is not there."""
    with doing(who) as view:
        only = _of(view, account)
        for address in addresses:
            _key(address)
            if not stored.remove(view.connection, address, account=only):
                whose = f"for {only}" if only else "for all accounts"
                raise Misconfigured("suppressions", f"{address} is not suppressed {whose}")
        _record(view, "suppressions.remove", only, addresses)
    click.echo(f"{len(addresses)} removed" if len(addresses) > 1 else "removed")


def _of(view: View, account: str | None) -> str:
    """Whose list is changed: the account's, if the actor sees it, or everybody's, if that is their deed."""
    if account is None:
        view.require("suppressions")
        return stored.EVERYBODY
    if account not in view.accounts:
        raise UnknownAccount(account, sorted(view.accounts))
    return account


def _tagged(view: View, who: Who, tag: str) -> Any:
    """The mail that the tag is of. Raises Misconfigured: it is none of ours, or of another account."""
    keys = who.settings.read_tag_keys()
    found = [each for each in find_tags([tag]) if each.kind == "unsubscribe"]
    for each in found[:1]:
        query = view.select(sends.c.send_id, sends.c.account, sends.c.recipient).where(
            sends.c.ref == each.ref
        )
        for row in view.connection.execute(query):
            if is_of(each, row.send_id, keys):
                return row
    raise Misconfigured("tag", "that is the tag of no mail of ours")


def _key(address: str) -> str:
    try:
        return key_of(address)
    except ValueError as error:
        raise Misconfigured("suppressions", str(error)) from None


def _record(view: View, action: str, account: str, addresses: Sequence[str]) -> None:
    shown = ", ".join(addresses[:20]) + (f" and {len(addresses) - 20} more" if len(addresses) > 20 else "")
    audit.record(view.connection, view.actor, action, account or None, shown, {"count": len(addresses)})


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("ADDRESS", "ACCOUNT", "REASON", "UNTIL", "SINCE", "DETAIL"):
        shown.add_column(column, overflow="fold")
    for row in rows:
        until = local(row["until"]) if row["until"] else ""
        rule = RULES.get(row["reason"])
        told = row["detail"] or (rule.told if rule else "")
        shown.add_row(
            *map(
                safe,
                (
                    row["address"],
                    row["account"] or "all",
                    row["reason"],
                    until,
                    local(row["created_at"]),
                    told,
                ),
            )
        )
    return shown
