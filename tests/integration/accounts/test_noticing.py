"""A change of the accounts is in effect within two seconds, with the broker's help or without it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from postroom import topology
from postroom.accounts_watch import Accounts, AccountsLoop
from postroom.broker import declare
from postroom.broker.publisher import Publisher, outgoing
from postroom.clock import utc_now
from postroom.envelope import envelop
from postroom.messages import AccountsChanged
from postroom.store import Store
from tests.accounts import keep_accounts
from tests.loops import running
from tests.servers.process import free_port
from tests.tables import migrate
from tests.waiting import wait_until

WITHIN_S = 2.0
ENTRY = {"name": "ops", "address": "ops@corp.example", "smtp": {"host": "smtp.example"}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(f"sqlite:///{tmp_path}/store.sqlite3")) as made:
        migrate(made)
        yield made


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.needs("rabbitmq"))])
def broker_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    url = f"embedded://{tmp_path}/broker.sqlite3"
    if request.param == "rabbitmq":
        url = request.getfixturevalue("rabbitmq_vhost").url
    declare.apply(url, topology.topology(1))
    return url


def broadcast(broker_url: str) -> None:
    changed = AccountsChanged(names=("ops",), revision=1)
    with Publisher(broker_url, name="test") as publisher:
        publisher.publish([outgoing(envelop(changed, source="/test", now=utc_now()), 1)])


def test_a_broadcast_is_heard_long_before_the_next_poll(store: Store, broker_url: str) -> None:
    accounts, changed = Accounts(store), threading.Event()
    with running(AccountsLoop(accounts, broker_url, "fetcher", changed.set, poll_s=8)):
        keep_accounts(store, [ENTRY])

        def noticed() -> bool:
            # The first ones may be sent before the loop listens.
            broadcast(broker_url)
            return changed.wait(0.2)

        wait_until(noticed, 20, "the loop to listen")
        changed.clear()
        keep_accounts(store, [{**ENTRY, "from_name": "Operations"}])
        started = time.monotonic()
        broadcast(broker_url)
        assert changed.wait(WITHIN_S)
        took_s = time.monotonic() - started
    assert took_s < WITHIN_S
    ops = accounts.get("ops")
    assert ops is not None and ops.from_name == "Operations"


def test_a_change_that_nobody_told_of_is_noticed_all_the_same(store: Store, broker_url: str) -> None:
    changed = threading.Event()
    with running(AccountsLoop(Accounts(store), broker_url, "fetcher", changed.set)):
        keep_accounts(store, [ENTRY])
        assert changed.wait(WITHIN_S)


def test_without_a_broker_the_store_is_looked_into(store: Store) -> None:
    changed = threading.Event()
    loop = AccountsLoop(Accounts(store), f"amqp://127.0.0.1:{free_port()}/", "fetcher", changed.set)
    with running(loop):
        keep_accounts(store, [ENTRY])
        assert changed.wait(WITHIN_S)
        changed.clear()
        keep_accounts(store, [{**ENTRY, "enabled": False}])
        assert changed.wait(WITHIN_S)
    assert loop.fault == ""
