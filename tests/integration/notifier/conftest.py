"""An office on each broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.notifier.office import Office, open_office
from tests.servers.rabbitmq import Vhost


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.needs("rabbitmq"))])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """An office whose notifier does not run yet."""
    management_url = None
    if request.param == "embedded":
        url = f"embedded://{tmp_path}/broker.sqlite3"
    else:
        vhost: Vhost = request.getfixturevalue("rabbitmq_vhost")
        url, management_url = vhost.url, vhost.management_url
    with open_office(tmp_path, url, management_url) as office:
        yield office
