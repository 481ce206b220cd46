"""`postroom deny`: the operator, an admin, and an agent who sees one account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert

from postroom.store import Store
from postroom.store.schema import approvals, approvers
from postroom_console.app import main
from tests.accounts import keep_accounts
from tests.tables import migrate

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ACCOUNTS = """
accounts:
  - {name: release, address: r@corp.example, owner: anna, smtp: {host: smtp.example}, deny: spam.example}
  - {name: secret, address: s@corp.example, owner: boss, smtp: {host: smtp.example}}
deny: everybody.example
"""
USERS = """
users:
  - {name: anna, address: anna@corp.example, role: agent}
  - {name: boss, address: boss@corp.example, role: admin}
"""


@dataclass
class Shell:
    """A shell at a store with two accounts."""

    store: Store
    folder: Path

    def run(self, *arguments: str, typed: str | bytes = "") -> Result:
        environment = {"POSTROOM_DATA_DIR": str(self.folder)}
        result = CliRunner().invoke(main, ("deny", *arguments), input=typed, env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    def refusal(self, *arguments: str, typed: str | bytes = "") -> str:
        result = self.run(*arguments, typed=typed)
        assert result.exit_code == 2, result.output
        return result.stderr

    def patterns(self, *arguments: str) -> list[str]:
        listed: list[dict[str, Any]] = json.loads(self.run("list", "--json", *arguments).stdout)
        return [row["pattern"] for row in listed]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    store = Store(f"sqlite:///{tmp_path}/store.sqlite3")
    migrate(store)
    keep_accounts(store, ACCOUNTS)
    yield Shell(store, tmp_path)
    store.close()


def test_rules_are_added_listed_found_and_removed_in_any_spelling(shell: Shell) -> None:
    assert shell.run("add", "Bücher.example", "--reason", "spam\x1b[31m").exit_code == 0
    assert "there already" in shell.run("add", "xn--bcher-kva.example.").output
    assert shell.patterns() == ["everybody.example", "spam.example", "Bücher.example"]
    found = shell.run("check", "eve+1@news.BÜCHER.example")
    assert found.exit_code == 0
    assert "denied by Bücher.example (of every account, added by operator): spam" in found.stdout
    assert "\x1b" not in shell.run("list").stdout + found.stdout
    assert shell.run("remove", "@bücher.EXAMPLE").exit_code == 0
    missed = shell.run("check", "eve@bücher.example")
    assert (missed.exit_code, missed.stdout) == (1, "not denied: eve@bücher.example\n")


def test_check_tells_the_rules_of_the_file_and_of_accounts(shell: Shell) -> None:
    assert "(of release, from the accounts file)" in shell.run("check", "a@spam.example").stdout
    assert shell.run("check", "a@spam.example", "--account", "secret").exit_code == 1
    assert "(of every account, from the accounts file)" in shell.run("check", "everybody.example").stdout


def test_the_author_of_a_mail_is_checked_as_the_processor_does(shell: Shell) -> None:
    mail = b'From: "x@good.example", "eve"@(there) spam . example\r\n\r\nHello'
    found = json.loads(shell.run("check", "--mail", "-", "--json", typed=mail).stdout)
    assert {each["pattern"] for each in found["denied_by"]} == {"spam.example"}
    strict = b"From: <x@good.example>\r\nSender: eve@spam.example\r\n\r\nHello"
    assert shell.run("check", "--mail", "-", typed=strict).exit_code == 1


def test_a_list_is_taken_whole_or_not_at_all(shell: Shell) -> None:
    listed = "# unwanted\nshop.example\n\neve@x.example\ncom\nnot a domain\n"
    refused = shell.refusal("add", "--file", "-", typed=listed)
    assert "'com' is a top-level domain" in refused
    assert "'not a domain'" in refused
    assert "shop.example" not in shell.patterns()
    said = shell.run("add", "--file", "-", typed=listed.replace("com\nnot a domain\n", "")).stdout
    assert said == "2 added, 0 there already\n"


REFUSALS = [
    (("add",), "nothing to deny"),
    (("add", "a@"), "expected an address"),
    (("add", "x.example", "--account", "nobody"), "no account 'nobody'"),
    (("add", "--file", "nowhere"), "nowhere cannot be read"),
    (("remove", "x.example"), "there is no rule x.example for all accounts"),
    (("remove", "spam.example", "--account", "release"), "denied by the accounts file"),
    (("remove", "spam.example"), "there is one of release"),
    (("check",), "give an address, or a mail"),
    (("check", "nonsense"), "cannot be checked"),
    (("check", "--mail", "nowhere"), "nowhere cannot be read"),
    (("check", "--mail", "-"), "is empty"),
]


@pytest.mark.parametrize(("arguments", "why"), REFUSALS, ids=[" ".join(row[0]) for row in REFUSALS])
def test_what_makes_no_sense_is_refused_with_the_reason(
    shell: Shell, arguments: tuple[str, ...], why: str
) -> None:
    assert why in shell.refusal(*arguments)


def test_who_denies_an_approver_is_told(shell: Shell) -> None:
    request: dict[str, Any] = {"id": "r-1", "account": "release", "subject": "S", "body": "", "choices": []}
    request |= {"requester": "", "content_hash": "", "state": "pending", "requested_at": NOW, "deadline": NOW}
    person = {"approval_id": "r-1", "address": "anna@shop.example", "position": 0, "token_ref": "1"}
    with shell.store.write() as connection:
        connection.execute(insert(approvals).values(request | {"correlation_id": "c"}))
        connection.execute(insert(approvers).values(person | {"expires_at": NOW}))
    assert "careful: anna@shop.example is asked" in shell.run("add", "shop.example").stderr
    assert "careful" not in shell.run("add", "other.example").stderr


def test_an_agent_denies_for_their_account_alone(shell: Shell) -> None:
    keep_accounts(shell.store, ACCOUNTS + USERS)
    shell.run("add", "hidden.example", "--account", "secret", "--as", "boss")
    assert "who acts" in shell.refusal("list")
    assert "for users with the role admin" in shell.refusal("add", "x.example", "--as", "anna")
    assert "no account 'secret'" in shell.refusal("add", "x.example", "--account", "secret", "--as", "anna")
    assert shell.run("add", "own.example", "--account", "release", "--as", "anna").exit_code == 0
    assert shell.patterns("--as", "anna") == ["spam.example", "own.example"]
    assert shell.run("check", "a@hidden.example", "--as", "anna").exit_code == 1
    assert shell.run("check", "a@everybody.example", "--as", "anna").exit_code == 0
    assert "there is no rule hidden.example" in shell.refusal(
        "remove", "hidden.example", "--account", "release", "--as", "anna"
    )
