"""`postroom suppressions`: by hand for one account, or by an admin for all, and for as long as is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, update

from postroom.mail_tag import Kind, make_tag, ref_of
from postroom.settings import read_settings
from postroom.store import Store, suppressions
from postroom.store.engine import insert_new
from postroom.store.schema import audit, sends
from postroom.store.schema import suppressions as table
from postroom_console.app import main
from tests.accounts import keep_accounts
from tests.tables import migrate

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TAG_KEYS = "1:" + "6b" * 32
ACCOUNTS = """
accounts:
  - {name: news, address: news@corp.example, owner: anna, smtp: {host: smtp.example}}
  - {name: shop, address: shop@corp.example, smtp: {host: smtp.example}}
"""


@dataclass
class Shell:
    """A shell at a store with two accounts."""

    store: Store
    folder: Path

    def run(self, *arguments: str) -> Result:
        environment = {"POSTROOM_DATA_DIR": str(self.folder), "POSTROOM_TAG_KEYS": TAG_KEYS}
        result = CliRunner().invoke(main, ("suppressions", *arguments), env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    def refusal(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 2, result.output
        return result.stderr

    def listed(self, *arguments: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.run("list", "--json", *arguments).stdout)
        return rows


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    store = Store(f"sqlite:///{tmp_path}/store.sqlite3")
    migrate(store)
    keep_accounts(store, ACCOUNTS)
    yield Shell(store, tmp_path)
    store.close()


def test_an_address_is_suppressed_for_an_account_or_all_until_it_is_removed(shell: Shell) -> None:
    added = shell.run("add", "Bert@example.com", "--account", "news", "--reason", "asked\x1b[31m\nby phone")
    assert (added.exit_code, added.output) == (0, "added: Bert@example.com\n")
    assert shell.run("add", "carl@example.com", "dora@example.com").output == "2 added\n"
    (row,) = shell.listed("--account", "news")
    assert (row["address"], row["reason"], row["until"]) == ("Bert@example.com", "manual", None)
    assert (row["source"], row["detail"]) == ("operator", "asked\x1b[31m by phone")
    assert "\x1b" not in shell.run("list").stdout
    assert [each["account"] for each in shell.listed("--address", "CARL@example.com")] == [""]
    assert {each["address"] for each in shell.listed("--reason", "manual")} == {
        *("Bert@example.com", "carl@example.com", "dora@example.com")
    }
    assert shell.listed("--reason", "hard") == []
    assert "bert@example.com is not suppressed for all accounts" in shell.refusal(
        "remove", "bert@example.com"
    )
    assert shell.run("remove", "BERT@example.com", "--account", "news").output == "removed\n"
    assert shell.listed("--account", "news") == []
    with shell.store.read() as connection:
        deeds = connection.execute(select(audit.c.action).order_by(audit.c.at)).scalars().all()
    assert deeds == ["suppressions.add", "suppressions.add", "suppressions.remove"]


def test_it_ends_when_it_was_said_to_and_is_listed_no_more(shell: Shell) -> None:
    before = datetime.now(UTC)
    assert shell.run("add", "bert@example.com", "--for", "30d").exit_code == 0
    (row,) = shell.listed()
    until = datetime.fromisoformat(row["until"])
    assert before <= until.replace(tzinfo=UTC) - timedelta(days=30) <= datetime.now(UTC)
    with shell.store.write() as connection:
        connection.execute(update(table).values(until=before))
    assert shell.run("list").stdout == "no addresses are suppressed\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--account", "nosuch"), "there is no account 'nosuch'"),
        (("add", "bert@example.com", "--account", "nosuch"), "no account 'nosuch'"),
        (("add", "anna@example.com", "bert"), "'bert' is not a mail address"),
        (("add",), "give addresses, or --tag"),
        (("add", "bert@example.com", "--for", "0d"), "would end at once"),
        (("add", "bert@example.com", "--for", "soon"), "expected a duration"),
        (("remove", "bert@example.com"), "is not suppressed for all accounts"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    shell: Shell, arguments: tuple[str, ...], said: str
) -> None:
    assert said in shell.refusal(*arguments)
    assert shell.listed() == []


def test_removing_several_of_which_one_is_not_there_removes_none(shell: Shell) -> None:
    shell.run("add", "bert@example.com")
    assert "carl@example.com is not suppressed" in shell.refusal(
        "remove", "bert@example.com", "carl@example.com"
    )
    assert len(shell.listed()) == 1


def test_whoever_takes_the_click_passes_on_the_tag_of_the_mail(shell: Shell) -> None:
    keys = read_settings(data_dir=shell.folder, tag_keys=TAG_KEYS).read_tag_keys()
    about = {"account": "news", "recipient": "Bert@example.com", "kind": "template", "message_id": ""}
    ended = {"state": "sent", "attempts": 1, "detail": "", "code": 250, "correlation_id": "c"}
    times = {"created_at": NOW, "updated_at": NOW}
    with shell.store.write() as connection:
        row = {"send_id": "n-1", "ref": ref_of("n-1"), **about, **ended, **times}
        insert_new(connection, sends, [row])

    def tag(kind: Kind, send_id: str = "n-1") -> str:
        return make_tag(kind, send_id, keys)

    right = tag("unsubscribe")
    for wrong in (tag("bounce"), tag("unsubscribe", "n-2"), right[:-1] + ("a" if right[-1] != "a" else "q")):
        assert "the tag of no mail of ours" in shell.refusal("add", "--tag", wrong)
    assert shell.run("add", "--tag", right).output == "added: Bert@example.com\n"
    (found,) = shell.listed()
    assert (found["account"], found["reason"], found["until"]) == ("news", "unsubscribe", None)
    with shell.store.read() as connection:
        asked = [("news", "bert@example.com", lane) for lane in ("bulk", "transactional")]
        assert set(suppressions.covering(connection, asked, NOW)) == {asked[0]}  # type: ignore[arg-type]
