"""`postroom config check|reference`."""

from pathlib import Path

import click

from postroom import reference
from postroom.amount import amount
from postroom.errors import Misconfigured
from postroom.settings import read_settings
from postroom_console import changes, settings_table
from postroom_console.applying import read_file
from postroom_console.terminal import make_console


@click.group("config")
def config() -> None:
    """Check the configuration, and look settings up."""


@config.command("check")
@click.option(
    "-f",
    "--file",
    "path",
    type=click.Path(path_type=Path),
    help="The accounts file; - reads standard input. Default: POSTROOM_ACCOUNTS.",
)
def check(path: Path | None) -> None:
    """Read settings and accounts file; changes nothing.

    Exit code 2 with one line per fault if something is wrong.
    """
    settings = read_settings()
    accounts = read_file(path or settings.accounts).accounts
    for warning in changes.warnings(accounts):
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{amount(len(accounts), 'account')}: {', '.join(account.name for account in accounts)}")


@config.command("reference")
@click.argument("word", required=False)
def print_reference(word: str | None) -> None:
    """Print every setting with its type, default and meaning, or those with this word in their name."""
    sections = [("A process (environment)", "", reference.settings())] + [
        (f"Accounts file: {name or 'an account'}", f"{name}." if name else "", entries)
        for name, _, entries in reference.account_settings()
    ]
    sections.append(("Accounts file: for all accounts", "", reference.DENY))
    shown = settings_table.shown(sections, word or "")
    if shown is None:
        raise Misconfigured("word", f"no setting has {word!r} in its name")
    make_console().print(shown)
