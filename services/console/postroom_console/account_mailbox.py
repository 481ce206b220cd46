"""`postroom accounts folders|fetch-now`: what the fetcher does with an account's mailbox."""

import time
from collections.abc import Mapping

import click
from rich.table import Table
from rich.text import Text

from postroom.account import Account
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.messages import AccountFetchNow, AccountFolders, AccountFoldersListed
from postroom.settings import Settings, read_settings
from postroom.store.engine import Store
from postroom_console.account_list import status_rows
from postroom_console.account_testing import timeout_option
from postroom_console.asking import asking, order
from postroom_console.registry import opened, read_configuration, the_account
from postroom_console.terminal import make_console

_RULES: Mapping[str, str] = {
    "setting": "by the setting imap.sent_folder",
    "special-use": "by SPECIAL-USE, as the server marks it (RFC 6154)",
    "name": "by its name",
}


@click.command("folders")
@click.argument("name")
@timeout_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def folders(name: str, timeout_s: float, as_json: bool) -> None:
    """List the folders of an account's mailbox, with the Sent folder and the rule that found it.

    Exit codes: 0 listed, 2 there is no such account, 3 the fetcher did not answer in time.
    """
    settings = read_settings()
    with opened(settings) as store:
        account = _receiving(store, name)
        listed = _listed(settings, account, timeout_s)
        if listed is None:
            raise TimeoutError(f"the fetcher did not answer within {timeout_s:g} s: {_why(store, name)}")
    if as_json:
        click.echo(json_document(listed.model_dump(mode="json", exclude={"command_id"})))
    else:
        make_console().print(_table(listed, account))


@click.command("fetch-now")
@click.argument("name")
def fetch_now(name: str) -> None:
    """Look for new mail at once instead of at the next interval."""
    settings = read_settings()
    with opened(settings) as store:
        account = _receiving(store, name)
    order(settings, AccountFetchNow(account=account.name))
    click.echo(f"the fetcher is asked to look into the mailbox of {name}")


def _receiving(store: Store, name: str) -> Account:
    account = the_account(read_configuration(store), name)
    if not account.receive:
        raise Misconfigured("receive", f"{name} does not receive: it has no mailbox to look into")
    if not account.enabled:
        raise Misconfigured("enabled", f"{name} is disabled: `postroom accounts enable {name}` first")
    return account


def _listed(settings: Settings, account: Account, timeout_s: float) -> AccountFoldersListed | None:
    with asking(settings, AccountFoldersListed) as asked:
        asked.give(AccountFolders(account=account.name))
        for _, event in asked.answers(time.monotonic() + timeout_s):
            return event
    return None


def _why(store: Store, name: str) -> str:
    """What is known of the account's mailbox, for somebody who waits for it."""
    with store.read() as connection:
        configuration = read_configuration(store)
        rows = status_rows(connection, configuration)
    row = next(row for row in rows if (row["account"], row["side"]) == (name, "imap"))
    if row["colour"] == "red":
        return f"{name} is red: {row['sentence']}"
    return "check that it runs and uses this broker"


def _table(listed: AccountFoldersListed, account: Account) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("FOLDER", "MARKED BY THE SERVER", ""):
        shown.add_column(column, overflow="fold")
    for folder in listed.folders:
        shown.add_row(
            Text(folder.name), Text(" ".join(folder.attributes)), _role(folder.name, listed, account)
        )
    if listed.sent_folder is None:
        shown.add_row("", "", Text("no Sent folder found: set imap.sent_folder", style="yellow"))
    return shown


def _role(name: str, listed: AccountFoldersListed, account: Account) -> Text:
    if name == listed.sent_folder:
        return Text(f"sent mail, {_RULES.get(listed.sent_rule, listed.sent_rule)}", style="green")
    if account.imap is not None and name == account.imap.folder:
        return Text("is read", style="green")
    return Text("handled mail" if name == account.move_to else "", style="green")
