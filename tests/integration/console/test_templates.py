"""`postroom templates`: a folder of templates, brought in, looked at, tried."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from postroom.messages import Attachment
from postroom.spool import Spool
from postroom.store import Store
from postroom_console.app import main
from tests.accounts import keep_accounts
from tests.tables import migrate

ACCOUNTS = """
accounts:
  - {name: shop, address: shop@corp.example, owner: anna, smtp: {host: smtp.example}, footer: Corp Ltd.}
  - {name: clinic, address: c@corp.example, owner: anna, confidential: true, smtp: {host: smtp.example}}
"""
USERS = """
users:
  - {name: anna, address: anna@corp.example, role: agent}
  - {name: boss, address: boss@corp.example, role: admin}
"""
HEAD = "subject: Hello {{ name }}\nsample: {name: Anna}\n"


@dataclass
class Shell:
    """A shell at a store with two accounts, and a folder with a template."""

    store: Store
    folder: Path

    @property
    def templates(self) -> Path:
        return self.folder / "templates"

    def write(self, name: str, head: str = HEAD, text: str = "Hi {{ name }}\n", html: str = "") -> None:
        self.templates.mkdir(exist_ok=True)
        (self.templates / f"{name}.yaml").write_text(head)
        (self.templates / f"{name}.txt").write_text(text)
        (self.templates / f"{name}.html").write_text(html)

    def run(self, *arguments: str) -> Result:
        environment = {"POSTROOM_DATA_DIR": str(self.folder)}
        result = CliRunner().invoke(main, ("templates", *arguments), env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    def apply(self, *arguments: str) -> Result:
        return self.run("apply", str(self.templates), *arguments)

    def names(self) -> list[str]:
        return [each["name"] for each in json.loads(self.run("list", "--json").stdout)]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    store = Store(f"sqlite:///{tmp_path}/store.sqlite3")
    migrate(store)
    keep_accounts(store, ACCOUNTS)
    shell = Shell(store, tmp_path)
    shell.write("hello")
    yield shell
    store.close()


def test_a_folder_is_applied_once_and_shown_with_what_differs(shell: Shell) -> None:
    assert shell.apply().stdout == "+ hello is new\n1 added\n"
    assert shell.apply().stdout == "nothing to change\n"
    shell.write("hello", text="Hello {{ name }}\n")
    told = "~ hello changes\n    text:\n      -Hi {{ name }}\n      +Hello {{ name }}\n1 changed"
    assert shell.apply("--dry-run").stdout == f"{told} (nothing is changed: --dry-run)\n"
    assert "Hi {{ name }}" in shell.run("show", "hello").stdout
    assert shell.apply().stdout == f"{told}\n"
    assert "Hello {{ name }}" in shell.run("show", "hello").stdout


def test_a_template_that_the_folder_lost_stays_unless_it_is_pruned(shell: Shell) -> None:
    shell.write("other")
    shell.apply()
    for suffix in ("yaml", "txt", "html"):
        (shell.templates / f"other.{suffix}").unlink()
    assert "other is not in the folder, and stays" in shell.apply().stdout
    assert shell.names() == ["hello", "other"]
    assert "1 removed" in shell.apply("--prune").stdout
    assert shell.names() == ["hello"]


@pytest.mark.parametrize(
    ("head", "text", "said"),
    [
        (HEAD, "{{ nobody }}", "error: bad, text: the variable nobody has no sample value"),
        (HEAD, "{% include 'x' %}", "error: bad, text: line 1: no other file can be included"),
        (f"{HEAD}account: nobody\n", "x", "bad: there is no account 'nobody'"),
    ],
)
def test_one_bad_template_keeps_all_from_being_applied(shell: Shell, head: str, text: str, said: str) -> None:
    shell.write("bad", head, text)
    result = shell.apply()
    assert result.exit_code == 2
    assert said in result.stderr
    assert "nothing is changed" in result.stderr
    assert shell.names() == []


def test_a_second_default_beside_one_that_stays_is_refused(shell: Shell) -> None:
    shell.write("hello", f"{HEAD}default: true\n")
    shell.apply()
    for path in shell.templates.iterdir():
        path.unlink()
    shell.write("new", f"{HEAD}default: true\n")
    result = shell.apply()
    assert (result.exit_code, "hello and new would both be the default" in result.stderr) == (2, True)
    assert shell.apply("--prune").exit_code == 0


def test_lint_says_what_is_unwise_and_fails_on_errors_only(shell: Shell) -> None:
    shell.write("loud", html="<img src='https://x.example/a.png'>")
    result = shell.run("lint", "--folder", str(shell.templates))
    assert result.exit_code == 0
    assert 'warning: loud, html: an image has no alt="…"' in result.stdout
    assert result.stdout.endswith("2 looked at, 0 errors, 2 warnings\n")
    shell.write("loud", text="{{ x")
    assert shell.run("lint", "--folder", str(shell.templates), "hello").exit_code == 0
    assert shell.run("lint", "--folder", str(shell.templates)).exit_code == 1


def test_a_preview_is_the_mail_that_would_be_sent(shell: Shell) -> None:
    shell.write("hello", html="<p>Hi {{ name }}</p>")
    shell.apply()
    target = shell.folder / "out"
    result = shell.run("preview", "hello", "--account", "shop", "--to", str(target))
    assert result.stdout.split() == [str(target / "hello.eml"), str(target / "hello.html")]
    mail = email.message_from_bytes((target / "hello.eml").read_bytes(), policy=email.policy.default)
    assert (mail["From"], mail["Subject"]) == ("shop@corp.example", "Hello Anna")
    assert "Corp Ltd." in (target / "hello.html").read_text()


def test_there_is_no_preview_of_mail_from_a_confidential_account(shell: Shell) -> None:
    shell.write("hello", f"{HEAD}account: clinic\n")
    shell.apply()
    result = shell.run("preview", "hello", "--to", str(shell.folder / "out"))
    assert result.exit_code == 2
    assert "the account clinic is confidential" in result.stderr
    assert not (shell.folder / "out").exists()


def test_agents_look_and_admins_change(shell: Shell) -> None:
    keep_accounts(shell.store, ACCOUNTS + USERS)
    refused = shell.apply("--as", "anna")
    assert (refused.exit_code, "for users with the role admin" in refused.stderr) == (2, True)
    assert shell.apply("--as", "boss").exit_code == 0
    assert "hello" in shell.run("list", "--as", "anna").stdout
    hidden = shell.run("preview", "hello", "--account", "shop", "--as", "boss", "--to", str(shell.folder))
    assert hidden.exit_code == 2  # the admin neither owns nor reads the account


def test_a_file_is_put_into_the_spool_for_a_mail_to_refer_to(tmp_path: Path) -> None:
    (tmp_path / "bill.pdf").write_bytes(b"%PDF")
    environment = {"POSTROOM_DATA_DIR": str(tmp_path)}
    result = CliRunner().invoke(main, ("attach", str(tmp_path / "bill.pdf")), env=environment)
    (told,) = json.loads(result.stdout)
    file = Attachment.model_validate(told)
    assert (file.filename, file.media_type) == ("bill.pdf", "application/pdf")
    assert Spool(tmp_path / "spool").get(file.dataref) == b"%PDF"
    missing = CliRunner().invoke(main, ("attach", str(tmp_path / "no.pdf")), env=environment)
    assert (missing.exit_code, "there is no such file" in missing.stderr) == (2, True)
