"""A test of a mailbox says which stage failed and what to do about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from postroom.account import Account
from postroom.messages import AccountTest, AccountTested, TestStage
from postroom.store.accounts import document
from postroom.trust import TRUST
from postroom_fetcher.examination import STAGES, examine, opener, passed
from postroom_fetcher.opening import Tools
from tests.integration.fetcher.mailroom import Mailroom, entry, mail, open_mailroom
from tests.servers.certificates import Authority
from tests.servers.dovecot import Account as User
from tests.servers.dovecot import Dovecot
from tests.servers.nodes import Nodes
from tests.servers.process import free_port

pytestmark = pytest.mark.needs("dovecot")

Examine = Callable[[dict[str, Any]], tuple[TestStage, ...]]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailroom]:
    """A mailroom whose fetcher does not run."""
    with open_mailroom(tmp_path_factory.mktemp("examination")) as room:
        yield room


@pytest.fixture(scope="module")
def user(dovecot: Dovecot) -> User:
    return dovecot.account()


@pytest.fixture(scope="module")
def password(room: Mailroom, user: User) -> str:
    """The reference to the user's password."""
    (room.folder / "right").write_text(user.password)
    return f"file:{room.folder}/right"


@pytest.fixture(scope="module")
def tried(room: Mailroom) -> Examine:
    """Tries an entry of the accounts file."""
    open_way = opener(Tools(TRUST, room.credentials))
    return lambda entry: examine(Account.model_validate(entry).effective(None), open_way)


def _at(stages: tuple[TestStage, ...], name: str) -> TestStage:
    return next(stage for stage in stages if stage.name == name)


@pytest.mark.parametrize("security", ["tls", "starttls", "none"])
def test_every_stage_of_a_good_mailbox_is_ok(
    tried: Examine, dovecot: Dovecot, user: User, password: str, security: str
) -> None:
    port = dovecot.tls_port if security == "tls" else dovecot.port
    good = entry("team", dovecot, user, security=security, port=port, password=password)
    stages = tried(good | {"ca_file": str(dovecot.ca_file)})
    assert [stage.name for stage in stages] == list(STAGES)
    expected = {"tls": "skipped"} if security == "none" else {}
    assert [stage.result for stage in stages] == [expected.get(name, "ok") for name in STAGES]
    assert all(stage.duration_ms >= 0 and stage.detail and not stage.advice for stage in stages)
    assert _at(stages, "connect").duration_ms > 0
    if security != "none":
        assert "certificate verified" in _at(stages, "tls").detail
    assert "PLAIN" in _at(stages, "authenticate").detail
    assert "IDLE" in _at(stages, "capabilities").detail


def test_the_folder_is_counted_and_its_newest_mail_is_read(
    tried: Examine, dovecot: Dovecot, password: str
) -> None:
    own = dovecot.account()
    good = entry("team", dovecot, own, password=password)
    assert "empty" in _at(tried(good), "read").detail
    dovecot.append(own.user, "INBOX", [mail(1), mail(2)])
    stages = tried(good)
    assert _at(stages, "folder").detail == "INBOX has 2 mails"
    assert "UID 2" in _at(stages, "read").detail
    assert not any(dovecot.flags(own.user).values())


