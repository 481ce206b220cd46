"""Orders to the services: recorded in the deed's transaction, and published right after it."""

from collections.abc import Sequence

from postroom.account import Account
from postroom.broker.publisher import Outgoing, Publisher
from postroom.errors import Misconfigured, PostroomError
from postroom.settings import Settings
from postroom.store import outbox
from postroom.store.engine import Store
from postroom.store.view import View
from postroom_console.broker import missing
from postroom_console.registry import BROADCAST_S, UnknownAccount

# Whose sweeper publishes the orders if this process does not.
PROCESSOR, SENDER = "processor", "sender"


def sending_account(view: View, name: str) -> Account:
    """The account, if the actor sees its mail and it sends.

    Raises:
        UnknownAccount: there is none, as far as the actor may know.
        Misconfigured: it does not send.
    """
    if name not in view.accounts:
        raise UnknownAccount(name, sorted(view.accounts))
    account = view.configuration.accounts[name]
    if not account.enabled or not account.send:
        why = "is disabled" if account.send else "is not set to send (send, smtp)"
        raise Misconfigured("account", f"the account {name} does not send: it {why}")
    return account


def publish(settings: Settings, service: str, orders: Sequence[Outgoing]) -> str:
    """Publish what is in the service's outbox; returns why it was not possible: then its sweeper does."""
    if not orders:
        return ""
    fault = missing(settings)
    if fault:
        return fault
    store = Store(settings.store)
    try:
        with Publisher(settings.broker, name="console", timeout_s=BROADCAST_S) as publisher:
            outbox.OutboxRelay(store, publisher, service).publish(orders)
    except PostroomError as error:
        return str(error)
    finally:
        store.close()
    return ""
