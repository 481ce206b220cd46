"""`postroom accounts add`: one account, saved if its test succeeds."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from postroom.account import Account
from postroom.accounts_plan import check_heirs, check_people
from postroom.clock import utc_now
from postroom.errors import Misconfigured
from postroom.secret_box import SecretBox
from postroom.secret_reference import stored_name
from postroom.settings import Settings, read_settings
from postroom.store import accounts as stored
from postroom.store import secrets
from postroom.store.accounts import Configuration
from postroom.store.engine import Store
from postroom_console import changes, trial_table
from postroom_console.account_form import from_file, from_options, setting_options, split
from postroom_console.account_testing import carry_out, local_option, timeout_option
from postroom_console.faults import FAILED
from postroom_console.registry import broadcast, changing, opened, read_configuration
from postroom_console.secret_prompt import ask_secret, secret_from_input
from postroom_console.terminal import make_console
from postroom_console.trial import Trial, sides_of

_CONSENT = ("device", "browser")


@click.command("add")
@click.argument("name", required=False)
@click.option("-f", "--file", "path", type=click.Path(path_type=Path), help="A file with this one account.")
@setting_options
@click.option("--user", help="Who signs in. Default: the address, if there is a password.")
@click.option(
    "--set",
    "more",
    multiple=True,
    metavar="SETTING=VALUE",
    help="Any other setting, as in --set imap.interval=1m; may be repeated.",
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")
@local_option
@timeout_option
@click.option("--force", is_flag=True, help="Save it even if the test fails.")
def add(
    name: str | None,
    path: Path | None,
    user: str | None,
    more: tuple[str, ...],
    password_stdin: bool,
    local: bool,
    timeout_s: float,
    force: bool,
    **options: str | None,
) -> None:
    """Add one account. It is tested first, and only saved if the test succeeds (or with --force).

    The password is asked for without echo and stored encrypted; to keep it elsewhere, give a reference:
    --set smtp.password=env:NAME or file:/path. A whole accounts file is for `postroom apply`.
    Exit codes: 0 saved, 1 the test failed, 2 a setting is wrong.
    """
    settings = read_settings()
    given = {setting.replace("__", "."): value for setting, value in options.items() if value is not None}
    given |= dict(split(each) for each in more)
    if path is not None:
        account = from_file(path, name, {**given, **({"user": user} if user else {})})
    else:
        account = from_options(name, given, user)
    with opened(settings) as store:
        configuration = read_configuration(store)
        _check_new(configuration, account)
        for warning in changes.warnings([account]):
            click.echo(f"warning: {warning}", err=True)
        box = settings.read_secret_box()
        with _kept_secrets(store, box, account, password_stdin):
            if not (_is_good(settings, configuration, account, local, timeout_s) or force):
                click.echo(f"{account.name} is not saved: its test failed (--force saves it)", err=True)
                click.get_current_context().exit(FAILED)
            revision = _save(store, account)
    click.echo(f"{account.name} is saved")
    unheard = broadcast(settings, [account.name], revision)
    if unheard:
        click.echo(f"the services are not told, they will notice within seconds: {unheard}", err=True)


def _check_new(configuration: Configuration, account: Account) -> None:
    name = account.name
    if name in configuration.accounts or name in configuration.broken:
        raise Misconfigured("name", f"there is an account {name} already: change it with `postroom apply`")
    check_people([account], configuration.users)
    check_heirs([account], configuration.former, configuration.users)


@contextmanager
def _kept_secrets(store: Store, box: SecretBox, account: Account, from_input: bool) -> Iterator[None]:
    """Ask for the account's stored secrets and store them; they go again if the block does not end well."""
    names = {stored_name(reference): field for field, reference in account.secret_references().items()}
    own = {name: field for name, field in names.items() if name and name.startswith(f"{account.name}/")}
    values = {name: _secret(f"{field} of {account.name}", from_input) for name, field in own.items()}
    with store.write() as connection:
        for name, value in values.items():
            secrets.write(connection, box, name, value, utc_now())
    try:
        yield
    except BaseException:
        with store.write() as connection:
            for name in values:
                secrets.forget(connection, name)
        raise


def _secret(what: str, from_input: bool) -> str:
    if from_input:
        return secret_from_input(what)
    if sys.stdin.isatty():
        return ask_secret(what)
    raise Misconfigured(
        "terminal",
        f"{what}: there is no terminal to ask on: give --password-stdin, or a reference as in "
        "--set smtp.password=env:NAME",
    )


def _is_good(
    settings: Settings, configuration: Configuration, account: Account, local: bool, timeout_s: float
) -> bool:
    provider = account.provider
    if provider is not None and provider.grant in _CONSENT:
        click.echo(
            f"not tested, since its owner has to sign in first: `postroom accounts login {account.name}`"
        )
        return True
    trial = Trial(account, sides_of(account), configuration.system_smtp)
    tried = carry_out(settings, [trial], local, timeout_s)
    make_console().print(trial_table.shown(tried))
    return all(each.ok for each in tried)


def _save(store: Store, account: Account) -> int:
    with changing(store) as (connection, current):
        _check_new(current, account)
        stored.put(connection, account, utc_now())
        return stored.bump(connection)
