"""Access tokens against a real authorization server: refreshed in time, by one at a time, or refused."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from postroom import metrics
from postroom.account import Account
from postroom.clock import utc_now
from postroom.errors import Misconfigured, Transient
from postroom.oauth import grant_store
from postroom.oauth.grant import received
from postroom.secret_box import new_key
from postroom.store import Store
from tests.integration.oauth.conftest import Clock
from tests.integration.oauth.office import ROOT, Office
from tests.servers.oauth import OAuthServer
from tests.waiting import wait_until

REFRESH, APP = "refresh_token", "client_credentials"


def reason(office: Office, account: Account) -> str:
    with pytest.raises(Misconfigured) as caught:
        office.tokens().access_token(account)
    return caught.value.reason_code


def asking(office: Office) -> subprocess.Popen[str]:
    """A process that asks for the token when it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.oauth.asker", "ann"],
        cwd=ROOT,
        env=office.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_without_a_sign_in_there_is_no_token(office: Office) -> None:
    assert reason(office, office.account()) == "sign_in_needed"
    assert office.client.requests(REFRESH) == 0


def test_a_token_is_used_until_little_of_its_lifetime_is_left_and_then_refreshed(
    any_office: Office, clock: Clock
) -> None:
    office, account = any_office, any_office.signed_in()
    tokens = office.tokens(clock)
    first = tokens.access_token(account)
    clock.advance(3600 - 301)
    assert tokens.access_token(account) == first
    assert office.client.requests(REFRESH) == 0
    clock.advance(2)
    second = tokens.access_token(account)
    assert second != first
    assert office.client.requests(REFRESH) == 1
    assert tokens.access_token(account) == second
    assert office.tokens(clock).access_token(account) == second
    assert office.client.requests(REFRESH) == 1
    gauge = metrics.oauth_access_expires.labels(account="ann")._value.get()
    assert gauge == office.kept().grant.expires_at.timestamp()


def test_a_rotated_refresh_token_is_the_one_that_is_used_next(office: Office, clock: Clock) -> None:
    account = office.signed_in()
    seen = set()
    for _ in range(3):
        office.tokens(clock).access_token(account)
        seen.add(office.kept().grant.refresh_token)
        clock.advance(3600)
    assert len(seen) == 3


def test_a_provider_that_does_not_rotate_leaves_the_refresh_token_in_use(
    office: Office, clock: Clock
) -> None:
    account = office.signed_in()
    office.client.change(rotate=False)
    before = office.kept().grant.refresh_token
    for _ in range(2):
        clock.advance(3600)
        office.tokens(clock).access_token(account)
    assert office.kept().grant.refresh_token == before


def test_many_who_ask_at_once_make_one_request(any_office: Office) -> None:
    office, account = any_office, any_office.signed_in()
    office.client.change(delay_s=0.3)
    late = Clock()
    late.advance(3600)
    stores = [Store(office.url) for _ in range(3)]
    askers = [office.tokens(late, store) for store in stores]
    with ThreadPoolExecutor(9) as pool:
        found = list(pool.map(lambda number: askers[number % 3].access_token(account), range(9)))
    for store in stores:
        store.close()
    assert len(set(found)) == 1
    assert office.client.requests(REFRESH) == 1


