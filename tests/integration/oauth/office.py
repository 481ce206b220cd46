"""A store, keys, and a program that is registered with the authorization server."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from postroom.account import Account
from postroom.clock import Clock, utc_now
from postroom.oauth import grant_store
from postroom.oauth.grant_store import Kept
from postroom.oauth.tokens import WAIT_S, Tokens
from postroom.secret import Secrets
from postroom.secret_box import SecretBox
from postroom.store import Store
from postroom.store import accounts as stored
from tests.accounts import keep_accounts
from tests.servers.oauth import OAuthClient
from tests.sign_ins import oauth_entry, sign_in

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Office:
    """Where the tests of tokens work."""

    store: Store
    url: str
    key: str
    client: OAuthClient

    @property
    def box(self) -> SecretBox:
        return SecretBox((self.key,))

    def with_client(self, client: OAuthClient) -> Office:
        return replace(self, client=client)

    def account(self, **more: Any) -> Account:
        """The account, in the store as well; more is for `oauth_entry`."""
        keep_accounts(self.store, [oauth_entry(self.client, **more)])
        with self.store.read() as connection:
            return stored.read(connection).accounts["ann"]

    def signed_in(self, **more: Any) -> Account:
        """The account after its owner signed in."""
        account = self.account(**more)
        self.sign_in(account)
        return account

    def sign_in(self, account: Account) -> None:
        sign_in(self.store, self.box, account, self.client.issue(account.address))

    def tokens(self, clock: Clock = utc_now, store: Store | None = None, wait_s: float = WAIT_S) -> Tokens:
        """What a service has; each is as good as a process of its own."""
        used = store or self.store
        return Tokens(used, self.box, Secrets(used, self.box), "test", clock=clock, wait_s=wait_s)

    def kept(self) -> Kept:
        with self.store.read() as connection:
            found = grant_store.load(connection, self.box, "ann")
        assert found is not None
        return found

    def environment(self, **more: str) -> dict[str, str]:
        """For a process of Postroom."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
        data = {"POSTROOM_STORE_URL": self.url, "POSTROOM_SECRET_KEYS": self.key}
        return {**kept, **data, "DISPLAY": "", "WAYLAND_DISPLAY": "", **more}

    def command(self, folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """`postroom …`, started in the folder."""
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("postroom")), *arguments],
            cwd=folder,
            env=self.environment(**environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
