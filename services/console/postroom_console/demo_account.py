"""The demo's account among others: it is of use only while the demo's mail server runs."""

from postroom.account import Account
from postroom.clock import utc_now
from postroom.settings import Settings
from postroom.store import accounts as stored
from postroom_console.imap_server import PASSWORD_VARIABLE
from postroom_console.registry import changing, opened, read_configuration


def is_demo(account: Account) -> bool:
    """Whether it is the demo's: no other has its password there."""
    return account.secret_references().get("imap.password") == f"env:{PASSWORD_VARIABLE}"


def has_others(settings: Settings) -> bool:
    """Whether the store of the settings, which has this version's schema, has real accounts."""
    with opened(settings) as store:
        configuration = read_configuration(store)
    return bool(configuration.broken or configuration.broken_sections) or not all(
        map(is_demo, configuration.accounts.values())
    )


def remove_demo(settings: Settings) -> None:
    """Remove what an earlier run without accounts has left."""
    with opened(settings) as store, changing(store) as (connection, current):
        for name in [name for name, account in current.accounts.items() if is_demo(account)]:
            stored.remove(connection, name, utc_now())
            stored.bump(connection)
