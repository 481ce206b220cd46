"""`postroom contacts …`: the people an account exchanges mail with; export and erase a person's data."""

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from postroom.amount import amount
from postroom.clock import utc_now
from postroom.document import json_document
from postroom.errors import Misconfigured, Permanent
from postroom.inbox import acting as deeds
from postroom.inbox import person as persons
from postroom.inbox import reading
from postroom.inbox.person import Mail
from postroom.inbox.reading import MAX_PAGE, Wish
from postroom.spool import Spool
from postroom_console.account_list import local
from postroom_console.acting import Who, acting, doing, looking
from postroom_console.approvals import as_json
from postroom_console.inbox import print_page
from postroom_console.remainder import cut
from postroom_console.terminal import make_console, safe

_TIME = "%Y-%m-%d %H:%M"
Write = Callable[[str, bytes], None]

_person = click.argument("person", metavar="ADDRESS|ID")
SHOWN = 10
"""Conversations of a contact that are shown with it."""


@click.group("contacts")
def contacts() -> None:
    """See and keep contacts; export or erase what there is of a person."""


@contacts.command("list")
@click.option("--account", help="Only of this account.")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True)
@click.option("--cursor", help="Go on from here: the end of the page before.")
@acting
@as_json
def list_contacts(account: str | None, limit: int, cursor: str | None, who: Who, as_json: bool) -> None:
    """List the contacts, the newest first."""
    with looking(who) as view:
        page = reading.list_contacts(view, Wish(limit, cursor), account=account)
    print_page(page, as_json, _table, "no contacts; see `postroom inbox add-contact`")


@contacts.command("show")
@click.argument("contact_id", metavar="ID")
@acting
@as_json
def show(contact_id: str, who: Who, as_json: bool) -> None:
    """Show a contact and its newest conversations. Exit code 2 if there is none of this id."""
    with looking(who) as view:
        contact = reading.the_contact(view, contact_id)
        found = reading.list_conversations(view, Wish(SHOWN + 1), contact=contact_id).rows
    newest = cut(found, SHOWN, f"postroom inbox list --contact {contact_id}")
    if as_json:
        click.echo(json_document({"contact": contact, "conversations": newest}))
        return
    console = make_console()
    console.print(_table([contact]))
    for row in newest:
        told = Text.assemble(f"  {row['id']}  {local(row['last_at'], _TIME)}  ", safe(row["subject"]))
        console.print(told, no_wrap=True, overflow="ellipsis")


@contacts.command("add")
@click.option("--account", required=True, help="Whose contact it is.")
@click.option("--name", default="", help="What to call them.")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@acting
@as_json
def add(account: str, name: str, addresses: tuple[str, ...], who: Who, as_json: bool) -> None:
    """Make a contact with these addresses. Exit code 2 if one of them is another contact's."""
    with doing(who) as view:
        deed = deeds.new_contact(view, account, name, addresses, utc_now())
    if as_json:
        click.echo(json_document({"deed": deed.audit_id, "contact_id": deed.contact_id, "account": account}))
    else:
        click.echo(deed.contact_id)


@contacts.command("export")
@_person
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Path(path_type=Path),
    help="A new folder, or a new file that ends in .zip.",
)
@acting
@as_json
def export(person: str, target: Path, who: Who, as_json: bool) -> None:
    """Write everything there is of a person in your accounts: person.json, messages, raw mails (.eml).

    Of an address in all accounts that you see; of a contact's id in its account. Keep it as safe as mail.
    """
    spool = Spool(who.settings.spool)
    with looking(who) as view:
        wanted = persons.the_person(view, person)
        about = persons.about(view, wanted)
        with _writing(target) as write:
            write("person.json", _json(about))
            count = sum(_write_mail(write, mail, spool) for mail in persons.messages(view, wanted))
    told = {"to": str(target), "messages": count, "requests": len(about["requests"])}
    click.echo(json_document(told) if as_json else f"{amount(count, 'message')} written to {target}")


@contacts.command("erase")
@_person
@click.option("--yes", is_flag=True, help="Do not ask.")
@acting
@as_json
def erase(person: str, yes: bool, who: Who, as_json: bool) -> None:
    """Erase a person's messages, raw mails and contacts in your accounts; it cannot be undone.

    Of an address in all accounts that you see; of a contact's id in its account. What they were asked and
    what they decided is kept with its evidence, as the account's retention says; so are deny rules and
    their mails on the mail server. The audit keeps what was done, without the address.
    """
    with looking(who) as view:
        wanted = persons.the_person(view, person)
        counts, accounts = persons.counts(view, wanted), persons.accounts_with(view, wanted)
    if not yes:
        told = (
            f"erase {amount(counts['messages'], 'message')} of {safe(wanted.name)} in {', '.join(accounts)}?"
        )
        click.confirm(told, abort=True, err=True)
    erased = 0
    while step := _step(who, wanted):
        erased += step
    with doing(who) as view:
        kept = persons.erase_rest(view, wanted, accounts, utc_now())
    if as_json:
        click.echo(json_document({"erased": erased, "accounts": accounts, "kept": kept}))
        return
    click.echo(f"{amount(erased, 'message')} erased, in {', '.join(accounts)}")
    for kind, count in kept.items():
        if count:
            click.echo(f"kept as evidence of decisions: {kind}: {count}")
    click.echo("not touched: deny rules, mails on the mail server", err=True)


def _step(who: Who, wanted: persons.Person) -> int:
    with doing(who) as view:
        return persons.erase_step(view, wanted)


@contextmanager
def _writing(target: Path) -> Iterator[Write]:
    """Writes files into a new folder or a new zip file.

    Raises:
        Misconfigured: it is there already, or cannot be made.
    """
    try:
        if target.suffix == ".zip":
            with target.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                target.chmod(0o600)
                yield archive.writestr
            return
        target.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise Misconfigured("to", f"{target} is there already: name a new folder or file") from None
    except OSError as error:
        raise Misconfigured("to", f"{target} cannot be made: {error.strerror}") from error
    yield lambda name, content: _write_file(target / name, content)


def _write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(content)


def _write_mail(write: Write, mail: Mail, spool: Spool) -> int:
    """A message and its raw mail; their names come from ids of ours, nothing of the mail is in them."""
    raw, fault = mail.raw, ""
    if raw is None and mail.dataref is not None:
        try:
            raw = spool.get(mail.dataref)
        except Permanent as error:
            fault = str(error)
    name = f"{mail.row['conversation_id']}-{mail.row['id']}"
    write(f"messages/{name}.json", _json({**mail.row, "raw_fault": fault} if fault else mail.row))
    if raw is not None:
        write(f"mails/{name}.eml", raw)
    return 1


def _json(value: Mapping[str, Any]) -> bytes:
    return json_document(value).encode()


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("ID", "ACCOUNT", "SINCE"):
        table.add_column(column, no_wrap=True)
    for column in ("NAME", "ADDRESSES"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            row["id"],
            row["account"],
            local(row["created_at"], _TIME),
            safe(row["name"]),
            safe("\n".join(row["addresses"])),
        )
    return table
