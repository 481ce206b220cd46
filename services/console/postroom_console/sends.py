"""`postroom sends …`: what was sent, what came back, and what nobody knows yet."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from postroom.amount import amount
from postroom.clock import utc_now
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.inbox import sends as sent
from postroom.inbox.manual_log import MAX_BYTES, Wanted, log_by_hand
from postroom.inbox.reading import MAX_PAGE, Wish
from postroom.inbox.sends import STATES, Filter
from postroom.messages import LogDepth
from postroom.spool import Spool
from postroom_console.account_list import local
from postroom_console.acting import Who, acting, doing, looking
from postroom_console.approvals import as_json
from postroom_console.inbox import print_page
from postroom_console.moment import SINCE
from postroom_console.resolution import resolve
from postroom_console.terminal import make_console, safe

_TIME = "%Y-%m-%d %H:%M:%S"
_COLOURS = {"sent": "green", "logged": "green", "failed": "red", "bounced": "red", "uncertain": "yellow"}


@click.group("sends")
def sends() -> None:
    """See what was sent, log a mail by hand, and say what became of one that is uncertain."""


sends.add_command(resolve)


@sends.command("list")
@click.option("--account", help="Only of this account.")
@click.option("--state", type=click.Choice(STATES), help="Only those that are so.")
@click.option("--recipient", metavar="ADDRESS", help="Only to this address.")
@click.option("--event", help="Only of this event.")
@click.option(
    "--since",
    type=SINCE,
    help="Only what was written since then: 2h, or a time.",
)
@click.option(
    "--limit", type=click.IntRange(1, MAX_PAGE), default=20, show_default=True, help="Rows of one page."
)
@click.option("--cursor", help="Go on from here: the end of the page before.")
@acting
@as_json
def list_sends(
    account: str | None,
    state: str | None,
    recipient: str | None,
    event: str | None,
    since: datetime | None,
    limit: int,
    cursor: str | None,
    who: Who,
    as_json: bool,
) -> None:
    """List sends, bounces and what was logged by hand, the newest first."""
    with looking(who) as view:
        page = sent.list_sends(view, Filter(account, state, recipient, event, since), Wish(limit, cursor))
    print_page(page, as_json, _rows, "nothing was sent")


@sends.command("show")
@click.argument("name", metavar="ID")
@click.option(
    "--copy",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the whole mail to this file, which must not be there yet.",
)
@acting
@as_json
def show(name: str, target: Path | None, who: Who, as_json: bool) -> None:
    """Show one send, bounce or logged mail with its links, its copy and how it stands."""
    with looking(who) as view:
        told = sent.the_send(view, name)
        whole = sent.whole_mail(view, name) if target is not None else None
    if target is not None and whole is not None:
        content = whole.content
        if content is None:
            content = Spool(who.settings.spool).get(whole.dataref or "")
        _write_new(target, content)
    if as_json:
        click.echo(json_document(told))
        return
    make_console().print(Group(*_about(told)))


@sends.command("log")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--account", required=True, help="Whose mail it is.")
@click.option("--event", default="", help="What it was sent for, in your words.")
@click.option("--contact", metavar="ID", help="The contact it belongs to. Default: whose address it went to.")
@click.option("--conversation", metavar="ID", help="The conversation it belongs to.")
@click.option(
    "--log",
    "depth",
    type=click.Choice(["full", "headers", "nothing"]),
    help="How much is kept. Default: as the account says.",
)
@acting
@as_json
def log(
    file: Path,
    account: str,
    event: str,
    contact: str | None,
    conversation: str | None,
    depth: LogDepth | None,
    who: Who,
    as_json: bool,
) -> None:
    """Log a mail that was not logged by itself, from an .eml file; the same one twice is logged once."""
    if len(event) > 100 or not event.isprintable():
        raise Misconfigured("event", "an event is one line of at most 100 characters")
    with file.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    with doing(who) as view:
        logged = log_by_hand(view, Wanted(content, account, event, contact, conversation, depth), utc_now())
    if as_json:
        click.echo(
            json_document({"id": logged.record_id, "is_new": logged.is_new, "send_id": logged.send_id})
        )
    elif logged.send_id is not None:
        click.echo(f"it was logged by itself, as {safe(logged.send_id)}")
    else:
        click.echo(f"{logged.record_id} {'is logged' if logged.is_new else 'was logged before'}")


def _write_new(target: Path, content: bytes) -> None:
    try:
        with target.open("xb") as stream:
            stream.write(content)
    except OSError as error:
        raise Misconfigured("copy", f"{target} cannot be written: {error.strerror}") from error


def _rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("ID", "AT", "ACCOUNT", "STATE"):
        table.add_column(column, no_wrap=True)
    table.add_column("TO", overflow="fold")
    table.add_column("EVENT", overflow="fold")
    table.add_column("SUBJECT", overflow="ellipsis", no_wrap=True)
    for row in rows:
        table.add_row(
            safe(row["send_id"] if row["kind"] == "send" else row["id"]),
            local(row["at"], "%m-%d %H:%M"),
            row["account"],
            Text(row["state"] or "", style=_COLOURS.get(row["state"] or "", "")),
            safe(row["recipient"]),
            safe(row["event"]),
            safe(row["subject"]),
        )
    return table


def _about(told: Mapping[str, Any]) -> list[Table | Text]:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in (*_of_record(told), *_of_mail(told)):
        if value:
            grid.add_row(name, safe(value))
    return [grid, *([Text("\n" + safe(told["headers"]))] if told["headers"] else [])]


def _of_record(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("id", told["id"] if told["kind"] != "send" else told["send_id"]),
        ("kind", told["kind"]),
        ("account", told["account"]),
        ("at", local(told["at"], _TIME)),
        ("state", told["state"] or ""),
        ("event", told["event"]),
        ("to", told["recipient"]),
        ("subject", told["subject"]),
        ("contact", told["contact_id"] or ""),
        ("conversation", told["conversation_id"] or ""),
        (
            "kept",
            f"{told['log']}" + ("" if told["whole_mail"] or told["log"] != "full" else ", not any more"),
        ),
        ("about it", told["detail"]),
    ]


def _of_mail(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    if told["kind"] != "send" or "attempts" not in told:
        return []
    doubt, copy = told["doubt"], told["copy"]
    lines = [
        ("message id", told["message_id"]),
        ("attempts", str(told["attempts"])),
        ("answer", told["answer"]),
        ("settled by", told["settled_by"] or ""),
        ("filed", f"{copy['state']} {copy['detail']}".strip() if copy else ""),
    ]
    lines += [
        ("recipient", f"{each['recipient']}: {each['state']}: {each['detail']}".removesuffix(": "))
        for each in told["recipients"]
    ]
    lines += [("bounce", f"{local(each['at'], _TIME)} {each['detail']}") for each in told["bounces"]]
    if doubt and told["state"] == "uncertain":
        looks = (
            f", looked for {amount(doubt['looks'], 'time')}: {doubt['answer'] or 'no answer yet'}"
            if doubt["looks"]
            else ""
        )
        waits = "waits for a person" if doubt["parked_at"] else "is being settled"
        lines.append(("uncertain", f"since {local(doubt['since'], _TIME)}{looks}; {waits}"))
    return lines
