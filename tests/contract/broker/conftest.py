"""Both brokers behind one fixture."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroom.broker.declare import apply
from tests.contract.broker.scene import Scene, one_family
from tests.contract.broker.witness import FileWitness, RabbitWitness
from tests.servers.rabbitmq import Vhost


@pytest.fixture(params=[pytest.param("rabbitmq", marks=pytest.mark.needs("rabbitmq")), "embedded"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    """A fresh broker, once of each kind."""
    if request.param == "embedded":
        return request.getfixturevalue("embedded_scene")  # type: ignore[no-any-return]
    vhost: Vhost = request.getfixturevalue("rabbitmq_vhost")
    apply(vhost.url, one_family())
    return Scene(vhost.url, RabbitWitness(vhost.url), tmp_path)


@pytest.fixture
def embedded_scene(tmp_path: Path) -> Scene:
    """The embedded broker in a fresh file."""
    path = tmp_path / "broker.sqlite3"
    url = f"embedded://{path}"
    apply(url, one_family())
    return Scene(url, FileWitness(path), tmp_path)
