"""One account, as options of a command or as a file with no other."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from postroom.account import Account
from postroom.accounts_file import parse_accounts
from postroom.amount import amount
from postroom.errors import Misconfigured
from postroom.secret_reference import STORED
from postroom_console.applying import read_file

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Sequence[tuple[str, str, str]] = (
    ("--type", "type", "smtp-imap, outlook, gmail or oauth2."),
    ("--address", "address", "The address that its mail comes from."),
    ("--from-name", "from_name", "The name beside the address."),
    ("--smtp-host", "smtp.host", "The server that it sends through."),
    ("--smtp-port", "smtp.port", "Default by security: 465, 587, 25."),
    ("--smtp-security", "smtp.security", "tls, starttls or none."),
    ("--imap-host", "imap.host", "The server of its mailbox."),
    ("--imap-port", "imap.port", "Default by security: 993, 143, 143."),
    ("--imap-security", "imap.security", "tls, starttls or none."),
    ("--client-id", "oauth.client_id", "For OAuth 2: the program's id with the provider."),
    ("--tenant", "oauth.tenant", "For outlook: the directory's id or domain."),
)
"""The options for common settings, each with the setting in the accounts file."""


def setting_options(command: F) -> F:
    """Give a command the options of the table; its parameters have __ for the dot of a setting."""
    for option, setting, told in reversed(_OPTIONS):
        command = click.option(option, setting.replace(".", "__"), help=told)(command)
    return command


def split(text: str) -> tuple[str, str]:
    """Setting and value of `--set`. Raises click.BadParameter."""
    setting, equals, value = text.partition("=")
    if not equals or not setting:
        # The value may be a password: it is not repeated.
        raise click.BadParameter("expected SETTING=VALUE, as in imap.interval=1m", param_hint="--set")
    return setting, value


def from_file(path: Path, name: str | None, given: Mapping[str, str]) -> Account:
    """The one account in the file; there must be no other settings. Raises Misconfigured."""
    if given:
        raise click.UsageError(f"with --file the settings are in the file: take --{next(iter(given))} away")
    accounts = read_file(path).accounts
    if len(accounts) != 1:
        raise Misconfigured(
            "accounts",
            f"{path} has {amount(len(accounts), 'account')}, one is expected: see `postroom apply`",
        )
    if name not in (None, accounts[0].name):
        raise Misconfigured("name", f"the account in {path} is {accounts[0].name}, not {name}")
    return accounts[0]


def from_options(name: str | None, given: Mapping[str, str], user: str | None) -> Account:
    """The account of these settings. Raises Misconfigured with a line for each wrong one."""
    if name is None:
        raise click.UsageError("name the account, or give a file: postroom accounts add NAME --address …")
    entry: dict[str, Any] = {"name": name}
    for setting, value in given.items():
        _place(entry, setting, value)
    _fill_sign_in(entry, user)
    return _checked(entry)


def _place(entry: dict[str, Any], setting: str, value: str) -> None:
    *sections, field = setting.split(".")
    for section in sections:
        entry = entry.setdefault(section, {})
    entry[field] = value


def _fill_sign_in(entry: dict[str, Any], user: str | None) -> None:
    """Who signs in where, with a stored password unless there is a reference; IMAP takes over SMTP's."""
    if entry.get("type", "smtp-imap") != "smtp-imap":
        for side in ("imap", "smtp") if user else ():
            _place(entry, f"{side}.user", str(user))
        return
    for side in ("smtp", "imap"):
        section = entry.get(side)
        if isinstance(section, dict) and section.get("auth") != "none":
            signs_in = user or entry.get("address")
            entry[side] = {"password": STORED, **({"user": signs_in} if signs_in else {}), **section}
            return


def _checked(entry: Mapping[str, Any]) -> Account:
    """The account of these settings.

    Raises:
        Misconfigured: one of them is wrong; a line for each.
    """
    found, faults = parse_accounts(yaml.safe_dump({"accounts": [entry]}).encode())
    if faults:
        told = (f"{fault.field.removeprefix('accounts[0].')}: {fault.sentence}" for fault in faults)
        raise Misconfigured("account", "\n".join(told))
    return found.accounts[0]
