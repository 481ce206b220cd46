"""Lists that stop at a limit say that there is more, and how to see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert

from postroom.clock import utc_now
from postroom.inbox.entry import Entry
from postroom.inbox.recording import record
from postroom.store import Store, bulks
from postroom.store.bulks import Order
from postroom.store.schema import bulk_recipients, sends
from postroom_console.app import main
from tests.accounts import keep_accounts
from tests.tables import migrate

ACCOUNTS = """
accounts:
  - {name: news, address: news@corp.example, smtp: {host: smtp.example}}
"""
Run = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(f"sqlite:///{tmp_path}/store.sqlite3")
    migrate(store)
    keep_accounts(store, ACCOUNTS)
    return store


@pytest.fixture
def run(store: Store, tmp_path: Path) -> Run:
    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(main, arguments, env={"POSTROOM_DATA_DIR": str(tmp_path)})
        assert result.exit_code == 0, result.output
        return result

    return invoke


def stderr_at(run: Run, *arguments: str) -> tuple[str, str]:
    """What is said beside the list of two of three, and beside the list of three."""
    for told in ((), ("--json",)):
        assert run(*arguments, "--limit", "2", *told).stderr == run(*arguments, "--limit", "2").stderr
    assert len(json.loads(run(*arguments, "--limit", "2", "--json").stdout)) == 2
    return run(*arguments, "--limit", "2").stderr, run(*arguments, "--limit", "3").stderr


def test_of_suppressed_addresses(run: Run) -> None:
    for number in range(3):
        run("suppressions", "add", f"bert-{number}@example.com")
    told = "there is more: --limit takes 100,000 at most, --account, --address and --reason say which\n"
    assert stderr_at(run, "suppressions", "list") == (told, "")


def test_of_deeds_with_the_place_to_go_on_from(run: Run) -> None:
    for number in range(3):
        run("suppressions", "add", f"bert-{number}@example.com")
    shown = json.loads(run("audit", "list", "--json").stdout)
    more, nothing = stderr_at(run, "audit", "list")
    assert (more, nothing) == (f"there is more: --before {shown[1]['id']}\n", "")
    rest = json.loads(run("audit", "list", "--json", *more.split()[3:]).stdout)
    assert rest == shown[2:]


def test_of_bulks_and_of_their_mails_that_were_not_sent(run: Run, store: Store) -> None:
    now = utc_now()
    with store.write() as connection:
        for name in ("a", "b", "c"):
            bulks.begin(connection, Order(name, "news", "t", "0" * 64, 3, 0, {}, "", name), now)
        for number in range(3):
            send = {"send_id": f"s{number}", "recipient": f"b{number}@x.example", "account": "news"}
            about = {
                "kind": "plain",
                "message_id": f"<{number}@x>",
                "state": "failed",
                "attempts": 1,
                "detail": "",
            }
            times = {"created_at": now, "updated_at": now, "correlation_id": "c"}
            connection.execute(insert(sends), [{**send, **about, **times}])
            place = {"bulk_id": "a", "position": number, "values": {}, "state": "ended"}
            whom = {"recipient": send["recipient"], "send_id": send["send_id"]}
            connection.execute(insert(bulk_recipients), [{**place, **whom}])
    told = "there is more: --limit takes 1,000 at most, --account says whose\n"
    assert stderr_at(run, "bulk", "list") == (told, "")
    few = run("bulk", "show", "a", "--limit", "2")
    assert (few.stdout.count("failed: "), few.stderr) == (2, "there is more: --limit takes 10,000 at most\n")
    assert run("bulk", "show", "a", "--limit", "3").stderr == ""
    assert run("bulk", "show", "a", "--limit", "0").stderr == ""


def test_of_a_contacts_conversations(run: Run, store: Store) -> None:
    added = json.loads(run("contacts", "add", "--account", "news", "b@x.example", "--json").stdout)
    contact = added["contact_id"]

    def come(first: int, end: int) -> None:
        with store.write() as connection:
            record(
                connection,
                [_entry(number) for number in range(first, end)],
                {"news": timedelta(days=1)},
                utc_now(),
            )

    come(0, 10)
    assert run("contacts", "show", contact).stderr == ""
    come(10, 11)
    assert (
        run("contacts", "show", contact).stderr == f"there is more: postroom inbox list --contact {contact}\n"
    )


def _entry(number: int) -> Entry:
    return Entry(
        id=f"00000000-0000-4000-8000-{number:012d}",
        account="news",
        direction="in",
        at=utc_now(),
        author="b@x.example",
        author_name="",
        correspondents=("b@x.example",),
        recipients="news@corp.example",
        subject=f"Subject {number}",
        text="Hello",
        outcome="accepted",
        message_id=f"{number}@x",
        references=(),
    )
