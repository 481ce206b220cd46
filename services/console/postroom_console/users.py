"""`postroom users list|show`: who may see which mail."""

from collections.abc import Sequence
from typing import Any

import click
from rich.table import Table

from postroom.clock import utc_now
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.store import tokens
from postroom.store.view import View
from postroom.user import User, called
from postroom_console.acting import Who, acting, looking
from postroom_console.approvals import as_json
from postroom_console.terminal import make_console


class NoSuchUser(Misconfigured):
    """There is no such user, as far as the actor may know."""

    def __init__(self, name: str) -> None:
        super().__init__("user", f"there is no user {name!r}; see `postroom users list`")


@click.group("users")
def users() -> None:
    """See who may see which mail. Users are in the accounts file; `postroom apply` takes them over."""


@users.command("list")
@acting
@as_json
def list_users(who: Who, as_json: bool) -> None:
    """List the users with the accounts that they own or read; agents see themselves alone."""
    with looking(who) as view:
        rows = [row(view, user) for user in visible(view)]
    if as_json:
        click.echo(json_document(rows))
    elif rows:
        make_console().print(_table(rows))
    else:
        click.echo("no users: whoever is at the shell sees everything; add `users` to the accounts file")


@users.command("show")
@click.argument("name")
@acting
@as_json
def show(name: str, who: Who, as_json: bool) -> None:
    """Show one user, by name or address. Exit code 2 if there is none."""
    with looking(who) as view:
        told = row(view, the_user(view, name))
    if as_json:
        click.echo(json_document(told))
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for field, value in told.items():
        grid.add_row(field, _plain(value))
    make_console().print(grid)


def visible(view: View) -> Sequence[User]:
    """The users that the actor may know of: all of them, or themselves."""
    known = view.configuration.users
    return known if view.may("tokens") else [user for user in known if user.name == view.actor.name]


def the_user(view: View, name: str) -> User:
    """The user of that name or address.

    Raises:
        NoSuchUser: there is none, or the actor may not know of them.
    """
    user = called(visible(view), name)
    if user is None:
        raise NoSuchUser(name)
    return user


def row(view: View, user: User) -> dict[str, Any]:
    """What is shown of a user."""
    accounts = view.configuration.accounts.values()
    now = utc_now()
    live = [each for each in tokens.listed(view.connection, user.name) if tokens.state(each, now) == "valid"]
    return {
        "name": user.name,
        "address": user.address,
        "role": user.role,
        "enabled": user.enabled,
        "owns": [account.name for account in accounts if user.is_called(account.owner)],
        "reads": [account.name for account in accounts if any(map(user.is_called, account.readers))],
        "tokens": len(live),
    }


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for field in rows[0]:
        shown.add_column(field.upper(), overflow="fold")
    for each in rows:
        shown.add_row(*(_plain(value) for value in each.values()))
    return shown


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)
