"""Fixtures of the fetcher's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.fetcher.mailroom import Mailroom, open_mailroom


@pytest.fixture
def mailroom(tmp_path: Path) -> Iterator[Mailroom]:
    """A mailroom without accounts and without a running fetcher."""
    with open_mailroom(tmp_path) as room:
        yield room
