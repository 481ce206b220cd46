"""Who a command acts as: the operator where there are no users, else a user by API token or `--as`.

@inbox.command("list")
@acting
def list_conversations(who: Who) -> None:
    with looking(who) as view: ...      # reads
    with doing(who) as view: ...        # one transaction that may write
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from postroom.access import Actor, Deed, the_operator, user_as_actor
from postroom.clock import utc_now
from postroom.errors import Misconfigured
from postroom.settings import Settings, read_settings
from postroom.store import accounts as stored
from postroom.store import tokens
from postroom.store.accounts import Configuration
from postroom.store.engine import Store
from postroom.store.view import View
from postroom.user import called
from postroom_console.registry import opened

_Command = TypeVar("_Command", bound=Callable[..., Any])
_USELESS = (
    "the API token is of no use: it is wrong, expired or revoked, or its user is disabled; "
    "an admin makes a new one with `postroom tokens create`"
)


class NotKnown(Misconfigured):
    """Nobody knows who acts."""

    def __init__(self, why: str) -> None:
        super().__init__("access", why)


@dataclass(frozen=True)
class Who:
    """How the person at the shell says who they are: `--as`, or a token in the environment."""

    settings: Settings
    name: str | None = None

    @property
    def token(self) -> str | None:
        """The API token."""
        given = self.settings.api_token
        return given.get_secret_value() if given else None


def acting(command: _Command) -> _Command:
    """Give the command `who`, and the option `--as`."""

    def with_who(context: click.Context, _parameter: click.Parameter, name: str | None) -> Who:
        who = Who(read_settings(), name)
        if who.name is not None and who.token is not None:
            raise NotKnown("POSTROOM_API_TOKEN and --as exclude one another: leave one of them out")
        return who

    option = click.option(
        "--as",
        "who",
        metavar="USER",
        callback=with_who,
        help="Act as this user, at a shell that is trusted; else POSTROOM_API_TOKEN says who acts.",
    )
    return option(command)


@contextmanager
def looking(who: Who, deed: Deed = "mail") -> Iterator[View]:
    """What the actor sees, in a transaction that only reads.

    Raises:
        Misconfigured: nobody knows who acts, or they do not have the deed.
        Transient: the store does not answer.
    """
    with opened(who.settings) as store:
        _note_use(store, who)
        with store.read() as connection:
            configuration = stored.read(connection)
            view = View(connection, actor_of(who, connection, configuration), configuration)
            view.require(deed)
            yield view


@contextmanager
def doing(who: Who, deed: Deed = "mail") -> Iterator[View]:
    """The same in a transaction that may write; it is rolled back on an error."""
    with opened(who.settings) as store:
        _note_use(store, who)
        with store.write() as connection:
            configuration = stored.read(connection)
            view = View(connection, actor_of(who, connection, configuration), configuration)
            view.require(deed)
            yield view


def actor_of(who: Who, connection: Any, configuration: Configuration) -> Actor:
    """Who acts, by the token or name and the users as they are in this transaction.

    Raises:
        NotKnown: the token is of no use, the user is not there or is disabled, or nobody is named.
    """
    if "users" in configuration.broken_sections:
        raise NotKnown(f"the users in the store are of no use: {configuration.broken_sections['users']}")
    if who.token is not None:
        return _by_token(who.token, connection, configuration)
    if who.name is not None:
        return _by_name(who.name, configuration)
    if configuration.users:
        raise NotKnown(
            "there are users, so it must be known who acts: set POSTROOM_API_TOKEN (`postroom tokens "
            "create`), or at a trusted shell say --as USER"
        )
    return the_operator()


def _by_token(text: str, connection: Any, configuration: Configuration) -> Actor:
    token = tokens.proven(connection, text, utc_now())
    user = next((user for user in configuration.users if token and user.name == token.user), None)
    if token is None or user is None or not user.enabled:
        raise NotKnown(_USELESS)
    return user_as_actor(user, token.id)


def _by_name(name: str, configuration: Configuration) -> Actor:
    if not configuration.users:
        raise NotKnown("there are no users, so leave --as out: whoever is at the shell sees everything")
    user = called(configuration.users, name)
    if user is None:
        raise NotKnown(f"there is no user {name!r}; see `postroom users list`")
    if not user.enabled:
        raise NotKnown(f"{user.name} is disabled: set enabled: true in the accounts file and apply that")
    return user_as_actor(user, "as")


def _note_use(store: Store, who: Who) -> None:
    """In a transaction of its own: that a token was used does not depend on what becomes of the deed."""
    if who.token is None:
        return
    now = utc_now()
    with store.read() as connection:
        token = tokens.proven(connection, who.token, now)
    if token is not None and token.stale:
        with store.write() as connection:
            tokens.note_use(connection, token.id, now)