def test_two_processes_that_ask_at_once_make_one_request(any_office: Office) -> None:
    office = any_office
    office.client.change(access_s=1)
    office.signed_in()
    office.client.change(access_s=3600, delay_s=0.3)
    wait_until(lambda: not office.kept().grant.is_valid(utc_now()), 10, "the token to expire")
    processes = [asking(office), asking(office)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = {process.communicate(timeout=60)[0] for process in processes}
    assert len(found) == 1
    assert found != {""}
    assert office.client.requests(REFRESH) == 1


def test_who_dies_while_refreshing_is_replaced_when_the_claim_is_over(
    any_office: Office, clock: Clock
) -> None:
    office, account = any_office, any_office.signed_in()
    clock.advance(3600)
    with office.store.write() as connection:
        version, until = office.kept().version, clock() + timedelta(seconds=60)
        assert grant_store.claim(connection, "ann", version, "the dead one", clock(), until)
    with pytest.raises(Transient, match="another process has been refreshing ann"):
        office.tokens(clock, wait_s=0.3).access_token(account)
    assert office.client.requests(REFRESH) == 0
    clock.advance(61)
    assert office.tokens(clock).access_token(account)
    assert office.client.requests(REFRESH) == 1


def test_a_process_that_is_killed_while_it_asks_loses_no_sign_in(office: Office, clock: Clock) -> None:
    # Where the provider rotates, an answer that nobody hears is a sign-in lost: not ours to help.
    office.client.change(access_s=1, rotate=False)
    account = office.signed_in()
    office.client.change(access_s=3600, delay_s=8)
    wait_until(lambda: not office.kept().grant.is_valid(utc_now()), 10, "the token to expire")
    process = asking(office)
    process.stdin.write("go\n")  # type: ignore[union-attr]
    process.stdin.flush()  # type: ignore[union-attr]
    wait_until(lambda: office.client.requests(REFRESH) == 1, 20, "the refresh")
    process.kill()
    assert process.communicate(timeout=10)[0] == ""
    office.client.change(delay_s=0)
    clock.advance(61)
    assert office.tokens(clock).access_token(account)
    assert office.client.requests(REFRESH) == 2


class Faltering(Store):
    """A store that takes `left` writes and then none, until that is changed."""

    left = 1_000_000

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self.left -= 1
        if self.left < 0:
            raise Transient("the database does not answer")
        with super().write() as connection:
            yield connection


def test_a_rotated_refresh_token_survives_a_store_that_is_away(office: Office, clock: Clock) -> None:
    account, store = office.signed_in(), Faltering(office.url)
    tokens = office.tokens(clock, store)
    clock.advance(3600)
    store.left = 1  # the claim
    with pytest.raises(Transient, match="database"):
        tokens.access_token(account)
    store.left = 1_000_000
    token = tokens.access_token(account)
    store.close()
    assert office.client.requests(REFRESH) == 1
    assert office.kept().grant.access_token == token
    clock.advance(3600)
    assert office.tokens(clock).access_token(account) != token


def test_a_sign_in_during_a_refresh_wins(office: Office, clock: Clock) -> None:
    account = office.signed_in()
    office.client.change(delay_s=8)
    clock.advance(3600)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(office.tokens(clock).access_token, account)
        wait_until(lambda: office.client.requests(REFRESH) == 1, 10, "the refresh")
        with office.store.write() as connection:
            grant = received(office.client.issue(account.address), office.kept().grant.source, clock())
            grant_store.sign_in(connection, office.box, "ann", grant, clock())
        office.client.change(delay_s=0)
        assert asked.result(30) == grant.access_token
    assert office.kept().grant == grant


def test_while_another_process_refreshes_a_token_that_is_good_yet_is_used(
    office: Office, clock: Clock
) -> None:
    account = office.signed_in()
    first = office.tokens(clock).access_token(account)
    clock.advance(3600 - 100)
    with office.store.write() as connection:
        until = clock() + timedelta(seconds=60)
        assert grant_store.claim(connection, "ann", office.kept().version, "another", clock(), until)
    assert office.tokens(clock).access_token(account) == first
    assert office.client.requests(REFRESH) == 0


def test_a_grant_that_was_taken_back_is_not_asked_for_again_until_a_new_sign_in(
    any_office: Office, clock: Clock
) -> None:
    office, account = any_office, any_office.signed_in()
    office.client.revoke(account.address)
    clock.advance(3600)
    tokens = office.tokens(clock)
    for asker in (tokens, tokens, office.tokens(clock)):
        with pytest.raises(Misconfigured, match="run `postroom accounts login ann`") as caught:
            asker.access_token(account)
        assert caught.value.reason_code == "sign_in_again"
    assert office.client.requests(REFRESH) == 1
    office.sign_in(account)
    assert office.tokens().access_token(account)


@pytest.mark.parametrize(
    ("status", "retry_after", "body", "wait_s"),
    [
        (429, "120", "", 120),
        (503, "", "<html>busy</html>", None),
        (500, "", "", None),
        (200, "", "nonsense", None),
    ],
)
def test_a_provider_that_does_not_answer_is_no_fault_of_the_account(
    office: Office, clock: Clock, status: int, retry_after: str, body: str, wait_s: float | None
) -> None:
    account = office.signed_in()
    office.client.trouble(status, 1, retry_after=retry_after, body=body)
    clock.advance(3600)
    tokens = office.tokens(clock)
    with pytest.raises(Transient) as caught:
        tokens.access_token(account)
    assert caught.value.retry_after_s == wait_s
    with pytest.raises(Transient, match="asked again in"):
        tokens.access_token(account)
    assert office.client.requests(REFRESH) == 1
    assert office.kept().rejected is None
    assert office.tokens(clock).access_token(account)


def test_while_the_provider_does_not_answer_a_token_that_is_good_yet_is_used(
    office: Office, clock: Clock
) -> None:
    account = office.signed_in()
    first = office.tokens(clock).access_token(account)
    office.client.trouble(503)
    clock.advance(3600 - 100)
    tokens = office.tokens(clock)
    assert tokens.access_token(account) == first
    assert tokens.access_token(account) == first
    assert office.client.requests(REFRESH) == 1


def test_a_provider_that_is_away_is_no_fault_of_the_account(office: Office, clock: Clock) -> None:
    account = office.account(oauth={"token_url": "http://127.0.0.1:9/token"})
    office.sign_in(account)
    clock.advance(3600)
    with pytest.raises(Transient, match=r"127\.0\.0\.1 does not answer"):
        office.tokens(clock).access_token(account)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            '{"error": "invalid_client", "error_description": "A wrong \\"secret\\"\\r\\nTrace"}',
            "oauth_client",
        ),
        ('{"error": "invalid_scope"}', "oauth_settings"),
        ('{"error": "interaction_required"}', "sign_in_again"),
        ("not found", "oauth_settings"),
    ],
)
def test_what_the_provider_refuses_has_a_reason(office: Office, clock: Clock, body: str, code: str) -> None:
    account = office.signed_in()
    office.client.trouble(400, body=body)
    clock.advance(3600)
    with pytest.raises(Misconfigured) as caught:
        office.tokens(clock).access_token(account)
    assert caught.value.reason_code == code
    assert "Trace" not in str(caught.value)


