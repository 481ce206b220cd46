"""`postroom inbox …`: conversations, and what can be done with them."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.box import ROUNDED
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from postroom.amount import amount
from postroom.broker.outgoing import outgoing
from postroom.clock import utc_now
from postroom.document import json_document
from postroom.envelope import envelop
from postroom.inbox import acting as deeds
from postroom.inbox import reading
from postroom.inbox.acting import Deed, Deletion
from postroom.inbox.reading import MAX_PAGE, UNKNOWN_AUTHOR, Page, Wish
from postroom.store import outbox
from postroom_console.account_list import local
from postroom_console.acting import Who, acting, doing, looking
from postroom_console.approvals import as_json
from postroom_console.ordering import PROCESSOR, publish
from postroom_console.registry import SOURCE
from postroom_console.terminal import make_console, safe

_TIME = "%Y-%m-%d %H:%M:%S"
NARROW = 90
"""Columns of a terminal below which people and subject do not stand side by side."""

_limit = click.option(
    "--limit", type=click.IntRange(1, MAX_PAGE), default=20, show_default=True, help="Rows of one page."
)
_cursor = click.option("--cursor", help="Go on from here: the end of the page before.")
_message = click.option("--message", "message_id", metavar="ID", help="The author of this message instead.")


@click.group("inbox")
def inbox() -> None:
    """Read conversations, and act on them: pair with a contact, add a contact, block, delete."""


@inbox.command("list")
@click.option("--account", help="Only of this account.")
@click.option("--contact", metavar="ID", help="Only with this contact.")
@click.option("--unknown", is_flag=True, help=f"Only where the state is: {UNKNOWN_AUTHOR}.")
@_limit
@_cursor
@acting
@as_json
def list_conversations(
    account: str | None,
    contact: str | None,
    unknown: bool,
    limit: int,
    cursor: str | None,
    who: Who,
    as_json: bool,
) -> None:
    """List the conversations, the newest first. Exit code 2 if there is no such account or contact."""
    with looking(who) as view:
        page = reading.list_conversations(
            view, Wish(limit, cursor), account=account, unknown_only=unknown, contact=contact
        )
    print_page(page, as_json, _conversations, "no conversations")


@inbox.command("show")
@click.argument("conversation_id", metavar="ID")
@_limit
@_cursor
@acting
@as_json
def show(conversation_id: str, limit: int, cursor: str | None, who: Who, as_json: bool) -> None:
    """Show a conversation, its oldest message first. Exit code 2 if there is none of this id."""
    with looking(who) as view:
        conversation = reading.the_conversation(view, conversation_id)
        page = reading.list_messages(view, conversation_id, Wish(limit, cursor))
    if as_json:
        told = {"conversation": conversation, "messages": page.rows, "cursor": page.cursor}
        click.echo(json_document(told))
        return
    console = make_console()
    console.print(Group(_about(conversation), *(part for row in page.rows for part in _message_parts(row))))
    _print_cursor(page)


@inbox.command("search")
@click.argument("text")
@click.option("--account", help="Only of this account.")
@_limit
@_cursor
@acting
@as_json
def search(text: str, account: str | None, limit: int, cursor: str | None, who: Who, as_json: bool) -> None:
    """Find messages that have this text in subject, people or body, the newest first.

    The text is looked for as it is, without regard to case and blanks. Of confidential accounts the bodies
    are not searched.
    """
    with looking(who) as view:
        page = reading.search(view, text, Wish(limit, cursor), account=account)
    print_page(page, as_json, _found, "nothing found")


@inbox.command("pair")
@click.argument("conversation_id", metavar="ID")
@click.argument("contact_id", metavar="CONTACT")
@_message
@acting
@as_json
def pair(conversation_id: str, contact_id: str, message_id: str | None, who: Who, as_json: bool) -> None:
    """Let the conversation's other side be this contact, in all mail from the same address."""
    with doing(who) as view:
        deed = deeds.pair(view, conversation_id, contact_id, utc_now(), message_id)
    _print_deed(deed, as_json, f"{deed.address or conversation_id} is the contact {deed.contact_id} now")


