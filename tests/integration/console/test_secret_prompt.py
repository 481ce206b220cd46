"""A password typed in a terminal, and keys that are somewhere else than in a file."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from click.testing import CliRunner

from postroom.secret_box import new_key
from postroom_console.app import main
from tests.waiting import wait_until

QUESTION = re.compile(rb"of ops: |confirmation: ")
LOCAL_MODES = 3  # of what tcgetattr returns
POSTROOM = [sys.executable, "-c", "from postroom_console.app import main; main()"]
FILE = """\
accounts:
  - name: ops
    address: ops@example.org
    smtp: {host: smtp.example.org, user: ops, password: stored}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store and the account `ops`."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["migrate"]).exit_code == 0
    assert CliRunner().invoke(main, ["apply", "-f", "-"], input=FILE).exit_code == 0
    return tmp_path


def typed(*lines: str) -> tuple[int, str]:
    """What a terminal shows while somebody types these lines, and the exit code."""
    ours, theirs = pty.openpty()
    command = [*POSTROOM, "accounts", "set-secret", "ops"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    waiting = list(lines)
    try:
        while part := os.read(ours, 1024):
            shown += part
            if waiting and len(QUESTION.findall(shown)) > len(lines) - len(waiting):
                # The question stands there a moment before the echo is off.
                wait_until(lambda: not termios.tcgetattr(ours)[LOCAL_MODES] & termios.ECHO, 10, "no echo")
                os.write(ours, f"{waiting.pop(0)}\n".encode())
    except OSError:
        pass  # Linux says that nobody has the other end open any more.
    finally:
        os.close(ours)
    return process.wait(30), shown.decode()


def test_a_terminal_asks_twice_and_shows_nothing_of_it() -> None:
    code, shown = typed("the right one", "another one", "the right one", "the right one")
    assert (code, "smtp.password of ops is stored" in shown) == (0, True), shown
    assert "do not match" in shown
    assert "right" not in shown
    assert "another" not in shown


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", "smtp.password of ops: standard input is empty"),
        (b"two\nlines\n", "must be one line of text"),
        (b"\xff\n", "is not UTF-8"),
    ],
)
def test_what_is_no_secret_is_refused_without_repeating_it(given: bytes, said: str) -> None:
    result = CliRunner().invoke(main, ["accounts", "set-secret", "ops"], input=given)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert "two" not in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ops", "imap.password"), "ops has no imap.password: stored are smtp.password"),
        (("system_smtp",), "there is no system_smtp yet"),
    ],
)
def test_a_field_that_is_not_stored_is_named_with_those_that_are(
    arguments: tuple[str, ...], said: str
) -> None:
    result = CliRunner().invoke(main, ["accounts", "set-secret", *arguments], input="x\n")
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_a_new_key_is_not_made_where_the_keys_come_from_the_environment(folder: Path) -> None:
    keys = {"POSTROOM_SECRET_KEYS": new_key()}
    refused = CliRunner().invoke(main, ["secrets", "rotate", "--new-key"], env=keys)
    assert (refused.exit_code, "put a new one before them there" in refused.stderr) == (2, True)


def test_a_new_key_comes_first_in_its_file_which_stays_private(folder: Path) -> None:
    assert CliRunner().invoke(main, ["accounts", "set-secret", "ops"], input="x\n").exit_code == 0
    file = folder / ".postroom" / "secret-keys"
    before = file.read_text().split()
    assert CliRunner().invoke(main, ["secrets", "rotate", "--new-key"]).exit_code == 0
    assert (len(before), file.read_text().split()[1:]) == (1, before)
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text(file.read_text().split()[0])
    shown = CliRunner().invoke(main, ["accounts", "show", "ops"])
    assert "stored:ops/smtp.password  ok" in shown.stdout