def test_tokens_are_not_sent_elsewhere(office: Office, clock: Clock) -> None:
    account = office.signed_in()
    other = office.account(oauth={"token_url": f"{office.client.url}/elsewhere"})
    assert reason(office, other) == "sign_in_needed"
    office.sign_in(other)
    clock.advance(3600)
    with pytest.raises(Misconfigured, match="redirects"):
        office.tokens(clock).access_token(other)
    assert office.client.requests(REFRESH) == 0
    assert account != other


def test_a_refused_token_is_replaced_but_not_again_and_again(office: Office) -> None:
    account, tokens = office.signed_in(), office.tokens()
    first = tokens.access_token(account)
    tokens.refused(account, first)
    second = tokens.access_token(account)
    assert second != first
    tokens.refused(account, first)
    tokens.refused(account, second)
    assert tokens.access_token(account) == second
    assert office.client.requests(REFRESH) == 1


def test_a_program_gets_its_token_without_a_person(
    oauth_server: OAuthServer, any_office: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = any_office.with_client(oauth_server.register(confidential=True))
    monkeypatch.setenv("TEST_CLIENT_SECRET", office.client.secret)
    account = office.account(grant="client-credentials", oauth={"client_secret": "env:TEST_CLIENT_SECRET"})
    first = office.tokens(clock).access_token(account)
    assert office.tokens(clock).access_token(account) == first
    assert office.client.requests(APP) == 1
    clock.advance(3600)
    assert office.tokens(clock).access_token(account) != first
    assert office.client.requests(APP) == 2
    monkeypatch.setenv("TEST_CLIENT_SECRET", "another")
    clock.advance(3600)
    with pytest.raises(Misconfigured) as caught:
        office.tokens(clock).access_token(account)
    assert caught.value.reason_code == "oauth_client"


def test_without_a_refresh_token_the_sign_in_ends_with_the_access_token(office: Office, clock: Clock) -> None:
    account = office.signed_in()
    kept = office.kept()
    with office.store.write() as connection:
        grant = type(kept.grant)(
            kept.grant.source, kept.grant.access_token, kept.grant.obtained_at, kept.grant.expires_at
        )
        grant_store.sign_in(connection, office.box, "ann", grant, clock())
    clock.advance(3600 - 60)
    assert office.tokens(clock).access_token(account) == grant.access_token
    clock.advance(120)
    with pytest.raises(Misconfigured, match="no refresh token") as caught:
        office.tokens(clock).access_token(account)
    assert caught.value.reason_code == "sign_in_again"


def test_a_new_sign_in_is_noticed_by_who_has_a_token_in_memory(office: Office) -> None:
    account, tokens = office.signed_in().effective(None, "then"), office.tokens()
    first = tokens.access_token(account)
    office.sign_in(account)
    assert tokens.access_token(account) == first
    assert tokens.access_token(account.effective(None, "now")) != first


def test_nothing_confidential_is_logged(
    office: Office, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    account, tokens = office.signed_in(), office.tokens(clock)
    grants = [office.kept().grant]
    clock.advance(3600)
    tokens.access_token(account)
    grants.append(office.kept().grant)
    office.client.trouble(503)
    clock.advance(3600 - 100)
    tokens.access_token(account)
    assert "the old one is used on" in caplog.text
    for grant in grants:
        assert grant.access_token not in caplog.text
        assert grant.refresh_token not in caplog.text


def test_nothing_in_the_database_can_be_used_without_the_key(office: Office, tmp_path: Path) -> None:
    account = office.signed_in()
    grant = office.kept().grant
    office.store.close()
    with sqlite3.connect(tmp_path / "data" / "store.sqlite3") as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert "ann@example.org" in dump
    for text in (dump, repr(grant), repr(office.kept())):
        assert grant.access_token not in text
        assert grant.refresh_token not in text
    stranger = Office(office.store, office.url, new_key(), office.client)
    assert reason(stranger, account) == "secret_key"
