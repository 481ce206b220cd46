"""Mailboxes that are signed in to with OAuth 2 access tokens."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.messages import AccountFetchNow, AccountStatusChanged, AccountTest
from tests.integration.fetcher.mailroom import Mailroom, mail
from tests.servers.dovecot import Account as User
from tests.servers.dovecot import Dovecot
from tests.servers.oauth import OAuthClient, OAuthServer
from tests.sign_ins import oauth_entry, sign_in
from tests.waiting import wait_until

pytestmark = pytest.mark.needs("dovecot")


@pytest.fixture
def user(oauth_dovecot: Dovecot) -> User:
    return oauth_dovecot.account()


@pytest.fixture
def client(oauth_server: OAuthServer) -> OAuthClient:
    return oauth_server.register()


def _entry(client: OAuthClient, dovecot: Dovecot, owner: User, **imap: Any) -> dict[str, Any]:
    server = {"host": dovecot.host, "port": dovecot.port, "security": "none", "since": "beginning"}
    return oauth_entry(client, name="team", address=owner.user, imap={**server, "interval": "1h", **imap})


def _sign_in(room: Mailroom, client: OAuthClient, user: User) -> str:
    """The owner signs in; the access token."""
    account = room.accounts().get("team")
    assert account is not None
    issued = client.issue(user.user)
    sign_in(room.store, room.settings.read_secret_box(), account, issued)
    return str(issued["access_token"])


@pytest.mark.parametrize(
    ("auth", "security", "used"),
    [
        ("auto", "tls", "XOAUTH2"),
        ("xoauth2", "starttls", "XOAUTH2"),
        ("oauthbearer", "tls", "OAUTHBEARER"),
        ("oauthbearer", "none", "OAUTHBEARER"),
    ],
)
def test_mail_is_fetched_with_an_access_token(
    mailroom: Mailroom,
    oauth_dovecot: Dovecot,
    client: OAuthClient,
    user: User,
    auth: str,
    security: str,
    used: str,
) -> None:
    port = oauth_dovecot.tls_port if security == "tls" else oauth_dovecot.port
    account = _entry(client, oauth_dovecot, user, auth=auth, security=security, port=port)
    mailroom.write_accounts(account | {"ca_file": str(oauth_dovecot.ca_file)})
    token = _sign_in(mailroom, client, user)
    oauth_dovecot.append(user.user, "INBOX", [mail(1)])
    with mailroom.fetcher():
        mailroom.wait_for_mails(1)
        tested = mailroom.answer(mailroom.send(AccountTest(account="team")))
    assert tested.ok
    signed_in = next(stage for stage in tested.stages if stage.name == "authenticate")
    assert used in signed_in.detail
    assert token not in str(tested)
    assert client.requests("refresh_token") == 0


def test_a_token_that_is_refused_is_replaced_at_once(
    mailroom: Mailroom, oauth_dovecot: Dovecot, client: OAuthClient, user: User
) -> None:
    mailroom.write_accounts(_entry(client, oauth_dovecot, user))
    _sign_in(mailroom, client, user)
    client.revoke(user.user, access=True, refresh=False)
    with mailroom.fetcher():
        mailroom.wait_for_status("team", "green", "ok")
    assert client.requests("refresh_token") == 1
    assert _colours(mailroom) == ["green"]


def test_who_took_the_sign_in_back_has_to_sign_in_again(
    mailroom: Mailroom, oauth_dovecot: Dovecot, client: OAuthClient, user: User
) -> None:
    mailroom.write_accounts(_entry(client, oauth_dovecot, user))
    with mailroom.fetcher():
        mailroom.wait_for_status("team", "red", "sign_in_needed")
        _sign_in(mailroom, client, user)
        mailroom.wait_for_status("team", "green", "ok", timeout_s=5)
    client.revoke(user.user)
    with mailroom.fetcher():
        red = mailroom.wait_for_status("team", "red", "sign_in_again")
        assert "postroom accounts login team" in red.sentence
        _sign_in(mailroom, client, user)
        mailroom.wait_for_status("team", "green", "ok", timeout_s=5)


def test_a_provider_that_does_not_answer_turns_nobody_red(
    mailroom: Mailroom, oauth_dovecot: Dovecot, client: OAuthClient, user: User
) -> None:
    mailroom.write_accounts(_entry(client, oauth_dovecot, user))
    _sign_in(mailroom, client, user)
    client.revoke(user.user, access=True, refresh=False)
    client.trouble(503, retry_after="1")
    with mailroom.fetcher():
        wait_until(lambda: client.requests("refresh_token") >= 2, 20, "the provider to be asked again")
        tested = mailroom.answer(mailroom.send(AccountTest(account="team")))
        client.trouble(0, times=0)
        mailroom.wait_for_status("team", "green", "ok", timeout_s=20)
    assert _colours(mailroom) == ["green"]
    failed = next(stage for stage in tested.stages if stage.result == "failed")
    assert (failed.name, failed.reason_code) == ("authenticate", "oauth_unavailable")


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_a_token_that_is_good_for_another_user_only_is_no_outage(
    mailroom: Mailroom, oauth_dovecot: Dovecot, client: OAuthClient, user: User, auth: str
) -> None:
    stranger = oauth_dovecot.account()
    mailroom.write_accounts(_entry(client, oauth_dovecot, user, auth=auth, user=stranger.user))
    token = _sign_in(mailroom, client, user)
    with mailroom.fetcher():
        row = mailroom.wait_for_status("team", "red", "token_refused")
        mailroom.send(AccountFetchNow(account="team"))
        tested = mailroom.answer(mailroom.send(AccountTest(account="team")))
    assert "status" in row.sentence
    assert token not in row.sentence
    failed = next(stage for stage in tested.stages if stage.result == "failed")
    assert (failed.name, failed.reason_code) == ("authenticate", "token_refused")
    assert "accounts login team" in failed.advice


def test_a_server_that_takes_no_tokens_says_what_it_takes(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: User, client: OAuthClient
) -> None:
    mailroom.write_accounts(_entry(client, dovecot, dovecot_account))
    _sign_in(mailroom, client, dovecot_account)
    with mailroom.fetcher():
        row = mailroom.wait_for_status("team", "red", "auth_method")
    assert "it offers LOGIN, PLAIN" in row.sentence


def _colours(mailroom: Mailroom) -> list[str]:
    events = [each.message for each in list(mailroom.heard)]
    return [each.colour for each in events if isinstance(each, AccountStatusChanged)]
