"""What tests of the whole way share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.rabbitmq import Vhost
from tests.stack import Stack
from tests.world import OpenStack


@pytest.fixture(params=["embedded", "rabbitmq"])
def open_stack(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStack:
    """Opens the services on SQLite and the embedded broker, or on PostgreSQL and RabbitMQ."""
    if request.param == "embedded":
        return lambda accounts: Stack.embedded(tmp_path, accounts)
    vhost: Vhost = request.getfixturevalue("rabbitmq_vhost")
    database: str = request.getfixturevalue("postgresql_store")
    return lambda accounts: Stack(tmp_path, vhost.url, database, accounts)
