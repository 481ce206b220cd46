"""A processor on a broker, which is all that a client talks to."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from postroom import topology
from postroom.broker import declare
from postroom.client import Client
from postroom.store import Store
from tests.servers.rabbitmq import RabbitMq
from tests.stack import SHARDS, Stack
from tests.tables import migrate

NOWHERE = {"host": "127.0.0.1", "port": 9, "security": "none"}
ACCOUNT = {
    "name": "releases",
    "address": "approvals@example.com",
    "smtp": NOWHERE,
    "imap": {**NOWHERE, "user": "approvals@example.com", "password": "unused"},
    "approvers": ["example.com"],
}


@pytest.fixture(
    scope="module", params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.needs("rabbitmq"))]
)
def processor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running processor; nobody sends or fetches."""
    stack = Stack.embedded(tmp_path_factory.mktemp("stack"), [ACCOUNT])
    with ExitStack() as ending:
        if request.param == "rabbitmq":
            broker: RabbitMq = request.getfixturevalue("rabbitmq")
            stack.broker_url = ending.enter_context(broker.vhost()).url
        store = Store(stack.store_url)
        migrate(store)
        store.close()
        declare.apply(stack.broker_url, topology.topology(SHARDS))
        stack.apply_accounts()
        stack.start("processor")
        ending.callback(stack.stop, "processor")
        yield stack


@pytest.fixture
def client(processor: Stack) -> Iterator[Client]:
    """A client of that processor's broker."""
    with Client(processor.broker_url, shards=SHARDS, name="test") as client:
        yield client


@pytest.fixture
def new_id() -> str:
    """An approval id of this test's own."""
    return f"r-{secrets.token_hex(6)}"
