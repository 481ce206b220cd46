"""Bad input on the command line: what is said, and the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from postroom_console.app import main

ASK = ["approvals", "request", "--account", "releases", "--subject", "Release?"]
BROKEN = """\
accounts:
  - name: Releases
    address: approvals@example.com
    smtp: {host: mail.example.com, port: many}
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (ASK, "Missing option '--to'"),
        ([*ASK, "--to", "anna"], "approvers.0: 'anna' is not a mail address: expected name@domain"),
        (
            [*ASK, "--to", "a@example.com", "--to", "A@example.com"],
            "approvers: A@example.com is listed twice",
        ),
        ([*ASK, "--to", "a@example.com", "--choice", "yes"], "choices: "),
        ([*ASK, "--to", "a@example.com", "--id", "two words"], "id: "),
        (
            [*ASK, "--to", "a@example.com", "--deadline", "soon"],
            "'soon': expected a duration (30s, 15m, 4h, 2d)",
        ),
        ([*ASK, "--to", "a@example.com", "--body", "bell \x07"], "body: must not contain control characters"),
        (["approvals", "wait", "r1", "--timeout", "-1"], "Invalid value for '--timeout'"),
        (["approvals", "wait", "two words"], "ids.0: "),
        (["approvals", "list", "--limit", "0"], "Invalid value for '--limit'"),
        (["topology", "apply", "--shards", "300"], "Invalid value for '--shards'"),
        (["config", "check"], "accounts.yaml:1: the file: cannot be read: No such file or directory"),
        (["apply"], "Missing option '-f'"),
        (["apply", "-f", "none.yaml"], "none.yaml:1: the file: cannot be read: No such file or directory"),
        (["accounts", "add"], "name the account, or give a file"),
        (["accounts", "add", "a", "--set", "hunter2"], "expected SETTING=VALUE, as in imap.interval=1m"),
        (["accounts", "add", "a", "--set", "imap.hots=x"], "imap.hots: is not a setting; allowed here: auth"),
        (["accounts", "add", "a", "--smtp-port", "abc"], "smtp.port: must be a whole number"),
        (["accounts", "add", "a", "-f", "a.yaml", "--address", "a@example.com"], "take --address away"),
        (["accounts", "test", "a", "--timeout", "0"], "Invalid value for '--timeout'"),
        (["accounts", "test", "a", "--side", "pop"], "Invalid value for '--side'"),
        (["accounts", "set-secret"], "Missing argument 'NAME'"),
        (["config", "reference", "quark"], "no setting has 'quark' in its name"),
        (["frobnicate"], "No such command 'frobnicate'"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_allowed(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    (tmp_path / ".postroom").mkdir()
    (tmp_path / ".postroom" / "broker.sqlite3").touch()
    result = CliRunner().invoke(main, arguments)
    assert said in result.stderr
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_folder_where_nothing_ever_ran_is_named_and_left_alone(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["approvals", "list"])
    assert f"there is no broker at {tmp_path}/.postroom/broker.sqlite3" in result.stderr
    assert (result.exit_code, result.stdout, list(tmp_path.iterdir())) == (2, "", [])


def test_a_password_in_a_references_place_is_refused_and_not_repeated() -> None:
    settings = [
        "--address",
        "a@example.com",
        "--smtp-host",
        "b.example.com",
        "--set",
        "smtp.password=hunter2",
    ]
    result = CliRunner().invoke(main, ["accounts", "add", "a", *settings])
    assert result.exit_code == 2
    assert "smtp.password: a secret is given by reference" in result.stderr
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("POSTROOM_SHARDS", "some", "POSTROOM_SHARDS"),
        ("POSTROOM_HTTP_PORT", "70000", "POSTROOM_HTTP_PORT"),
        ("POSTROOM_BROKER_URL", "carrier-pigeon://loft", "a broker URL is amqp://"),
        ("POSTROOM_BROKER_URL", "amqp://host:seven/", "the broker URL's port"),
    ],
)
def test_wrong_settings_are_named(variable: str, value: str, said: str) -> None:
    result = CliRunner().invoke(main, ["approvals", "list"], env={variable: value})
    assert said in result.stderr
    assert result.exit_code == 2


def test_every_fault_of_an_accounts_file_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(BROKEN)
    result = CliRunner().invoke(main, ["config", "check"], env={"POSTROOM_ACCOUNTS": "broken.yaml"})
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "postroom: broken.yaml:2: accounts[0].name: "
        "must be 1 to 63 of the characters a-z, 0-9 and -, and not begin with -",
        "broken.yaml:4: accounts[0].smtp.port: must be a whole number",
    ]


def test_up_does_not_start_on_a_broken_accounts_file(tmp_path: Path) -> None:
    (tmp_path / "accounts.yaml").write_text(BROKEN)
    result = CliRunner().invoke(main, ["up"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "accounts.yaml:4: accounts[0].smtp.port" in result.stderr
    assert not (tmp_path / ".postroom").exists()


def test_a_broker_that_is_away_fails_a_command_and_a_check() -> None:
    away = {"POSTROOM_BROKER_URL": "amqp://guest:guest@127.0.0.1:9/"}
    listed = CliRunner().invoke(main, ["approvals", "list"], env=away)
    assert (listed.exit_code, listed.stdout) == (1, "")
    assert "127.0.0.1:9" in listed.stderr
    checked = CliRunner().invoke(main, ["topology", "check"], env=away)
    assert checked.exit_code == 1
    assert checked.stdout.startswith("failed   reach")


def test_a_store_without_tables_is_said_to_want_a_migration() -> None:
    result = CliRunner().invoke(main, ["accounts", "list"])
    assert result.exit_code == 2
    assert "run `postroom migrate`" in result.stderr
