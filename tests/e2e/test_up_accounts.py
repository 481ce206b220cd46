"""`postroom up` on real mailboxes: the file is applied, followed, and not needed later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from postroom_console.app import main
from tests.e2e.test_up import Up
from tests.servers.dovecot import Account, Dovecot
from tests.waiting import wait_until

NOTICED_S = 15.0


def entry(name: str, dovecot: Dovecot, user: Account) -> dict[str, Any]:
    imap = {"host": dovecot.host, "port": dovecot.port, "security": "none", "user": user.user}
    return {
        "name": name,
        "address": user.user,
        "imap": {**imap, "password": "file:password", "interval": "1h"},
    }


def write(folder: Path, *entries: dict[str, Any]) -> None:
    (folder / "accounts.new").write_text(yaml.safe_dump({"accounts": list(entries)}))
    (folder / "accounts.new").rename(folder / "accounts.yaml")


def colours(up: Up) -> dict[str, str]:
    # In this process: starting one for each look takes longer than what is waited for.
    settings = {"POSTROOM_DATA_DIR": str(up.folder / ".postroom")}
    listed = CliRunner().invoke(main, ("accounts", "list", "--json"), env=settings)
    assert listed.exit_code == 0, listed.output
    return {row["account"]: row["colour"] for row in json.loads(listed.stdout)}


@pytest.mark.needs("dovecot")
def test_the_file_is_followed_and_its_accounts_are_still_there_without_it(
    tmp_path: Path, dovecot: Dovecot
) -> None:
    user = dovecot.account()
    (tmp_path / "password").write_text(user.password)
    write(tmp_path, entry("first", dovecot, user))
    up = Up(tmp_path)
    try:
        up.wait_for("sender: http://")
        wait_until(lambda: colours(up) == {"first": "green"}, 30, "first to be green", interval_s=0.2)
        write(tmp_path, entry("first", dovecot, user), entry("second", dovecot, user))
        up.wait_for("+ second is new")
        wait_until(
            lambda: colours(up).get("second") == "green", NOTICED_S, "second to be green", interval_s=0.2
        )
        (tmp_path / "accounts.yaml").write_text("accounts: [")
        up.wait_for("the accounts stay as they are")
        assert set(colours(up)) == {"first", "second"}
        up.process.terminate()
        assert up.process.wait(60) == 0, up.printed
    finally:
        up.end()
    (tmp_path / "accounts.yaml").unlink()
    again = Up(tmp_path)
    try:
        again.wait_for("the accounts are those of before")
        again.wait_for("sender: http://")
        assert set(colours(again)) == {"first", "second"}
        again.process.terminate()
        assert again.process.wait(60) == 0, again.printed
    finally:
        again.end()
