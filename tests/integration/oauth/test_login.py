"""`postroom accounts login` as a person meets it, against a real authorization server."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from postroom.accounts_watch import Accounts
from postroom.oauth.grant import Grant
from postroom.oauth.provider_client import Device, provider_client
from postroom.oauth.tokens import Tokens
from postroom.secret import Secrets
from tests.integration.oauth.office import Office
from tests.servers.dovecot import Dovecot
from tests.servers.oauth import OAuthServer

USER = "ann@example.org"


def line(process: subprocess.Popen[str], pattern: str) -> str:
    """What the process says on standard error that matches, its first group."""
    assert process.stderr is not None
    said = []
    for each in process.stderr:
        said.append(each)
        found = re.search(pattern, each)
        if found:
            return found.group(1)
    raise AssertionError(f"it did not say {pattern}: {''.join(said)}")


def ended(process: subprocess.Popen[str], text: str | None = None) -> tuple[int, str, str]:
    out, err = process.communicate(text, timeout=60)
    return process.returncode, out, err


def test_a_person_signs_in_with_a_code(office: Office, tmp_path: Path) -> None:
    account = office.account()
    watched = Accounts(office.store, Secrets(office.store, office.box))
    before = watched.get("ann")
    process = office.command(tmp_path, "accounts", "login", "ann")
    shown = line(process, r"type in the code ([A-Z-]+)")
    assert shown == office.client.wait_for_code()
    office.client.answer(shown, USER)
    code, out, err = ended(process)
    assert (code, out.splitlines()[0].partition(";")[0]) == (0, "ann is signed in"), err
    assert "access token until" in out
    token = office.tokens().access_token(account)
    assert token not in out + err
    assert office.kept().grant.refresh_token not in out + err
    assert watched.refresh()
    assert watched.get("ann") != before


def test_a_refresh_changes_no_account(office: Office) -> None:
    account = office.signed_in()
    watched = Accounts(office.store, Secrets(office.store, office.box))
    tokens = office.tokens()
    tokens.refused(account, tokens.access_token(account))
    tokens.access_token(account)
    assert office.client.requests("refresh_token") == 1
    assert not watched.refresh()


@pytest.mark.parametrize("impatient", [False, True])
def test_a_person_who_says_no_is_not_signed_in(office: Office, tmp_path: Path, impatient: bool) -> None:
    office.account()
    office.client.change(device_s=1 if impatient else 600)
    process = office.command(tmp_path, "accounts", "login", "ann", "--device")
    if not impatient:
        office.client.answer(line(process, r"type in the code ([A-Z-]+)"), USER, approved=False)
    code, out, err = ended(process)
    assert (code, out) == (2, "")
    assert ("in time" if impatient else "declined") in err


def test_a_person_signs_in_in_a_browser(office: Office, tmp_path: Path) -> None:
    account = office.account()
    process = office.command(tmp_path, "accounts", "login", "ann", "--browser", "--json")
    url = line(process, r"(http://127\.0\.0\.1:\d+/authorize\?\S+)")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert asked["login_hint"] == USER
    redirected = office.client.consent(url, USER)
    with httpx.Client(trust_env=False) as browser:
        assert browser.get(f"{asked['redirect_uri']}favicon.ico").status_code == 404
        assert "you can close this window" in browser.get(redirected).text
    code, out, err = ended(process)
    assert code == 0, err
    assert json.loads(out)["account"] == "ann"
    assert json.loads(out)["refreshes"] == "yes"
    assert office.tokens().access_token(account)
    assert parse_qs(urlsplit(redirected).query)["code"][0] not in out + err


def test_a_browser_on_another_machine_is_pasted_from(office: Office, tmp_path: Path) -> None:
    account = office.account(grant="browser")
    process = office.command(tmp_path, "accounts", "login", "ann", "--paste")
    url = line(process, r"(http://127\.0\.0\.1:\d+/authorize\?\S+)")
    code, _, err = ended(process, office.client.consent(url, USER) + "\n")
    assert code == 0, err
    assert office.tokens().access_token(account)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda url: re.sub("state=[^&]*", "state=another", url), "not the answer to this sign-in"),
        (lambda url: re.sub("code=[^&]*", "code=another", url), "sign in again"),
        (lambda url: url.replace("code=", "coda="), "refuses the oauth section"),
    ],
)
def test_another_answer_signs_nobody_in(office: Office, tmp_path: Path, spoil: object, words: str) -> None:
    assert callable(spoil)
    office.account(grant="browser")
    process = office.command(tmp_path, "accounts", "login", "ann", "--paste")
    url = line(process, r"(http://127\.0\.0\.1:\d+/authorize\?\S+)")
    code, out, err = ended(process, spoil(office.client.consent(url, USER)) + "\n")
    assert (code, out) == (2, "")
    assert words in err


def test_a_person_who_declines_in_the_browser_is_not_signed_in(office: Office, tmp_path: Path) -> None:
    office.account(grant="browser")
    process = office.command(tmp_path, "accounts", "login", "ann", "--paste")
    url = line(process, r"(http://127\.0\.0\.1:\d+/authorize\?\S+)")
    code, _, err = ended(process, office.client.consent(url, None) + "\n")
    assert code == 2
    assert "declined" in err


def test_a_program_that_needs_no_sign_in_proves_its_secret(
    office: Office, oauth_server: OAuthServer, tmp_path: Path
) -> None:
    office = office.with_client(oauth_server.register(confidential=True))
    office.account(grant="client-credentials", oauth={"client_secret": "env:TEST_CLIENT_SECRET"})
    right = office.command(tmp_path, "accounts", "login", "ann", TEST_CLIENT_SECRET=office.client.secret)
    code, out, err = ended(right)
    assert code == 0, err
    assert "needs no sign-in" in out
    code, out, err = ended(
        office.command(tmp_path, "accounts", "login", "ann", TEST_CLIENT_SECRET="wrong-secret")
    )
    assert (code, out) == (2, "")
    assert "refuses the client of ann" in err
    assert "wrong-secret" not in err


@pytest.mark.parametrize("kind", ["oauth2", "outlook"])
def test_a_client_with_a_secret_proves_itself_at_each_endpoint(
    office: Office, oauth_server: OAuthServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    # By HTTP Basic (oauth2) or in the form (outlook).
    office = office.with_client(oauth_server.register(confidential=True))
    monkeypatch.setenv("TEST_CLIENT_SECRET", office.client.secret)
    account = office.account(type=kind, oauth={"client_secret": "env:TEST_CLIENT_SECRET"})
    client = provider_client(account, Secrets(office.store, office.box))
    device = client.start_device()
    assert device.device_code not in repr(device)
    assert isinstance(client.poll_device(device), Device)
    hasty = client.poll_device(device)
    assert isinstance(hasty, Device)
    assert hasty.interval_s == device.interval_s + 5
    office.client.answer(device.user_code, USER)
    by_code = client.poll_device(device)
    assert isinstance(by_code, Grant)
    assert client.refresh(by_code).access_token != by_code.access_token
    authorization = provider_client(
        account, Secrets(office.store, office.box), grant="browser"
    ).start_browser("http://127.0.0.1:9/")
    redirected = office.client.consent(authorization.url, USER)
    assert client.finish_browser(authorization, redirected).refresh_token


@pytest.mark.needs("dovecot")
@pytest.mark.parametrize("mechanism", ["oauth2_login", "oauthbearer_login"])
def test_dovecot_takes_the_token_until_it_is_taken_back(
    office: Office, oauth_dovecot: Dovecot, tmp_path: Path, mechanism: str
) -> None:
    import imapclient

    user = oauth_dovecot.account().user
    account = office.signed_in(address=user)
    tokens: Tokens = office.tokens()

    def login(token: str) -> None:
        client = imapclient.IMAPClient(oauth_dovecot.host, port=oauth_dovecot.port, ssl=False)
        try:
            getattr(client, mechanism)(user, token)
            client.select_folder("INBOX", readonly=True)
        finally:
            client.shutdown()

    first = tokens.access_token(account)
    login(first)
    office.client.revoke(user, refresh=False)
    with pytest.raises(imapclient.exceptions.LoginError):
        login(first)
    tokens.refused(account, first)
    login(tokens.access_token(account))
