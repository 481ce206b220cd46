"""`postroom approvals explain` as people run it: a command, a file, a store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from postroom.store import Store
from tests.accounts import keep_accounts
from tests.tables import migrate

ACCOUNTS = """\
accounts:
  - name: release
    address: release@corp.example
    deny: spam.example
    imap: {host: imap.example, user: u, password: "env:P"}
    smtp: {host: smtp.example}
"""
MAIL = (
    b"From: Eve <eve@spam.example>\nTo: release@corp.example\nSubject: \x1b]0;owned\x07 Re\n\n"
    b"Approve \x1b[31m\n"
)


def run(folder: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "POSTROOM_DATA_DIR": str(folder / "data")}
    command = [sys.executable, "-c", "from postroom_console.app import main; main()"]
    return subprocess.run(
        [*command, "approvals", "explain", *arguments],
        input=given,
        capture_output=True,
        cwd=folder,
        env=environment,
        timeout=60,
        check=False,
    )


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A folder with a store that has an account."""
    (tmp_path / "data").mkdir()
    store = Store(f"sqlite:///{tmp_path}/data/store.sqlite3")
    migrate(store)
    keep_accounts(store, ACCOUNTS)
    store.close()
    return tmp_path


def test_a_file_is_explained_and_nothing_in_it_reaches_the_terminal_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "reply.eml").write_bytes(MAIL)
    done = run(tmp_path, "reply.eml", "--choices", "approve,hold")
    assert done.returncode == 0, done.stderr
    assert b"unclear: hidden-characters" in done.stdout
    assert b"offered: approve, hold" in done.stdout
    assert b"\x1b" not in done.stdout
    assert b"\x07" not in done.stdout
    assert list(tmp_path.iterdir()) == [tmp_path / "reply.eml"]


def test_with_an_account_the_store_and_the_rules_are_asked(stored: Path) -> None:
    done = run(stored, "--json", "--account", "release", "-", given=MAIL)
    assert done.returncode == 0, done.stderr
    steps = {step["name"]: step["lines"] for step in json.loads(done.stdout)}
    assert steps["rules"][1:] == [
        "answered: denied",
        "denied: deny list: spam.example (of release, from the accounts file)",
    ]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--account", "nobody", "-"], b"there is no account 'nobody'"),
        (["--choices", "one", "-"], b"give two words or more"),
        (["missing.eml"], b"missing.eml cannot be read"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(
    stored: Path, arguments: list[str], fault: bytes
) -> None:
    done = run(stored, *arguments, given=MAIL)
    assert done.returncode == 2
    assert fault in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert done.stdout == b""
