"""`postroom apply`: makes the accounts those of a file."""

from pathlib import Path

import click
from rich.console import Console

from postroom.settings import read_settings
from postroom_console import changes
from postroom_console.applying import Applied, carry_out, look, read_file
from postroom_console.registry import opened
from postroom_console.terminal import make_console


@click.command("apply")
@click.option(
    "-f",
    "--file",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    help="The accounts file; - reads standard input.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--prune", is_flag=True, help="Remove the accounts that the file does not have.")
def apply(path: Path, dry_run: bool, prune: bool) -> None:
    """Make the accounts those of a file, all or nothing; harmless to repeat.

    Services take changes over without a restart; the connections of accounts that do not change stay up.
    Exit codes: 0 done, or nothing to do; 2 the file has faults, each named with its line and field.
    """
    wanted = read_file(path)
    settings = read_settings()
    for warning in changes.warnings(wanted.accounts):
        click.echo(f"warning: {warning}", err=True)
    with opened(settings) as store:
        if dry_run:
            applied = look(store, wanted, prune=prune)
        else:
            applied = carry_out(settings, store, wanted, prune=prune)
    tell(make_console(), applied, dry_run=dry_run)


def tell(console: Console, applied: Applied, *, dry_run: bool = False) -> None:
    """Say what has changed, or would change."""
    for line in changes.lines(applied.plan):
        console.print(line, soft_wrap=True)
    told = changes.summary(applied.plan)
    ending = " (nothing is changed: --dry-run)" if dry_run and not applied.plan.is_empty else ""
    console.print(f"{told}{ending}", soft_wrap=True)
    if applied.unheard:
        console.print(
            f"the services will notice within seconds by themselves: {applied.unheard}", soft_wrap=True
        )
