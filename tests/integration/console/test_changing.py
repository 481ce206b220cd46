"""Two operators who change accounts at once, on both kinds of store."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from postroom.accounts_file import AccountsFile, parse_accounts
from postroom.settings import Settings, read_settings
from postroom_console.applying import carry_out
from postroom_console.registry import opened, read_configuration
from postroom_console.store import migrate_settings

ROUNDS = 8


def file(letter: str) -> AccountsFile:
    """Ten accounts with this footer."""
    entries = "".join(
        f"  - {{name: a{number}, address: a@example.org, footer: {letter}, smtp: {{host: b.example.org}}}}\n"
        for number in range(10)
    )
    found, faults = parse_accounts(f"accounts:\n{entries}".encode())
    assert faults == ()
    return found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    url = {}
    if request.param == "postgresql":
        url["store_url"] = request.getfixturevalue("postgresql_store")
    found = read_settings(data_dir=tmp_path, **url)
    migrate_settings(found)
    yield found


def test_applying_two_files_at_once_never_mixes_them(settings: Settings) -> None:
    together = Barrier(2)

    def apply(letter: str) -> None:
        with opened(settings) as store:
            for _ in range(ROUNDS):
                together.wait()
                carry_out(settings, store, file(letter), prune=True)

    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(apply, letter) for letter in "xy"]:
            each.result()
    with opened(settings) as store:
        configuration = read_configuration(store)
    assert len({account.footer for account in configuration.accounts.values()}) == 1
    # Each round both write, except one that finds its own file there already.
    assert ROUNDS < configuration.revision <= 2 * ROUNDS
