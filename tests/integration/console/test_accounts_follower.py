"""An accounts file that is edited while `postroom up` runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from postroom.settings import Settings, read_settings
from postroom_console.accounts_follower import AccountsFollower
from postroom_console.applying import Applied
from postroom_console.demo_account import has_others, remove_demo
from postroom_console.registry import opened, read_configuration
from postroom_console.store import migrate_settings
from tests.waiting import wait_until

NOTICED_S = 5.0


def entry(name: str, password: str = "env:X") -> str:
    server = "{host: mail.example.org, user: u, password: " + f'"{password}"' + "}"
    return f"  - {{name: {name}, address: {name}@example.org, imap: {server}}}\n"


@dataclass
class Followed:
    """A followed file, and what was said of it."""

    settings: Settings
    follower: AccountsFollower
    applied: list[Applied] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def write(self, text: str) -> None:
        draft = self.settings.accounts.with_suffix(".new")
        draft.write_text(text)
        draft.rename(self.settings.accounts)

    def names(self) -> list[str]:
        with opened(self.settings) as store:
            return list(read_configuration(store).accounts)


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    settings = read_settings(data_dir=tmp_path / "data", accounts=tmp_path / "accounts.yaml")
    migrate_settings(settings)
    applied: list[Applied] = []
    faults: list[str] = []
    found = Followed(settings, AccountsFollower(settings, applied.append, faults.append), applied, faults)
    found.write(f"accounts:\n{entry('first')}")
    found.follower.apply()
    found.follower.start()
    yield found
    found.follower.stop()


def test_an_edited_file_is_applied_and_what_it_no_longer_has_stays(followed: Followed) -> None:
    assert followed.names() == ["first"]
    followed.write(f"accounts:\n{entry('second')}")
    wait_until(lambda: followed.applied, NOTICED_S, "the change")
    assert followed.names() == ["second", "first"]
    assert [change.kind for change in followed.applied[0].plan.changes] == ["added", "left"]


def test_a_file_with_faults_changes_nothing_and_is_told_once(followed: Followed) -> None:
    followed.write("accounts: [")
    wait_until(lambda: followed.faults, NOTICED_S, "the fault")
    followed.write(f"accounts:\n{entry('third')}")
    wait_until(lambda: followed.applied, NOTICED_S, "the next version")
    assert followed.names() == ["third", "first"]
    assert len(followed.faults) == 1
    assert "accounts.yaml:1: " in followed.faults[0]


def test_a_file_that_goes_away_changes_nothing(followed: Followed) -> None:
    followed.settings.accounts.unlink()
    wait_until(lambda: followed.faults, NOTICED_S, "the fault")
    assert "cannot be read" in followed.faults[0]
    assert followed.names() == ["first"]


def test_the_account_of_the_demo_is_told_from_real_ones(followed: Followed) -> None:
    followed.write(f"accounts:\n{entry('demo', 'env:POSTROOM_DEMO_PASSWORD')}{entry('first')}")
    wait_until(lambda: followed.applied, NOTICED_S, "the change")
    remove_demo(followed.settings)
    assert followed.names() == ["first"]
    assert has_others(followed.settings)
