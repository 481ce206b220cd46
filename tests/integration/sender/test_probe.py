"""Testing an account's way of sending: which stage fails, and what a person is told to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from postroom.account import Account
from postroom.broker.publisher import Publisher, outgoing
from postroom.clock import utc_now
from postroom.envelope import envelop
from postroom.messages import AccountTest, AccountTested, MailSent, TestStage
from postroom.subscription import Listening, subscribe
from postroom_sender.probe import STAGES, probe
from tests.integration.sender.scripted import friendly, scripted
from tests.integration.sender.sendroom import SHARDS, Sendroom, approval, entry
from tests.integration.sender.test_sign_in import (
    CLIENT_SUBMISSION,
    LOGIN,
    NO_SMTP,
    Wallet,
    credentials,
    with_password,
    with_token,
)
from tests.servers.aiosmtpd import Behaviour, SmtpServer
from tests.servers.certificates import Authority
from tests.servers.process import free_port


def probed(room: Sendroom, account: Account, *tokens: str) -> dict[str, TestStage]:
    """The stages by name."""
    stages = probe(account, credentials(room.store, Wallet(*(tokens or ("none",)))))
    assert tuple(stage.name for stage in stages) == STAGES
    return {stage.name: stage for stage in stages}


def results(stages: dict[str, TestStage]) -> str:
    """A letter for each stage: o(k), f(ailed), s(kipped)."""
    return "".join(stage.result[0] for stage in stages.values())


def with_settings(port: int, **changes: Any) -> Account:
    return Account.model_validate(entry("releases", port, **changes))


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_every_stage_of_a_good_account_is_ok(
    room: Sendroom, authority: Authority, tmp_path: Path, security: str
) -> None:
    context = authority.issue("server").server_context()
    implicit_tls = security == "tls"
    behaviour = Behaviour(
        login=LOGIN,
        implicit_tls=context if implicit_tls else None,
        starttls=None if implicit_tls else context,
    )
    with SmtpServer(behaviour) as server:
        account = with_password(server.port, tmp_path, security=security)
        stages = probed(room, account.model_copy(update={"ca_file": str(authority.certificate)}))
        mails = server.mails()
    assert results(stages) == "oooooo"
    assert stages["resolve"].detail == "127.0.0.1"
    assert stages["tls"].detail.startswith("TLSv1.")
    assert stages["authenticate"].detail == f"PLAIN as {LOGIN[0]}"
    assert "SIZE 33554432" in stages["capabilities"].detail
    assert all(stage.duration_ms >= 0 for stage in stages.values())
    assert mails == []


def test_nothing_is_encrypted_and_nobody_signs_in_where_the_account_says_so(room: Sendroom) -> None:
    with scripted(friendly) as server:
        stages = probed(room, with_settings(server.port))
    assert results(stages) == "oossoo"
    assert server.commands == ["greeting", "EHLO", "MAIL", "RSET", "QUIT"]
    assert "PIPELINING, no SMTPUTF8" in stages["capabilities"].detail


@pytest.mark.parametrize(
    ("smtp", "failing", "reason_code", "advice"),
    [
        ({"host": "no-such-host.invalid"}, "resolve", "unknown_host", "spelling of host"),
        ({"port": "free"}, "connect", "unreachable", "firewall"),
        ({"security": "tls"}, "tls", "tls_failed", "tls 993"),
        ({"security": "starttls"}, "tls", "starttls_missing", "security: tls"),
    ],
)
def test_the_stage_that_fails_says_what_to_do_and_the_rest_is_skipped(
    room: Sendroom, smtp: dict[str, Any], failing: str, reason_code: str, advice: str
) -> None:
    with scripted(friendly) as server:
        if smtp.get("port") == "free":
            smtp = {"port": free_port()}
        stages = probed(room, with_settings(server.port, smtp=smtp))
    index = STAGES.index(failing)
    assert results(stages) == "o" * index + "f" + "s" * (len(STAGES) - index - 1)
    assert stages[failing].reason_code == reason_code
    assert advice in stages[failing].advice


def test_a_certificate_of_another_authority_fails_at_tls(
    room: Sendroom, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Authority.create(tmp_path_factory.mktemp("other"))
    with SmtpServer(Behaviour(implicit_tls=authority.issue("server").server_context())) as server:
        stages = probed(
            room, with_settings(server.port, smtp={"security": "tls"}, ca_file=str(other.certificate))
        )
    assert results(stages) == "oofsss"
    assert "not trusted" in stages["tls"].detail
    assert "ca_file" in stages["tls"].advice


def test_a_wrong_password_fails_at_authenticate(room: Sendroom, tmp_path: Path) -> None:
    with SmtpServer(Behaviour(login=(LOGIN[0], "another"))) as server:
        stages = probed(room, with_password(server.port, tmp_path))
    assert results(stages) == "oosfss"
    assert stages["authenticate"].reason_code == "auth_failed"
    assert LOGIN[1] not in stages["authenticate"].detail


def test_a_refused_token_is_replaced_in_a_test_too(room: Sendroom) -> None:
    with SmtpServer(Behaviour(takes_token=lambda _, token: token == "fresh")) as server:
        assert probed(room, with_token(server.port), "stale", "fresh")["authenticate"].result == "ok"


@pytest.mark.parametrize(
    ("answer", "reason_code", "advice"),
    [
        (CLIENT_SUBMISSION, "basic_auth_disabled", "postroom accounts login releases"),
        (NO_SMTP, "smtp_auth_disabled", "administrator"),
    ],
)
def test_a_provider_without_passwords_is_told_with_the_way_out(
    room: Sendroom, tmp_path: Path, answer: bytes, reason_code: str, advice: str
) -> None:
    def script(command: str, before: int) -> bytes | None:
        if command == "EHLO":
            return b"250-scripted\r\n250 AUTH LOGIN PLAIN\r\n"
        return answer if command == "AUTH" else friendly(command, before)

    with scripted(script) as server:
        stage = probed(room, with_password(server.port, tmp_path))["authenticate"]
    assert (stage.result, stage.reason_code) == ("failed", reason_code)
    assert advice in stage.advice


def test_an_address_that_the_server_does_not_take_fails_at_sender(room: Sendroom) -> None:
    def script(command: str, before: int) -> bytes | None:
        return b"553 5.7.1 not yours\r\n" if command == "MAIL" else friendly(command, before)

    with scripted(script) as server:
        stages = probed(room, with_settings(server.port))
    assert results(stages) == "oossfs"
    assert "not yours" in stages["sender"].detail


def ask(room: Sendroom, *commands: AccountTest) -> list[AccountTested]:
    """What the running sender answers, in the order of the commands."""
    envelopes = [envelop(command, source="test", now=utc_now()) for command in commands]
    found: dict[str | None, AccountTested] = {}
    with (
        subscribe(room.settings.broker, "test", Listening([f"{AccountTested.TYPE}.#"])) as subscription,
        Publisher(room.settings.broker, name="test") as publisher,
    ):
        publisher.publish([outgoing(envelope, SHARDS) for envelope in envelopes])
        for heard in subscription.until(time.monotonic() + 20):
            assert isinstance(heard.message, AccountTested)
            found[heard.causation_id] = heard.message
            if len(found) == len(envelopes):
                break
    return [found[envelope.id] for envelope in envelopes]


def test_the_sender_answers_for_live_disabled_unknown_and_proposed_accounts(room: Sendroom) -> None:
    with SmtpServer() as server:
        room.write_accounts(entry("live", server.port), entry("off", server.port, enabled=False))
        candidate = {**entry("new", server.port), "use_system_smtp": False}
        with room.sender():
            live, off, unknown, new, wrong = ask(
                room,
                AccountTest(account="live", side="smtp"),
                AccountTest(account="off", side="smtp"),
                AccountTest(account="nobody", side="smtp"),
                AccountTest(account="new", side="smtp", candidate=candidate),
                AccountTest(account="new", side="smtp", candidate={"address": "x@example.com", "smtp": 1}),
            )
    assert [each.ok for each in (live, off, unknown, new, wrong)] == [True, True, False, True, False]
    assert (unknown.stages[0].name, unknown.stages[0].reason_code) == ("settings", "unknown_account")
    assert wrong.stages[0].reason_code == "invalid_settings"
    assert "smtp" in wrong.stages[0].detail
    assert {stage.result for stage in wrong.stages[1:]} == {"skipped"}


def test_a_test_of_a_silent_server_holds_no_mail_up(room: Sendroom) -> None:
    with scripted(lambda *_: b"") as silent, SmtpServer() as server:
        room.write_accounts(entry("silent", silent.port), entry("releases", server.port))
        with room.sender(), Publisher(room.settings.broker, name="test") as publisher:
            tests = [AccountTest(account="silent", side="smtp") for _ in range(4)]
            envelopes = [envelop(test, source="test", now=utc_now()) for test in tests]
            publisher.publish([outgoing(envelope, SHARDS) for envelope in envelopes])
            room.wait_until(lambda: silent.connections == 4, "the tests to run")
            room.order(approval(1))
            room.wait_for(MailSent)
            # The tests end now.
            silent.hang_up()


def test_a_test_that_signs_in_frees_an_account_that_was_stopped(room: Sendroom) -> None:
    with SmtpServer(Behaviour(login=(LOGIN[0], "right"))) as server:
        smtp = {"user": LOGIN[0], "password": room.password}
        room.write_accounts(entry("releases", server.port, smtp=smtp), password="right")
        server.refuse_sign_ins(on=True)
        room.order(approval(1))
        with room.sender(), room.sender():
            room.wait_for_stop("releases")
            server.refuse_sign_ins(on=False)
            (tested,) = ask(room, AccountTest(account="releases", side="smtp"))
            assert tested.ok
            room.wait_for(MailSent)


def run_probe(room: Sendroom, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "postroom_sender.probe", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "POSTROOM_DATA_DIR": str(room.folder)},
    )


def test_the_probe_runs_on_its_own(room: Sendroom) -> None:
    with SmtpServer() as server:
        room.write_accounts(entry("live", server.port))
        given = json.dumps({"account": entry("new", server.port)})
        done = [run_probe(room, "live"), run_probe(room, given=given), run_probe(room, "nobody")]
    assert [each.returncode for each in done] == [0, 0, 1]
    live, new, nobody = (AccountTested.model_validate_json(each.stdout) for each in done)
    assert (live.account, live.ok, new.account, new.ok) == ("live", True, "new", True)
    assert nobody.stages[0].reason_code == "unknown_account"
