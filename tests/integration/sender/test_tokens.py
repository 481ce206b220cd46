"""Sending with the tokens of a real authorization server, by the sender as it runs."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from postroom.messages import MailSent
from postroom.store import accounts as stored
from tests.integration.sender.sendroom import Sendroom, approval
from tests.servers.aiosmtpd import Behaviour, SmtpServer
from tests.servers.oauth import OAuthClient, OAuthServer
from tests.sign_ins import sign_in


def _asking(server: OAuthServer) -> Callable[[str, str], bool]:
    """Asks the authorization server about a token, as a mail server does (RFC 7662)."""

    def takes(user: str, token: str) -> bool:
        with httpx.Client(timeout=10, trust_env=False) as client:
            found = client.post(server.introspection_url, data={"token": token}).json()
        return bool(found["active"]) and found["username"] == user

    return takes


def _sign_in(room: Sendroom, client: OAuthClient) -> None:
    with room.store.read() as connection:
        account = stored.read(connection).accounts["releases"]
    sign_in(room.store, room.settings.read_secret_box(), account, client.issue(account.address))


def test_a_token_that_was_taken_back_is_replaced_and_a_sign_in_that_was_is_asked_for(
    room: Sendroom, oauth_server: OAuthServer
) -> None:
    client = oauth_server.register()
    entry = {
        "name": "releases",
        "address": "releases@example.com",
        "type": "oauth2",
        "oauth": client.section("device"),
    }
    with SmtpServer(Behaviour(takes_token=_asking(oauth_server))) as server:
        smtp = {"host": "127.0.0.1", "port": server.port, "security": "none"}
        room.write_accounts({**entry, "smtp": smtp})
        _sign_in(room, client)
        room.order(approval(1))
        with room.sender():
            room.wait_for(MailSent)
        client.revoke("releases@example.com", access=True, refresh=False)
        room.order(approval(2))
        with room.sender():
            room.wait_for(MailSent, 2)
        assert [each.taken for each in server.sign_ins()] == [True, False, True]
        client.revoke("releases@example.com")
        room.order(approval(3))
        with room.sender():
            row = room.wait_for_status("releases", "red")
            assert row.reason_code == "sign_in_again"
            # Its owner signs in again; nothing else has to be done.
            _sign_in(room, client)
            room.wait_for(MailSent, 3)
            room.wait_for_status("releases", "green")
