"""An OAuth 2 authorization server for the tests: authlib's, in a process of its own.

It has device codes, authorization codes with PKCE (S256 required), refresh tokens with rotation, client
credentials, and introspection for Dovecot's oauth2 passdb. A test registers a client of its own, which has
settings, troubles and counts of its own.
"""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.servers.node import Node
from tests.servers.process import Command, Process, accepts, free_port
from tests.waiting import wait_until

START_TIMEOUT_S = 20.0
INSPECTOR, INSPECTOR_SECRET = "inspector", "the-inspectors-secret"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class OAuthClient:
    """A program registered with the server; `secret` is empty for a public one."""

    url: str
    client_id: str
    secret: str

    def section(self, grant: str, **more: Any) -> dict[str, Any]:
        """The `oauth` section of an account of type `oauth2`; a secret is to be given as a reference."""
        return {
            "client_id": self.client_id,
            "grant": grant,
            "token_url": f"{self.url}/token",
            "authorize_url": f"{self.url}/authorize",
            "device_url": f"{self.url}/device",
            "scopes": ["mail", "offline_access"],
            **more,
        }

    def issue(self, user: str) -> dict[str, Any]:
        """A token response as if the user had signed in; has access_token, refresh_token, expires_in."""
        return dict(self._post("issue", user=user).json())

    def revoke(self, user: str, *, access: bool = True, refresh: bool = True) -> None:
        """Take the user's tokens back."""
        self._post("revoke", user=user, access=access, refresh=refresh)

    def change(self, **settings: Any) -> None:
        """Change fields of `tests.servers.oauth_app.Client`, such as `access_s`."""
        self._post("", **settings)

    def trouble(self, status: int, times: int = 1_000, *, retry_after: str = "", body: str = "") -> None:
        """Answer the next requests to the token endpoint with this status; `times=0` ends it."""
        self.change(
            trouble_status=status, trouble_times=times, trouble_retry_after=retry_after, trouble_body=body
        )

    def requests(self, grant_type: str) -> int:
        """How often the token endpoint was asked with this grant type."""
        found = _asked("GET", f"{self.url}/admin/clients/{self.client_id}/counts").json()
        return int(found.get(grant_type, 0))

    def wait_for_code(self) -> str:
        """Wait for a device's user code; the newest."""
        where = f"{self.url}/admin/clients/{self.client_id}/codes"
        codes = wait_until(lambda: _asked("GET", where).json(), 20, "a user code")
        return str(codes[-1])

    def answer(self, user_code: str, user: str, *, approved: bool = True) -> None:
        """Answer a device's question as the user."""
        answer = {"user_code": user_code, "user": user, "approved": approved}
        _asked("POST", f"{self.url}/admin/answer", answer)

    def consent(self, authorization_url: str, user: str | None) -> str:
        """Say yes (with None no) as a user in a browser; the URL that the browser is sent to."""
        with httpx.Client(timeout=10, trust_env=False) as browser:
            assert browser.get(authorization_url).status_code == 200
            answer = browser.post(authorization_url, data={"user": user or ""})
        assert answer.status_code == 302, answer.text
        return str(answer.headers["Location"])

    def _post(self, action: str, **content: Any) -> httpx.Response:
        where = f"{self.url}/admin/clients/{self.client_id}/{action}".rstrip("/")
        return _asked("POST", where, content)


@dataclass(frozen=True)
class OAuthServer:
    """A running authorization server."""

    url: str

    def register(self, *, confidential: bool = False, **settings: Any) -> OAuthClient:
        """A new program; `settings` are fields of `tests.servers.oauth_app.Client`."""
        name = f"program-{secrets.token_hex(6)}"
        secret = f"client-secret-{secrets.token_hex(12)}" if confidential else ""
        client = {"client_id": name, "client_secret": secret, **settings}
        _asked("POST", f"{self.url}/admin/clients", client)
        return OAuthClient(self.url, name, secret)

    @property
    def introspection_url(self) -> str:
        """Where a mail server asks about a token (RFC 7662), with its own name and secret."""
        return f"{self.url.replace('://', f'://{INSPECTOR}:{INSPECTOR_SECRET}@')}/introspect"


class OAuthNode(Node):
    """A private authorization server."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True)
        self._port = free_port()

    @property
    def server(self) -> OAuthServer:
        """The handle with the server's URL."""
        return OAuthServer(f"http://127.0.0.1:{self._port}")

    def _launch(self) -> Process:
        arguments = [sys.executable, "-m", "tests.servers.oauth_app", str(self._port)]
        process = Process(Command(arguments, self.folder, {"PYTHONPATH": str(ROOT)}))
        process.wait_ready(lambda: accepts(self._port), START_TIMEOUT_S, "the authorization server")
        return process


def _asked(method: str, url: str, content: object = None) -> httpx.Response:
    with httpx.Client(timeout=10, trust_env=False) as client:
        answer = client.request(method, url, json=content)
    answer.raise_for_status()
    return answer
