"""`postroom accounts test`: try an account stage by stage."""

from collections.abc import Sequence

import click

from postroom.document import json_document
from postroom.settings import Settings, read_settings
from postroom_console import trial_table
from postroom_console.faults import FAILED, OK
from postroom_console.registry import opened, read_configuration, the_account
from postroom_console.terminal import make_console
from postroom_console.trial import TIMEOUT_S, Trial, Tried, sides_of, try_by_services, try_here

local_option = click.option(
    "--local", is_flag=True, help="Test from this machine; without, fetcher and sender test where they run."
)
timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.1),
    default=TIMEOUT_S,
    show_default=True,
    help="Seconds until a service counts as away.",
)


@click.command("test")
@click.argument("name")
@local_option
@click.option("--side", type=click.Choice(["imap", "smtp"]), help="Only this side.")
@timeout_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def test_account(name: str, local: bool, side: str | None, timeout_s: float, as_json: bool) -> None:
    """Test an account's connections stage by stage, with advice where one fails. No mail is sent.

    Exit codes: 0 all is well, 1 a stage failed or a service did not answer, 2 there is no such account.
    """
    settings = read_settings()
    with opened(settings) as store:
        configuration = read_configuration(store)
    account = the_account(configuration, name)
    tried = carry_out(
        settings, [Trial(account, sides_of(account, side), configuration.system_smtp)], local, timeout_s
    )
    if as_json:
        click.echo(json_document(trial_table.document(tried)))
    else:
        make_console().print(trial_table.shown(tried))
    click.get_current_context().exit(OK if all(each.ok for each in tried) else FAILED)


def carry_out(settings: Settings, trials: Sequence[Trial], local: bool, timeout_s: float) -> list[Tried]:
    """Try, here or by the services."""
    return try_here(trials, timeout_s) if local else try_by_services(settings, trials, timeout_s)