@inbox.command("add-contact")
@click.argument("conversation_id", metavar="ID")
@click.option("--name", default="", help="What to call them.")
@_message
@acting
@as_json
def add_contact(conversation_id: str, name: str, message_id: str | None, who: Who, as_json: bool) -> None:
    """Make a contact of the conversation's other side."""
    with doing(who) as view:
        deed = deeds.add_contact(view, conversation_id, name, utc_now(), message_id)
    _print_deed(deed, as_json, f"{deed.address} is the contact {deed.contact_id} now")


@inbox.command("block")
@click.argument("conversation_id", metavar="ID")
@click.option("--domain", is_flag=True, help="Everybody of the address's domain, and all below it.")
@_message
@acting
@as_json
def block(conversation_id: str, domain: bool, message_id: str | None, who: Who, as_json: bool) -> None:
    """Deny the author to the account from the next mail on; what is there stays."""
    with doing(who) as view:
        deed = deeds.block(view, conversation_id, utc_now(), message_id, domain=domain)
    told = "is denied now" if deed.is_new else "was denied before"
    _print_deed(deed, as_json, f"{deed.address} {told}, for {deed.account}")


@inbox.command("delete")
@click.argument("conversation_id", metavar="ID")
@click.option("--message", "message_ids", metavar="ID", multiple=True, help="Only this message; repeat.")
@acting
@as_json
def delete(conversation_id: str, message_ids: tuple[str, ...], who: Who, as_json: bool) -> None:
    """Delete a conversation, or some of its messages, here and on the mail server.

    Only mails that the fetcher read are deleted on the server, and only while they are the same mails.
    Undone, they are shown again; what the server has deleted by then stays deleted there.
    """
    with doing(who) as view:
        now = utc_now()
        deletion = deeds.delete_messages(view, conversation_id, now, message_ids)
        orders = [
            outgoing(
                envelop(
                    order,
                    source=SOURCE,
                    now=now,
                    message_id=deeds.order_id(order, deletion.audit_id),
                    correlation_id=conversation_id,
                ),
                who.settings.shards,
            )
            for order in deletion.orders
        ]
        outbox.add(view.connection, PROCESSOR, orders, now)
    waiting = publish(who.settings, PROCESSOR, orders)
    _print_deletion(deletion, waiting, as_json)


def print_page(page: Page, as_json: bool, table: Any, nothing: str) -> None:
    """A page as a table or as JSON, with the cursor to go on from."""
    if as_json:
        click.echo(json_document({"rows": page.rows, "cursor": page.cursor}))
        return
    if not page.rows:
        click.echo(nothing)
        return
    make_console().print(table(page.rows))
    _print_cursor(page)


def _print_cursor(page: Page) -> None:
    if page.cursor:
        click.echo(f"there is more: --cursor {page.cursor}", err=True)


def _print_deed(deed: Deed, as_json: bool, told: str) -> None:
    if as_json:
        click.echo(
            json_document({"deed": deed.audit_id, **{k: v for k, v in vars(deed).items() if k != "audit_id"}})
        )
        return
    click.echo(safe(told))
    if deed.is_new:
        click.echo(f"undo it with `postroom audit undo {deed.audit_id}`", err=True)


def _print_deletion(deletion: Deletion, waiting: str, as_json: bool) -> None:
    ordered = sum(len(order.uids) for order in deletion.orders)
    if as_json:
        told = {
            "deed": deletion.audit_id,
            "account": deletion.account,
            "hidden": deletion.hidden,
            "ordered_on_server": ordered,
            "kept_on_server": dict(deletion.kept),
            "waiting": waiting,
        }
        click.echo(json_document(told))
        return
    there = amount(ordered, "mail is", "mails are")
    click.echo(f"{amount(deletion.hidden, 'message')} deleted here; {there} being deleted on the server")
    for why, count in deletion.kept.items():
        click.echo(f"{count} not on the server: {why}")
    if waiting:
        click.echo(f"the order waits for the broker: {safe(waiting)}", err=True)
    click.echo(f"undo it with `postroom audit undo {deletion.audit_id}`", err=True)


