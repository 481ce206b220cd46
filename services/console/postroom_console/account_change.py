"""`postroom accounts enable|disable|delete|release|export`."""

import sys
from collections.abc import Mapping
from typing import Any

import click
import yaml

from postroom.access import the_operator
from postroom.clock import utc_now
from postroom.errors import Misconfigured
from postroom.sections import SECTIONS, written
from postroom.settings import Settings, read_settings
from postroom.store import accounts as stored
from postroom.store import audit, former_accounts
from postroom.store.accounts import Configuration, document
from postroom_console.registry import (
    UnknownAccount,
    broadcast,
    changing,
    opened,
    read_configuration,
    the_account,
)


@click.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Read the account's mailbox and send from it again. The accounts file keeps its own `enabled`."""
    _switch(name, enabled=True)


@click.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Neither read the account's mailbox nor send from it, until it is enabled again."""
    _switch(name, enabled=False)


@click.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Remove an account with its stored secrets, its sign-in and its status. Its mailbox stays as it is.

    Its conversations are kept as `retention` says by default, for whoever owned and read it.
    """
    settings = read_settings()
    with opened(settings) as store:
        _check_known(read_configuration(store), name)
        if not yes:
            _confirm(name)
        with changing(store) as (connection, current):
            _check_known(current, name)
            stored.remove(connection, name, utc_now())
            revision = stored.bump(connection)
    _tell(settings, name, "is removed", revision)


@click.command("release")
@click.argument("name")
def release(name: str) -> None:
    """Let the mail that is kept of a removed account be for whoever has the next account of its name."""
    with opened(read_settings()) as store, changing(store) as (connection, current):
        if name not in current.former:
            raise Misconfigured("account", f"no mail is kept of a former account {name!r}")
        former_accounts.forget(connection, name)
        people = list(current.former[name])
        audit.record(connection, the_operator(), "account.release", None, name, {"people": people})
    click.echo(f"the mail of {name} is for whoever owns and reads the next account of that name")


@click.command("export")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def export(names: tuple[str, ...]) -> None:
    """Print the accounts (all, or those named) as a file that `apply` takes. Stored secrets are not in it."""
    with opened(read_settings()) as store:
        configuration = read_configuration(store)
    wanted = [the_account(configuration, name) for name in names or configuration.accounts]
    if not wanted:
        raise Misconfigured("account", "there are no accounts to export yet; see `postroom apply`")
    told: dict[str, Any] = {"accounts": [document(account) for account in wanted]}
    if not names:
        whole = {name: getattr(configuration, name) for name in SECTIONS}
        told |= {name: written(name, value) for name, value in whole.items() if value}
    click.echo(yaml.dump(told, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100), nl=False)


class _Dumper(yaml.SafeDumper):
    """Without aliases, which the accounts file does not know."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write what occurs twice twice."""
        return True


def _switch(name: str, *, enabled: bool) -> None:
    settings = read_settings()
    word = "enabled" if enabled else "disabled"
    with opened(settings) as store, changing(store) as (connection, current):
        account = the_account(current, name)
        if account.enabled == enabled:
            click.echo(f"{name} is {word} already")
            return
        stored.put(connection, account.model_copy(update={"enabled": enabled}), utc_now())
        revision = stored.bump(connection)
    _tell(settings, name, f"is {word}", revision)


def _check_known(configuration: Configuration, name: str) -> None:
    known: Mapping[str, object] = {**configuration.accounts, **configuration.broken}
    if name not in known:
        raise UnknownAccount(name, list(known))


def _confirm(name: str) -> None:
    if not sys.stdin.isatty():
        raise Misconfigured("terminal", f"there is no terminal to ask on: give --yes to remove {name}")
    click.confirm(f"Remove {name} with its stored secrets, its sign-in and its status?", abort=True)


def _tell(settings: Settings, name: str, told: str, revision: int) -> None:
    click.echo(f"{name} {told}")
    unheard = broadcast(settings, [name], revision)
    if unheard:
        click.echo(f"the services are not told, they will notice within seconds: {unheard}", err=True)