@pytest.mark.parametrize(
    ("change", "stage", "reason_code", "says", "advises"),
    [
        ({"host": "no-such-host.invalid"}, "resolve", "unknown_host", "no-such-host", "spelling"),
        ({"port": "free"}, "connect", "unreachable", "refused", "host and port"),
        ({"security": "tls"}, "tls", "tls_failed", "no TLS", "993"),
        ({"security": "tls", "port": "tls"}, "tls", "certificate", "not trusted", "ca_file"),
        ({"security": "starttls"}, "tls", "certificate", "not trusted", "ca_file"),
        ({"password": "wrong"}, "authenticate", "auth_failed", "refused user or password", "secret"),
        ({"password": "env:NO_SUCH"}, "authenticate", "secret_missing", "NO_SUCH", "set-secret team`"),
        ({"auth": "oauthbearer"}, "authenticate", "sign_in_needed", "sign", "accounts login team`"),
        ({"folder": "Nowhere"}, "folder", "folder_missing", "Nowhere", "accounts folders team`"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_stage_that_failed_says_why_and_what_to_do_and_the_rest_is_skipped(
    tried: Examine,
    dovecot: Dovecot,
    user: User,
    password: str,
    room: Mailroom,
    change: dict[str, Any],
    stage: str,
    reason_code: str,
    says: str,
    advises: str,
) -> None:
    (room.folder / "wrong").write_text("a wrong password")
    words = {"free": free_port(), "tls": dovecot.tls_port, "wrong": f"file:{room.folder}/wrong"}
    own = {
        name: words.get(value, value) if name in ("port", "password") else value
        for name, value in change.items()
    }
    settings = entry("team", dovecot, user, **{"password": password, **own})
    if own.get("auth"):
        settings |= {"type": "oauth2", "oauth": _OAUTH}
    stages = tried(settings)
    failed = _at(stages, stage)
    assert (failed.result, failed.reason_code) == ("failed", reason_code)
    assert says in failed.detail
    assert advises in failed.advice
    assert "a wrong password" not in failed.detail
    before, after = STAGES[: STAGES.index(stage)], STAGES[STAGES.index(stage) + 1 :]
    assert {_at(stages, name).result for name in before} <= {"ok", "skipped"}
    assert {_at(stages, name).result for name in after} <= {"skipped"}


_OAUTH = {
    "client_id": "program",
    "token_url": "https://login.example.org/token",
    "device_url": "https://login.example.org/device",
}


def test_another_authority_and_another_name_are_told(
    tried: Examine, dovecot: Dovecot, user: User, password: str, tmp_path: Path
) -> None:
    tls = entry("team", dovecot, user, security="tls", port=dovecot.tls_port, password=password)
    other = Authority.create(tmp_path / "other").certificate
    stranger = _at(tried(tls | {"ca_file": str(other)}), "tls")
    missing = _at(tried(tls | {"ca_file": str(tmp_path / "none.pem")}), "tls")
    open_eyes = tried(tls | {"verify_certificate": False})
    assert [stranger.reason_code, missing.reason_code] == ["certificate", "ca_file"]
    assert "NOT verified" in _at(open_eyes, "tls").detail
    assert passed(open_eyes)


def test_a_server_without_starttls_gets_no_password(tried: Examine, nodes: Nodes, password: str) -> None:
    pymap = nodes.pymap()
    server = {"host": pymap.host, "port": pymap.port, "security": "starttls", "user": pymap.user}
    settings = {"name": "team", "address": pymap.user, "imap": {**server, "password": password}}
    failed = _at(tried(settings), "tls")
    assert failed.reason_code == "starttls_missing"
    assert "nothing was sent" in failed.detail


def test_the_fetcher_answers_tests_of_accounts_in_use_and_of_candidates(
    dovecot: Dovecot, user: User, password: str, tmp_path: Path
) -> None:
    good = entry("team", dovecot, user, password=password)
    wrong = entry("new", dovecot, user, password=password, port=99_999)
    with open_mailroom(tmp_path) as room:
        room.write_accounts(good, entry("off", dovecot, user, password=password) | {"enabled": False})
        with room.fetcher():
            candidate = document(Account.model_validate(good | {"name": "new"}))
            commands = {
                "live": AccountTest(account="team"),
                "disabled": AccountTest(account="off"),
                "candidate": AccountTest(account="new", candidate=candidate),
                "unknown": AccountTest(account="nobody"),
                "invalid": AccountTest(account="new", candidate=wrong),
                "sends only": AccountTest(account="team", candidate=_sends_only(user)),
            }
            ids = {name: room.send(command) for name, command in commands.items()}
            found: dict[str, AccountTested] = {name: room.answer(each) for name, each in ids.items()}
    assert {name: event.ok for name, event in found.items()} == {
        "live": True,
        "disabled": True,
        "candidate": True,
        "unknown": False,
        "invalid": False,
        "sends only": False,
    }
    assert {event.command_id for event in found.values()} == set(ids.values())
    settings = {name: found[name].stages[0] for name in ("unknown", "invalid", "sends only")}
    assert {stage.name for stage in settings.values()} == {"settings"}
    assert {name: stage.reason_code for name, stage in settings.items()} == {
        "unknown": "unknown_account",
        "invalid": "invalid_settings",
        "sends only": "receiving_disabled",
    }
    assert "imap.port" in settings["invalid"].detail


def _sends_only(user: User) -> dict[str, Any]:
    return {"address": user.user, "smtp": {"host": "mail.example.org"}}


def test_a_probe_of_its_own_answers_on_standard_output(
    dovecot: Dovecot, user: User, password: str, tmp_path: Path
) -> None:
    good = entry("team", dovecot, user, password=password)
    with open_mailroom(tmp_path) as room:
        room.write_accounts(good)
        by_name = _probe(room, ["team"])
        by_document = _probe(room, [], json.dumps({"account": good | {"name": "new"}}))
        unknown = _probe(room, ["nobody"])
        garbage = _probe(room, [], "{")
    codes = [code for code, _event in (by_name, by_document, unknown, garbage)]
    assert codes == [0, 0, 1, 1]
    assert [by_name[1].account, by_document[1].account] == ["team", "new"]
    assert [unknown[1].stages[0].reason_code, garbage[1].stages[0].reason_code] == [
        "unknown_account",
        "invalid_settings",
    ]


def _probe(room: Mailroom, arguments: list[str], given: str = "") -> tuple[int, AccountTested]:
    environment = {**os.environ, "POSTROOM_DATA_DIR": str(room.settings.data_dir)}
    done = subprocess.run(
        [sys.executable, "-m", "postroom_fetcher.probe", *arguments],
        input=given,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, AccountTested.model_validate_json(done.stdout)
