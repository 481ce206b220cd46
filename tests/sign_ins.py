"""Accounts that sign in with OAuth 2 at the tests' authorization server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postroom.account import Account
from postroom.clock import utc_now
from postroom.oauth import grant_store
from postroom.oauth.grant import received
from postroom.oauth.provider_client import source
from postroom.secret_box import SecretBox
from postroom.store import Store
from tests.servers.oauth import OAuthClient

NOWHERE = {"host": "127.0.0.1", "port": 9, "security": "none"}


def oauth_entry(client: OAuthClient, *, grant: str = "device", **more: Any) -> dict[str, Any]:
    """An entry of the accounts file; give `imap` or `smtp` for servers that are there.

    The `client_secret` of a confidential client has to be given, as `oauth={"client_secret": "env:…"}`.
    """
    section = client.section(grant, **more.pop("oauth", {}))
    servers = {"imap": NOWHERE} if not more.keys() & {"imap", "smtp"} else {}
    return {
        "name": "ann",
        "type": "oauth2",
        "address": "ann@example.org",
        "oauth": section,
        **servers,
        **more,
    }


def sign_in(store: Store, box: SecretBox, account: Account, answer: Mapping[str, Any]) -> None:
    """Keep a token response (`OAuthClient.issue`) as if the account's owner had signed in."""
    assert account.oauth is not None
    assert account.provider is not None
    grant = received(answer, source(account.oauth, account.provider), utc_now())
    with store.write() as connection:
        grant_store.sign_in(connection, box, account.name, grant, utc_now())
