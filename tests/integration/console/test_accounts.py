"""Accounts from the command line: file, store, services and mail servers are real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from postroom.store import accounts as stored
from tests.integration.console.operator import BUSY, PASSWORD, REFUSED, Operator, open_operator
from tests.servers.dovecot import Dovecot
from tests.waiting import wait_until

pytestmark = pytest.mark.needs("dovecot")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, dovecot: Dovecot) -> Iterator[Operator]:
    """With fetcher and sender."""
    with open_operator(tmp_path_factory.mktemp("running"), dovecot, "fetcher", "sender") as operator:
        yield operator


@pytest.fixture
def operator(running: Operator) -> Operator:
    """The same, with the one account `ops`."""
    running.apply(running.entry("ops"), options=("--prune",))
    return running


@pytest.fixture
def alone(tmp_path: Path, dovecot: Dovecot) -> Iterator[Operator]:
    """Without any service."""
    with open_operator(tmp_path, dovecot) as operator:
        yield operator


def colours(operator: Operator) -> dict[tuple[str, str], str]:
    return {(row["account"], row["side"]): row["colour"] for row in operator.json("accounts", "list")}


def test_applying_is_shown_done_and_harmless_to_repeat(alone: Operator) -> None:
    first, second = alone.entry("first"), alone.entry("second")
    shown = alone.apply(first, second, options=("--dry-run",))
    assert "+ first is new" in shown
    assert "2 added (nothing is changed: --dry-run)" in shown
    assert alone.json("accounts", "list") == []
    assert "2 added" in alone.apply(first, second)
    assert alone.apply(first, second) == "nothing to change\n"
    changed = alone.entry("second", imap={"count": 7})
    shown = alone.apply(changed)
    assert shown.splitlines() == [
        "~ second changes",
        "    imap.count: default → 7",
        "· first is not in the file, and stays (--prune removes it)",
        "1 changed",
    ]
    assert "- first is removed" in alone.apply(changed, options=("--prune",))
    assert {row["account"] for row in alone.json("accounts", "list")} == {"second"}


def test_a_certificate_that_is_not_verified_is_told_when_it_is_set_and_ever_after(alone: Operator) -> None:
    said = "verify_certificate is off: anybody on the way can read along; set ca_file instead"
    wise, unwise = alone.entry("wise"), {**alone.entry("unwise"), "verify_certificate": False}
    assert f"unwise: {said}" in alone.run("apply", "-f", "-", typed=alone.file(wise, unwise)).output
    assert said in alone.json("accounts", "show", "unwise")["warnings"]
    told = {(row["account"], row["side"]): row["warnings"] for row in alone.json("accounts", "list")}
    assert said in told["unwise", "imap"]
    assert said not in told["wise", "imap"]


def test_a_file_with_a_fault_changes_nothing(alone: Operator) -> None:
    file = alone.file(alone.entry("good"), alone.entry("bad", imap={"port": "abc"}))
    refused = alone.run("apply", "-f", "-", typed=file)
    assert refused.exit_code == 2
    assert "accounts[1].imap.port: must be a whole number" in refused.stderr
    assert "standard input:" in refused.stderr
    assert alone.json("accounts", "list") == []


def test_an_export_applies_to_nothing_but_itself(alone: Operator) -> None:
    alone.apply(
        alone.entry("first", deny="# none\nspam.example", after_processing="move", move_to="Done"),
        {"name": "second", "address": "second@example.org", "use_system_smtp": True},
        system_smtp={"host": "smtp.example.org", "accounts": ["second"]},
    )
    exported = alone.said("accounts", "export")
    assert alone.said("apply", "-f", "-", "--prune", typed=exported) == "nothing to change\n"
    assert yaml.safe_load(alone.said("accounts", "export", "first"))["accounts"][0]["name"] == "first"


def test_without_a_broker_the_change_stands_and_services_notice_by_themselves(alone: Operator) -> None:
    entry = alone.file(alone.entry("ops"))
    away = {"POSTROOM_BROKER_URL": f"embedded:///{alone.stack.folder}/none.sqlite3"}
    result = alone.run("apply", "-f", "-", typed=entry, more=away)
    assert result.exit_code == 0
    assert "will notice within seconds by themselves: there is no broker" in result.stdout
    assert not (alone.stack.folder / "none.sqlite3").exists()


def test_services_take_over_what_is_applied_disabled_and_deleted(operator: Operator) -> None:
    wait_until(lambda: colours(operator)[("ops", "imap")] == "green", 10, "ops to be green")
    operator.said("accounts", "disable", "ops")
    wait_until(lambda: colours(operator)[("ops", "imap")] == "grey", 10, "ops to be grey")
    assert operator.said("accounts", "disable", "ops") == "ops is disabled already\n"
    operator.said("accounts", "enable", "ops")
    wait_until(lambda: colours(operator)[("ops", "imap")] == "green", 10, "ops to be green again")
    refused = operator.run("accounts", "delete", "ops")
    assert (refused.exit_code, "give --yes" in refused.stderr) == (2, True)
    assert operator.said("accounts", "delete", "ops", "--yes") == "ops is removed\n"
    assert operator.json("accounts", "list") == []


def test_the_services_test_an_account_stage_by_stage(operator: Operator) -> None:
    shown = operator.said("accounts", "test", "ops")
    assert "ops imap  (fetcher)" in shown
    assert "ops smtp  (sender)" in shown
    assert "failed" not in shown
    operator.apply(operator.entry("ops", imap={"folder": "Missing"}))
    failed = operator.run("accounts", "test", "ops", "--side", "imap")
    assert failed.exit_code == 1
    assert "postroom accounts folders" in failed.stdout
    (tried,) = operator.json("accounts", "test", "ops", "--side", "smtp")
    assert (tried["side"], tried["ok"]) == ("smtp", True)


def test_a_test_without_services_says_who_does_not_answer(alone: Operator) -> None:
    alone.apply(alone.entry("ops"))
    result = alone.run("accounts", "test", "ops", "--timeout", "0.3")
    assert result.exit_code == 1
    assert "the fetcher did not answer within 0.3 s" in result.stdout
    assert "the sender did not answer within 0.3 s" in result.stdout


def test_an_account_is_tested_from_this_machine_without_services(alone: Operator) -> None:
    alone.apply(alone.entry("ops"))
    good = alone.run("accounts", "test", "ops", "--local")
    assert (good.exit_code, "failed" in good.stdout) == (0, False), good.output
    bad = alone.run("accounts", "test", "ops", "--local", "--side", "imap", more={"MAIL_PASSWORD": "wrong"})
    assert (bad.exit_code, "failed" in bad.stdout) == (1, True)


def test_an_account_whose_test_fails_is_not_added_and_its_password_forgotten(operator: Operator) -> None:
    options = [
        *("--address", operator.user.user, "--set", "imap.interval=1h", "--password-stdin"),
        *("--smtp-host", operator.smtp.host, "--smtp-port", str(operator.smtp.port)),
        *("--smtp-security", "none", "--imap-security", "none"),
        *("--imap-host", operator.dovecot.host, "--imap-port", str(operator.dovecot.port)),
    ]
    wrong = operator.run("accounts", "add", "new", *options, typed="a wrong password\n")
    assert wrong.exit_code == 1, wrong.output
    assert "new is not saved: its test failed" in wrong.stderr
    assert "nothing is stored" in operator.said("secrets", "list")
    missing = operator.run("accounts", "add", "new", *options, "--set", "imap.folder=None", typed=PASSWORD)
    assert missing.exit_code == 1
    forced = [*options, "--set", "imap.folder=None", "--force"]
    assert "new is saved" in operator.said("accounts", "add", "new", *forced, typed=PASSWORD)
    again = operator.run("accounts", "add", "new", *options, typed=PASSWORD)
    assert (again.exit_code, "there is an account new already" in again.stderr) == (2, True)
    assert "new/smtp.password" in operator.said("secrets", "list")
    assert "new2 is saved" in operator.said("accounts", "add", "new2", *options, typed=f"{PASSWORD}\n")
    wait_until(lambda: colours(operator)[("new2", "imap")] == "green", 10, "new2 to be green")


def test_applying_with_tests_changes_nothing_if_one_fails(operator: Operator) -> None:
    good, bad = operator.entry("good"), operator.entry("bad", imap={"folder": "Missing"})
    refused = operator.run("apply", "-f", "-", "--test", typed=operator.file(good, bad))
    assert (refused.exit_code, "nothing is changed" in refused.stderr) == (1, True), refused.output
    assert {row["account"] for row in operator.json("accounts", "list")} == {"ops"}
    assert "1 added" in operator.apply(operator.entry("ops"), good, options=("--test",))


def test_a_test_mail_is_sent_or_refused_or_tried_again(operator: Operator) -> None:
    sent = operator.run("accounts", "send-test", "ops", "anna@example.net")
    assert sent.exit_code == 0, sent.output
    (mail,) = operator.smtp.mails()
    assert mail.recipients == ("anna@example.net",)
    assert b"the account ops of Postroom" in mail.content
    failed = operator.run("accounts", "send-test", "ops", REFUSED)
    assert (failed.exit_code, "no such user" in failed.stderr) == (1, True)
    late = operator.run("accounts", "send-test", "ops", BUSY, "--timeout", "2.5")
    assert (late.exit_code, "goes on trying: the server does not take" in late.stderr) == (3, True), (
        late.output
    )
    wrong = operator.run("accounts", "send-test", "ops", "anna")
    assert (wrong.exit_code, "recipient" in wrong.stderr) == (2, True)


def test_folders_are_listed_with_the_rule_that_found_the_sent_folder(operator: Operator) -> None:
    listed = operator.json("accounts", "folders", "ops")
    assert (listed["sent_folder"], listed["sent_rule"]) == ("Sent", "special-use")
    shown = operator.said("accounts", "folders", "ops")
    assert "sent mail, by SPECIAL-USE" in shown
    assert "is read" in shown


def test_new_mail_is_looked_for_at_once_when_asked(operator: Operator) -> None:
    assert "the fetcher is asked" in operator.said("accounts", "fetch-now", "ops")


def test_a_stored_password_is_set_from_standard_input_and_takes_effect(operator: Operator) -> None:
    operator.apply(operator.entry("ops", smtp={"password": "stored"}))
    wait_until(lambda: colours(operator)[("ops", "imap")] == "red", 10, "ops to be red")
    assert operator.said("accounts", "set-secret", "ops", typed=f"{PASSWORD}\n") == (
        "smtp.password of ops is stored\n"
    )
    wait_until(lambda: colours(operator)[("ops", "imap")] == "green", 10, "ops to be green")
    assert operator.said("secrets", "rotate") == "everything is encrypted with the newest key already\n"
    rotated = operator.said("secrets", "rotate", "--new-key")
    assert "1 encrypted anew" in rotated
    assert "the older key is not needed any more" in rotated
    # The services have read the keys before there was a new one.
    operator.said("accounts", "test", "ops")
    shown = operator.said("accounts", "show", "ops")
    assert "stored:ops/smtp.password  ok" in shown
    assert PASSWORD not in shown


def test_a_change_waits_for_the_one_before(alone: Operator) -> None:
    alone.apply(alone.entry("ops"))
    store = alone.stack.store()
    try:
        with store.write() as connection:
            stored.lock(connection)
            before = stored.revision(connection)
        alone.apply(alone.entry("ops", imap={"count": 3}))
        with store.read() as connection:
            assert stored.revision(connection) == before + 1
    finally:
        store.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "nix"),
        ("enable", "nix"),
        ("disable", "nix"),
        ("delete", "nix", "--yes"),
        ("export", "nix"),
        ("test", "nix"),
        ("send-test", "nix", "anna@example.net"),
        ("folders", "nix"),
        ("fetch-now", "nix"),
        ("set-secret", "nix"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_account_that_is_not_there_is_said_to_be_none_of_these(
    running: Operator, arguments: tuple[str, ...]
) -> None:
    running.apply(running.entry("ops"), running.entry("releases"), options=("--prune",))
    result = running.run("accounts", *arguments, typed="secret\n")
    assert result.exit_code == 2
    assert result.stderr == "postroom: there is no account 'nix': there are ops, releases\n"
