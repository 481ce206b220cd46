"""`postroom accounts show`: everything about one account, but no secret."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, select

from postroom.account import Account
from postroom.accounts_plan import flat
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.secret import Secrets
from postroom.settings import Settings, read_settings
from postroom.store.accounts import Configuration, document
from postroom.store.engine import Store
from postroom.store.schema import oauth_grants
from postroom_console import changes
from postroom_console.account_list import STYLES, local, next_try, status_rows
from postroom_console.registry import opened, read_configuration, the_account
from postroom_console.terminal import make_console

_TIME = "%Y-%m-%d %H:%M:%S"
_GRANT = ("signed_in_at", "access_expires_at", "refresh_expires_at", "rejected")


@click.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def show(name: str, as_json: bool) -> None:
    """Show every setting of an account with the defaults in effect, its status, secrets and sign-in.

    Secrets are named, and whether they can be read; values are never shown.
    """
    settings = read_settings()
    with opened(settings) as store:
        configuration = read_configuration(store)
        account = the_account(configuration, name)
        secrets = _secrets(settings, store, account)
        with store.read() as connection:
            rows = [row for row in status_rows(connection, configuration) if row["account"] == name]
            sign_in = _sign_in(connection, account)
    if as_json:
        told = {
            "settings": _in_effect(account, configuration),
            "status": rows,
            "secrets": secrets,
            "sign_in": sign_in,
            "warnings": list(account.warnings()),
        }
        click.echo(json_document(told))
    else:
        make_console().print(Group(*_parts(account, configuration, rows, secrets, sign_in)))


def _in_effect(account: Account, configuration: Configuration) -> dict[str, Any]:
    """Every setting by its name in the file, defaults and the system's server filled in."""
    effective = account.effective(configuration.system_smtp)
    shown = account.model_copy(update={"smtp": effective.smtp}) if account.use_system_smtp else account
    return flat(json.loads(shown.model_dump_json(by_alias=True)))


def _secrets(settings: Settings, store: Store, account: Account) -> dict[str, dict[str, str]]:
    """Each secret's reference, and whether it can be read."""
    secrets = Secrets(store, settings.read_secret_box())
    return {
        field: {"reference": reference, "state": _state(secrets, reference)}
        for field, reference in account.secret_references().items()
    }


def _state(secrets: Secrets, reference: str) -> str:
    try:
        secrets.read(reference)
    except Misconfigured as error:
        return str(error)
    return "ok"


def _sign_in(connection: Connection, account: Account) -> dict[str, Any] | None:
    """How the account's OAuth 2 sign-in stands; None where it needs none."""
    if account.oauth is None:
        return None
    row = connection.execute(select(oauth_grants).where(oauth_grants.c.account == account.name)).first()
    return {field: getattr(row, field) for field in _GRANT} if row else {}


def _parts(
    account: Account,
    configuration: Configuration,
    rows: Sequence[Mapping[str, Any]],
    secrets: Mapping[str, Mapping[str, str]],
    sign_in: Mapping[str, Any] | None,
) -> Iterator[Text | Table]:
    given = flat(document(account))
    yield _heading("Settings", "what is not dim is given, the rest is default")
    yield _grid(_setting(field, value, given) for field, value in _in_effect(account, configuration).items())
    yield _heading("Status", "")
    yield _grid(_status(row) for row in rows)
    if secrets:
        yield _heading("Secrets", "by reference; this is how the console reads them")
        yield _grid((Text(field), _secret(secret)) for field, secret in secrets.items())
    if sign_in is not None:
        yield _heading("Sign-in (OAuth 2)", "")
        yield _grid(_grant(account, sign_in))
    warnings = account.warnings()
    if warnings:
        yield _heading("Warnings", "")
        yield _grid((Text(warning, style="yellow"), Text("")) for warning in warnings)


def _heading(title: str, more: str) -> Text:
    return Text.assemble((f"\n{title}", "bold"), (f"  {more}" if more else "", "dim"))


def _grid(rows: Iterator[tuple[Text, Text]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(Text.assemble("  ", name), value)
    return grid


def _setting(field: str, value: Any, given: Mapping[str, Any]) -> tuple[Text, Text]:
    style = "" if field in given else "dim"
    told = changes.setting(field, value) if value is not None else "none"
    return Text(field, style=style), Text(told, style=style)


def _status(row: Mapping[str, Any]) -> tuple[Text, Text]:
    told = Text.assemble((row["colour"], STYLES[row["colour"]]), f"  {row['sentence']}")
    for name, value in (
        ("since", local(row["since"], _TIME)),
        ("next try", next_try(row)),
        ("last good", local(row["last_good_at"], _TIME)),
    ):
        if value:
            told.append(f"\n{name} {value}", style="dim")
    return Text(row["side"]), told


def _secret(secret: Mapping[str, str]) -> Text:
    state = secret["state"]
    return Text.assemble(f"{secret['reference']}  ", (state, "green" if state == "ok" else "red"))


def _grant(account: Account, sign_in: Mapping[str, Any]) -> Iterator[tuple[Text, Text]]:
    provider = account.provider
    if provider is not None:
        yield Text("grant"), Text(provider.grant)
    if not sign_in:
        yield Text("state"), Text(f"not signed in: `postroom accounts login {account.name}`", style="red")
        return
    for name, field in (
        ("signed in", "signed_in_at"),
        ("access token until", "access_expires_at"),
        ("refresh token until", "refresh_expires_at"),
    ):
        if sign_in[field]:
            yield Text(name), Text(local(sign_in[field], _TIME))
    if sign_in["rejected"]:
        yield Text("rejected"), Text(f"{sign_in['rejected']}; sign in again", style="red")