def _conversations(rows: Sequence[Mapping[str, Any]]) -> Table:
    headings = ("ID", "LAST", "ACCOUNT", "N", "WITH", "SUBJECT")
    return _page_table(
        headings,
        [
            (
                row["id"],
                local(row["last_at"], "%m-%d %H:%M"),
                row["account"],
                str(row["messages"]),
                _with(row),
                _line(safe(row["subject"]), ("  " + safe(row["preview"] or ""), "dim")),
            )
            for row in rows
        ],
    )


def _page_table(headings: Sequence[str], rows: Sequence[tuple[str | Text, ...]]) -> Table:
    """A table in which ids are never cut, and people and subjects, as long as strangers like, share the rest.

    On a narrow terminal the subject stands below the people.
    """
    is_narrow = make_console().width < NARROW
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    for heading in headings[:-2]:
        table.add_column(heading, no_wrap=True)
    if is_narrow:
        table.add_column(headings[-2], overflow="fold", ratio=1)
    else:
        table.add_column(headings[-2], overflow="fold", ratio=2)
        table.add_column(headings[-1], overflow="ellipsis", no_wrap=True, ratio=3)
    for *cells, people, subject in rows:
        last = (
            (Text("\n").join((_line(people), _line(subject)[:NARROW])),) if is_narrow else (people, subject)
        )
        table.add_row(*cells, *last)
    return table


def _line(*parts: str | Text | tuple[str, str]) -> Text:
    return Text.assemble(*parts)


def _with(row: Mapping[str, Any]) -> Text:
    address = safe(row["correspondent"] or "")
    if row["state"] == UNKNOWN_AUTHOR:
        return Text.assemble(address, " " if address else "", (UNKNOWN_AUTHOR, "yellow"))
    return Text(safe(row["contact_name"] or "") or address)


def _about(conversation: Mapping[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in (
        ("id", conversation["id"]),
        ("account", conversation["account"]),
        ("subject", safe(conversation["subject"])),
        ("with", _with(conversation)),
        ("contact", conversation["contact_id"] or ""),
        ("messages", str(conversation["messages"])),
    ):
        if value:
            grid.add_row(name, value)
    return grid


def _message_parts(row: Mapping[str, Any]) -> tuple[Text | Panel, ...]:
    """A message: a line about it, and its text in a box, so that nothing in it looks like ours."""
    arrow = "→" if row["direction"] == "out" else "←"
    author = safe(" ".join(filter(None, (row["author_name"], f"<{row['author']}>" if row["author"] else ""))))
    head = Text.assemble(
        ("\n" + f"{arrow} {local(row['at'], _TIME)}  ", "bold"),
        (author or "nobody", "bold"),
        (f"  {row['id'][:8]}  {row['send_state'] or row['outcome']}", "dim"),
    )
    if row.get("state") == UNKNOWN_AUTHOR:
        head.append(f"  {UNKNOWN_AUTHOR}", style="yellow")
    text = safe(row["text"]) or "(no text)"
    return head, Panel(Text(text), title=Text(safe(row["subject"])), title_align="left", box=ROUNDED)


def _found(rows: Sequence[Mapping[str, Any]]) -> Table:
    headings = ("CONVERSATION", "AT", "ACCOUNT", "FROM", "SUBJECT")
    return _page_table(
        headings,
        [
            (
                row["conversation_id"],
                local(row["at"], "%m-%d %H:%M"),
                row["account"],
                Text(safe(row["author"] or row["author_name"])),
                _line(safe(row["subject"]), ("  " + safe(row["preview"]), "dim")),
            )
            for row in rows
        ],
    )
