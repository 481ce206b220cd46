"""`postroom config check|reference`."""

from pathlib import Path

import click

from postroom.settings import read_settings
from postroom_console import changes
from postroom_console.applying import read_file


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
    click.echo(f"{len(accounts)} accounts: {', '.join(account.name for account in accounts)}")
