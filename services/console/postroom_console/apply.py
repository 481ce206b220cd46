"""`postroom apply`: makes the accounts those of a file."""

from pathlib import Path

import click
from rich.console import Console

from postroom.accounts_plan import Plan
from postroom.settings import Settings, read_settings
from postroom_console import changes, trial_table
from postroom_console.account_testing import carry_out as carry_out_trials
from postroom_console.account_testing import local_option, timeout_option
from postroom_console.applying import Applied, carry_out, look, read_file
from postroom_console.faults import FAILED
from postroom_console.registry import opened
from postroom_console.terminal import make_console
from postroom_console.trial import Trial, sides_of


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
@click.option("--test", "test_first", is_flag=True, help="First test the accounts that are new or change.")
@local_option
@timeout_option
def apply(path: Path, dry_run: bool, prune: bool, test_first: bool, local: bool, timeout_s: float) -> None:
    """Make the accounts those of a file, all or nothing; harmless to repeat.

    Services take changes over without a restart; the connections of accounts that do not change stay up.
    Exit codes: 0 done, or nothing to do; 1 a test failed, nothing is changed; 2 the file has faults, each
    named with its line and field.
    """
    wanted = read_file(path)
    settings = read_settings()
    for warning in changes.warnings(wanted.accounts):
        click.echo(f"warning: {warning}", err=True)
    with opened(settings) as store:
        if test_first and not _are_good(settings, look(store, wanted, prune=prune).plan, local, timeout_s):
            click.echo("nothing is changed: a test failed", err=True)
            click.get_current_context().exit(FAILED)
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


def _are_good(settings: Settings, planned: Plan, local: bool, timeout_s: float) -> bool:
    """Test what is new or changes and is enabled, as it is in the file."""
    system_smtp = planned.file.system_smtp
    trials = [
        Trial(account, sides_of(account), system_smtp)
        for account in planned.file.accounts
        if account.name in planned.names and account.enabled
    ]
    tried = carry_out_trials(settings, trials, local, timeout_s)
    make_console().print(trial_table.shown(tried))
    return all(each.ok for each in tried)
