"""The accounts in the store, as commands read and change them, and the broadcast that they have changed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection

from postroom.account import Account
from postroom.broker.publisher import Publisher, outgoing
from postroom.clock import utc_now
from postroom.envelope import envelop
from postroom.errors import Misconfigured, PostroomError
from postroom.messages import AccountsChanged
from postroom.settings import Settings
from postroom.store import accounts as stored
from postroom.store.accounts import Configuration
from postroom.store.engine import Store
from postroom.store.migrate import check_schema
from postroom_console.broker import missing

BROADCAST_S = 3.0
SOURCE = "/postroom/console"


class UnknownAccount(Misconfigured):
    """There is no account of that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        there = f"there are {', '.join(known)}" if known else "there is none yet; see `postroom apply`"
        super().__init__("account", f"there is no account {name!r}: {there}")


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """The store of the settings.

    Raises:
        Misconfigured: its schema is of another version.
        Transient: it does not answer.
    """
    store = Store(settings.store)
    try:
        check_schema(store)
        yield store
    finally:
        store.close()


@contextmanager
def changing(store: Store) -> Iterator[tuple[Connection, Configuration]]:
    """A transaction that changes accounts, one at a time, and the accounts as they are."""
    with store.write() as connection:
        stored.lock(connection)
        yield connection, stored.read(connection)


def read_configuration(store: Store) -> Configuration:
    """The accounts as they are."""
    with store.read() as connection:
        return stored.read(connection)


def the_account(configuration: Configuration, name: str) -> Account:
    """The account of that name.

    Raises:
        Misconfigured: there is none, or its record is of no use.
    """
    if name in configuration.broken:
        raise Misconfigured("account", f"the record of {name} is of no use: {configuration.broken[name]}")
    if name not in configuration.accounts:
        raise UnknownAccount(name, list(configuration.accounts))
    return configuration.accounts[name]


def broadcast(settings: Settings, names: Sequence[str], revision: int) -> str:
    """Tell the services at once; returns why that was not possible, in which case they notice by polling."""
    fault = missing(settings)
    if fault:
        return fault
    envelope = envelop(AccountsChanged(names=tuple(names), revision=revision), source=SOURCE, now=utc_now())
    try:
        with Publisher(settings.broker, name="console", timeout_s=BROADCAST_S) as publisher:
            publisher.publish([outgoing(envelope, settings.shards)])
    except PostroomError as error:
        return str(error)
    return ""
