"""`postroom dead …`: what could not be handled and waits for a person; look at it, replay it, drop it."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from postroom.amount import amount
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom_console.acting import Who, acting, looking
from postroom_console.approvals import as_json
from postroom_console.dead_telling import page_about, raw_of, table, told
from postroom_console.evidence import write_private
from postroom_console.faults import FAILED
from postroom_console.moment import SINCE
from postroom_console.quarantine import Desk, Done, Page, Scope
from postroom_console.terminal import make_console, safe

MAX_PAGE = 500
MAX_REASON_CHARS = 500


_queue = click.option("--queue", metavar="NAME", help="Only dead letters of this queue.")
_mails = click.option("--mails", "mails_only", is_flag=True, help="Only mails that were held.")
_since = click.option("--since", type=SINCE, help="Only what waits since then or later: 2h, or a time.")
_ids = click.argument("ids", metavar="ID…", nargs=-1)
_all = click.option("--all", "everything", is_flag=True, help="Everything that you may see.")


@click.group("dead")
def dead() -> None:
    """See what could not be handled and waits for a person, put it back, or let go of it.

    Two kinds: dead letters, messages that a service gave up on (for admins), and mails that were held or
    quarantined (for the account's owner and readers).
    """


@dead.command("list")
@_queue
@_mails
@click.option("--account", help="Only of this account.")
@_since
@click.option(
    "--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True, help="Rows of one page."
)
@click.option("--cursor", help="Go on from here: the end of the page before.")
@acting
@as_json
def list_entries(
    queue: str | None,
    mails_only: bool,
    account: str | None,
    since: datetime | None,
    limit: int,
    cursor: str | None,
    who: Who,
    as_json: bool,
) -> None:
    """List what waits, the mails first, then each queue's dead letters; always the oldest first."""
    desk = Desk(who)
    page = desk.page(_scope((), queue, mails_only, since, account), limit, cursor)
    rows = [told(each, desk.view) for each in page.entries]
    if as_json:
        counts = {"dead_letters": page.letters, "mails": page.mails}
        click.echo(json_document({"rows": rows, "cursor": page.cursor, **counts}))
        return
    _print_page(page, rows, desk.fault)


@dead.command("show")
@click.argument("entry_id", metavar="ID")
@_queue
@click.option("--raw", metavar="FILE", help="Write the mail as it came to this file; - is standard output.")
@acting
@as_json
def show(entry_id: str, queue: str | None, raw: str | None, who: Who, as_json: bool) -> None:
    """Show all about one of them. Exit code 2 if there is none of this id.

    What is in a mail is shown, and written with --raw, only to those who see its account.
    """
    desk = Desk(who)
    entries = desk.find(_scope((entry_id,), queue))
    rows = [told(each, desk.view) for each in entries]
    spool = who.settings.spool
    with looking(who) as view:
        if raw is not None:
            content = raw_of(entries[0], view, spool)
            if content is None:
                raise Misconfigured("--raw", "what is in it is not kept, or not yours to see")
            _write(raw, content)
        if as_json:
            click.echo(json_document(rows), err=raw == "-")
        elif raw is None:
            for row, entry in zip(rows, entries, strict=True):
                make_console().print(page_about(row, entry, view, spool))


@dead.command("replay")
@_ids
@_all
@_queue
@_mails
@_since
@acting
@as_json
def replay(
    ids: tuple[str, ...],
    everything: bool,
    queue: str | None,
    mails_only: bool,
    since: datetime | None,
    who: Who,
    as_json: bool,
) -> None:
    """Put them back: they go through every check again, as if they came just now, and are handled once.

    Exit codes: 0 all put back, 1 some could not be, 2 there is nothing of one of the ids.
    """
    scope = _chosen(ids, everything, queue, mails_only, since)
    desk = Desk(who)
    _check(desk, scope)
    _print_done(desk.replay(scope), "put back", desk.fault, as_json)


@dead.command("drop")
@_ids
@_all
@_queue
@_mails
@_since
@click.option("--reason", required=True, help="Why; one line, kept in the audit.")
@click.option("--tidy", is_flag=True, help="Of held mails: do what the account's after_processing says.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@acting
@as_json
def drop(
    ids: tuple[str, ...],
    everything: bool,
    queue: str | None,
    mails_only: bool,
    since: datetime | None,
    reason: str,
    tidy: bool,
    yes: bool,
    who: Who,
    as_json: bool,
) -> None:
    """Let go of them for good: dead letters are gone, held mails stay in their mailbox as they are.

    `postroom dead show ID` says what is lost with a dead letter. Exit codes as of `replay`.
    """
    why = " ".join(safe(reason).split())[:MAX_REASON_CHARS]
    if not why:
        raise Misconfigured("--reason", "expected a reason: it is kept in the audit")
    scope = _chosen(ids, everything, queue, mails_only, since)
    desk = Desk(who)
    _check(desk, scope)
    if not ids and not yes:
        _confirm()
    _print_done(desk.drop(scope, why, tidy=tidy), "dropped", desk.fault, as_json)


def _scope(
    ids: Sequence[str],
    queue: str | None,
    mails_only: bool = False,
    since: datetime | None = None,
    account: str | None = None,
) -> Scope:
    if queue is not None and mails_only:
        raise Misconfigured("--mails", "held mails are in no queue: leave --queue or --mails out")
    return Scope(frozenset(ids), queue, mails_only, since, account)


def _chosen(
    ids: Sequence[str], everything: bool, queue: str | None, mails_only: bool, since: datetime | None
) -> Scope:
    """What was asked for; nothing must not mean everything."""
    if ids and (everything or since):
        raise Misconfigured("dead", "give ids, or say which with --all, --queue, --mails, --since; not both")
    if not (ids or everything or queue or mails_only or since):
        raise Misconfigured("dead", "nothing is chosen: give ids, --all, --queue, --mails or --since")
    return _scope(ids, queue, mails_only, since)


def _check(desk: Desk, scope: Scope) -> None:
    """Before anything is done: everything that was named is there."""
    if scope.ids:
        desk.find(scope)
    else:
        desk.check(scope)


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Misconfigured("terminal", "there is no terminal to ask on: give --yes to drop all that fits")
    click.confirm("Drop all that fits, for good?", abort=True, err=True)


def _write(file: str, content: bytes) -> None:
    if file == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_private(Path(file), content)


def _print_page(page: Page, rows: Sequence[dict[str, Any]], fault: str) -> None:
    if rows:
        make_console().print(table(rows))
    else:
        click.echo("nothing waits for a person")
    counts = [f"{count} in {name}" for name, count in page.letters.items()]
    if page.mails:
        counts.insert(0, amount(page.mails, "held mail"))
    if counts:
        click.echo(f"in all: {', '.join(counts)}", err=True)
    if page.cursor:
        click.echo(f"there is more: --cursor {page.cursor}", err=True)
    if fault:
        click.echo(f"dead letters cannot be looked at: {safe(fault)}", err=True)


def _print_done(done: Done, deed: str, fault: str, as_json: bool) -> None:
    if as_json:
        click.echo(
            json_document(
                {
                    "dead_letters": done.letters,
                    "mails": done.mails,
                    "refused": done.refused,
                    "waiting": done.waiting,
                }
            )
        )
    else:
        click.echo(f"{amount(len(done.letters), 'dead letter')} and {amount(len(done.mails), 'mail')} {deed}")
    for each, why in done.refused.items():
        click.echo(f"{safe(each)}: {safe(why)}", err=True)
    for note in filter(None, (done.waiting and f"orders wait for the broker: {done.waiting}", fault)):
        click.echo(safe(note), err=True)
    if done.refused:
        click.get_current_context().exit(FAILED)
