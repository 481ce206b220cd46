"""What people see of plans, statuses and tests."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from rich.console import Console, RenderableType

from postroom.account import Account
from postroom.accounts_file import parse_accounts
from postroom.accounts_plan import plan
from postroom.messages import TestStage
from postroom.store.accounts import Configuration
from postroom_console import changes, trial_table
from postroom_console.account_list import rows_of, table
from postroom_console.settings_table import plain
from postroom_console.trial import Tried

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
FILE = """\
accounts:
  - name: ops
    address: ops@example.org
    smtp: {host: smtp.example.org, user: ops, password: "env:OPS"}
    imap: {host: imap.example.org}
    footer: |
      one
      two
"""


def printed(what: RenderableType, *, terminal: bool = False) -> str:
    file = io.StringIO()
    colours: Literal["standard"] | None = "standard" if terminal else None
    console = Console(file=file, width=110, force_terminal=terminal, highlight=False, color_system=colours)
    console.print(what)
    return file.getvalue()


def configuration(text: str) -> Configuration:
    found, faults = parse_accounts(text.encode())
    assert faults == ()
    return Configuration({account.name: account for account in found.accounts}, found.system_smtp)


def told(before: str, after: str, *, prune: bool = False) -> list[str]:
    wanted, faults = parse_accounts(after.encode())
    assert faults == ()
    return [line.plain for line in changes.lines(plan(configuration(before), wanted, prune=prune))]


def status(side: str, colour: str, code: str = "", failures: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "account": "ops",
        "side": side,
        "colour": colour,
        "reason_code": code,
        "sentence": f"a sentence about {side}",
        "since": NOW,
        "next_try_at": NOW + timedelta(minutes=5),
        "last_good_at": None,
        "failures": failures,
        **more,
    }


def test_a_changed_setting_is_shown_before_and_after() -> None:
    after = FILE.replace("imap.example.org", "mail.example.org").replace("      two\n", "")
    assert told(FILE, after) == [
        "~ ops changes",
        "    imap.host: imap.example.org → mail.example.org",
        "    footer: one … (1 more line) → one",
    ]


def test_a_new_account_is_shown_with_what_is_given_and_never_with_a_secret() -> None:
    shown = told("accounts:\n  - {name: a, address: a@example.org, smtp: {host: b.example.org}}\n", FILE)
    assert shown[0] == "+ ops is new"
    assert "    smtp.password: env:OPS" in shown
    assert shown[-1] == "· a is not in the file, and stays (--prune removes it)"


def test_another_order_is_a_change() -> None:
    one = "  - {name: a, address: a@example.org, smtp: {host: b.example.org}}\n"
    two = one.replace("name: a", "name: b")
    assert told(f"accounts:\n{one}{two}", f"accounts:\n{two}{one}") == ["~ the order of the accounts changes"]


def test_nothing_to_change_is_said() -> None:
    wanted, _ = parse_accounts(FILE.encode())
    assert changes.summary(plan(configuration(FILE), wanted, prune=True)) == "nothing to change"


@pytest.mark.parametrize(("kind", "colour"), [("+", "\x1b[32m"), ("~", "\x1b[33m"), ("-", "\x1b[31m")])
def test_a_plan_has_colours_in_a_terminal(kind: str, colour: str) -> None:
    files = {
        "+": ("accounts: []", FILE),
        "~": (FILE, FILE.replace("address: ops@", "address: off@")),
        "-": (FILE, FILE.replace("name: ops", "name: other")),
    }
    before, after = files[kind]
    current = configuration(before) if before is FILE else Configuration({})
    wanted, _ = parse_accounts(after.encode())
    shown = [printed(line, terminal=True) for line in changes.lines(plan(current, wanted, prune=True))]
    assert any(line.startswith(f"{colour}{kind} ") for line in shown), shown


@pytest.mark.parametrize(
    ("colour", "escape"), [("grey", "\x1b[2mgrey"), ("green", "\x1b[32mgreen"), ("red", "\x1b[1;31mred")]
)
def test_a_status_has_its_colour_in_a_terminal_and_none_in_a_file(colour: str, escape: str) -> None:
    rows = rows_of(configuration(FILE), [status("imap", colour)])
    assert escape in printed(table(rows, NOW), terminal=True)
    assert "\x1b" not in printed(table(rows, NOW))


def test_of_another_day_the_date_is_shown() -> None:
    rows = rows_of(configuration(FILE), [status("imap", "green", last_good_at=NOW)])
    assert "2026-03-02" not in printed(table(rows, NOW))
    assert "2026-03-02" in printed(table(rows, NOW + timedelta(days=2)))


def test_an_account_never_tried_is_grey_on_each_side() -> None:
    rows = rows_of(configuration(FILE), [])
    assert [(row["side"], row["colour"], row["sentence"]) for row in rows] == [
        ("imap", "grey", "never tried"),
        ("smtp", "grey", "never tried"),
    ]


@pytest.mark.parametrize(
    ("found", "waits"),
    [
        (status("imap", "red", "auth_failed", 3), True),
        (status("imap", "red", "auth_failed", 2), False),
        (status("imap", "red", "unreachable", 9), False),
    ],
)
def test_who_waits_for_a_change_is_said_to(found: dict[str, Any], waits: bool) -> None:
    shown = printed(table(rows_of(configuration(FILE), [found]), NOW))
    assert ("waits for a change" in shown) == waits


def test_an_account_whose_record_is_of_no_use_is_red() -> None:
    (row,) = rows_of(Configuration({}, broken={"ops": "imap.host: is missing"}), [])
    assert (row["colour"], row["sentence"]) == ("red", "imap.host: is missing")


def test_warnings_stand_with_the_side_that_they_are_about() -> None:
    account = {
        "name": "ops",
        "address": "ops@example.org",
        "smtp": {"host": "a.example.org", "security": "none", "user": "ops", "password": "env:OPS"},
        "imap": {"host": "a.example.org", "port": 143},
        "verify_certificate": False,
    }
    imap, smtp = rows_of(Configuration({"ops": Account.model_validate(account)}), [])
    assert [each.partition(" ")[0] for each in imap["warnings"]] == ["imap.port", "verify_certificate"]
    assert [each.partition(" ")[0] for each in smtp["warnings"]] == ["smtp.security"]


def test_a_tests_stages_are_shown_with_time_and_advice() -> None:
    stages = (
        TestStage(name="connect", result="ok", duration_ms=12.4, detail="192.0.2.1 port 993"),
        TestStage(name="authenticate", result="failed", duration_ms=80, detail="no", advice="check user"),
        TestStage(name="folder", result="skipped"),
    )
    shown = printed(trial_table.shown([Tried("ops", "imap", stages), Tried("ops", "smtp", unheard="away")]))
    assert [line.split() for line in shown.splitlines()] == [
        ["ops", "imap", "(fetcher)"],
        ["ok", "connect", "12", "ms", "192.0.2.1", "port", "993"],
        ["failed", "authenticate", "80", "ms", "no"],
        ["→", "check", "user"],
        ["skipped", "folder"],
        ["ops", "smtp", "(sender)"],
        ["away"],
    ]


def test_the_reference_is_shown_without_marks() -> None:
    assert plain("`tls` or [Imap](#imap)") == "tls or Imap"
