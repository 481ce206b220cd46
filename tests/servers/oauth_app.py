"""The authorization server's program: authlib's server on Flask, everything in memory.

| path | what it is |
|---|---|
| `/token`, `/device`, `/authorize`, `/introspect` | RFC 6749 and 7636, 8628, 7662 |
| `/admin/…` | what the tests turn: clients, consent, troubles, counts (JSON, no log-in) |

Run as `python -m tests.servers.oauth_app PORT`. Each client has settings, troubles and counts of its own, so
that tests which share the server do not meet.
"""

from __future__ import annotations

import hmac
import secrets
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    ClientMixin,
    InvalidRequestError,
    TokenMixin,
    grants,
)
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8628 import (
    DeviceAuthorizationEndpoint,
    DeviceCodeGrant,
    DeviceCredentialDict,
)
from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.servers.oauth import INSPECTOR, INSPECTOR_SECRET

ANY_CLIENT = ["client_secret_basic", "client_secret_post", "none"]
SECRET_CLIENT = ["client_secret_basic", "client_secret_post"]
ONLY_S256 = ["S256"]
CODE_LIFETIME_S = 300
SERVER = AuthorizationServer()
PROTOCOL = Blueprint("protocol", __name__)
ADMIN = Blueprint("admin", __name__, url_prefix="/admin")


@dataclass
class Client(ClientMixin):
    """A registered program, and how the server behaves towards it.

    `trouble_times` requests to the token endpoint are answered with `trouble_status` (and Retry-After).
    """

    client_id: str
    client_secret: str = ""
    access_s: float = 3600
    refresh_s: float = 0
    interval_s: int = 1
    device_s: int = 600
    rotate: bool = True
    scopes: str = "mail offline_access"
    trouble_times: int = 0
    trouble_status: int = 503
    trouble_retry_after: str = ""
    trouble_body: str = ""
    delay_s: float = 0
    counts: Counter[str] = field(default_factory=Counter)

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: Any) -> str:
        return " ".join(each for each in (scope or "").split() if each in self.scopes.split())

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        # RFC 8252 section 7.3: any port of the loopback interface.
        return urlsplit(redirect_uri).hostname in ("127.0.0.1", "localhost")

    def check_client_secret(self, client_secret: str) -> bool:
        return hmac.compare_digest(self.client_secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method == "none") == (not self.client_secret)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type != "client_credentials" or bool(self.client_secret)


@dataclass
class Token(TokenMixin):
    """An access token and the refresh token that came with it."""

    client_id: str
    user: str
    access_token: str
    refresh_token: str
    scope: str
    issued_at: float
    access_s: float
    refresh_s: float
    access_revoked: bool = False
    refresh_revoked: bool = False

    def check_client(self, client: ClientMixin) -> bool:
        return bool(self.client_id == client.get_client_id())

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return int(self.access_s)

    def is_expired(self) -> bool:
        return time.time() > self.issued_at + self.access_s

    def is_revoked(self) -> bool:
        return self.access_revoked

    @property
    def can_refresh(self) -> bool:
        expired = self.refresh_s and time.time() > self.issued_at + self.refresh_s
        return not self.refresh_revoked and not expired


@dataclass
class Code(AuthorizationCodeMixin):
    """An authorization code."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    user: str
    code_challenge: str
    code_challenge_method: str
    made_at: float

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


class Memory:
    """What the server knows."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.clients: dict[str, Client] = {INSPECTOR: Client(INSPECTOR, INSPECTOR_SECRET)}
        self.tokens: list[Token] = []
        self.codes: dict[str, Code] = {}
        self.devices: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, tuple[str, bool]] = {}
        self.last_polls: dict[str, float] = {}

    def by_access(self, token: str) -> Token | None:
        return next((each for each in self.tokens if each.access_token == token), None)

    def by_refresh(self, token: str) -> Token | None:
        return next((each for each in self.tokens if each.refresh_token == token), None)

    def keep(self, client: Client, user: str, token: dict[str, Any]) -> None:
        with self.lock:
            self.tokens.append(
                Token(
                    client.client_id,
                    user,
                    token["access_token"],
                    token.get("refresh_token", ""),
                    token.get("scope", ""),
                    time.time(),
                    client.access_s,
                    client.refresh_s,
                )
            )


MEMORY = Memory()


def _expires_in(client: Any, _grant_type: str) -> int:
    return int(client.access_s)


def _token_text(*_: Any, **__: Any) -> str:
    return f"access-{secrets.token_urlsafe(32)}"


def _refresh_text(*_: Any, **__: Any) -> str:
    return f"refresh-{secrets.token_urlsafe(32)}"


_GENERATE = BearerTokenGenerator(_token_text, _refresh_text, _expires_in)


class AuthorizationCodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ANY_CLIENT

    def save_authorization_code(self, code: str, request: Any) -> None:
        data = request.payload.data
        MEMORY.codes[code] = Code(
            code,
            request.client.client_id,
            request.payload.redirect_uri,
            request.payload.scope or "",
            request.user,
            data.get("code_challenge", ""),
            data.get("code_challenge_method", ""),
            time.time(),
        )

    def query_authorization_code(self, code: str, client: Any) -> Code | None:
        found = MEMORY.codes.get(code)
        fresh = found is not None and time.time() < found.made_at + CODE_LIFETIME_S
        return found if found and fresh and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del MEMORY.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> str:
        return authorization_code.user


class S256Required(CodeChallenge):
    SUPPORTED_CODE_CHALLENGE_METHOD = ONLY_S256

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("code_challenge with S256 is required")
        super().validate_code_challenge(grant, redirect_uri)


class RefreshTokenGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ANY_CLIENT

    @property
    def INCLUDE_NEW_REFRESH_TOKEN(self) -> bool:  # type: ignore[override]  # noqa: N802 - authlib's name
        return self._rotates

    def authenticate_refresh_token(self, refresh_token: str) -> Any:
        found = MEMORY.by_refresh(refresh_token)
        return found if found and found.can_refresh else None

    def authenticate_user(self, refresh_token: Any) -> str:
        return str(refresh_token.user)

    def revoke_old_credential(self, refresh_token: Any) -> None:
        refresh_token.refresh_revoked = self._rotates

    @property
    def _rotates(self) -> bool:
        return MEMORY.clients[self.request.client.get_client_id()].rotate  # type: ignore[union-attr]


class ClientCredentialsGrant(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = SECRET_CLIENT


class DeviceGrant(DeviceCodeGrant):
    def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
        found = MEMORY.devices.get(device_code)
        return DeviceCredentialDict(found) if found else None

    def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
        return MEMORY.answers.get(user_code)

    def should_slow_down(self, credential: Any) -> bool:
        code, now = credential["device_code"], time.monotonic()
        last, MEMORY.last_polls[code] = MEMORY.last_polls.get(code, 0.0), now
        return bool(now - last < credential["interval"] * 0.9)


class DeviceEndpoint(DeviceAuthorizationEndpoint):
    def get_verification_uri(self) -> str:
        return f"{request.host_url}verify"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        client = MEMORY.clients[client_id]
        data.update(interval=client.interval_s, expires_in=client.device_s)
        MEMORY.devices[data["device_code"]] = {
            **data,
            "client_id": client_id,
            "scope": scope,
            "expires_at": time.time() + client.device_s,
        }


class Introspection(IntrospectionEndpoint):
    def check_permission(self, token: Token, client: Any, request: Any) -> bool:
        return bool(client.client_id == INSPECTOR)

    def query_token(self, token_string: str, token_type_hint: str) -> Token | None:
        return MEMORY.by_access(token_string)

    def introspect_token(self, token: Token) -> dict[str, Any]:
        return {
            "active": True,
            "username": token.user,
            "client_id": token.client_id,
            "scope": token.scope,
            "exp": int(token.issued_at + token.access_s),
        }


def _save_token(token: dict[str, Any], request: Any) -> None:
    MEMORY.keep(request.client, request.user or request.client.client_id, token)


def make_app() -> Flask:
    """The whole server."""
    app = Flask(__name__)
    SERVER.init_app(app, query_client=MEMORY.clients.get, save_token=_save_token)
    SERVER.register_token_generator("default", _GENERATE)
    SERVER.register_grant(AuthorizationCodeGrant, [S256Required(required=True)])
    SERVER.register_grant(RefreshTokenGrant)
    SERVER.register_grant(ClientCredentialsGrant)
    SERVER.register_grant(DeviceGrant)
    SERVER.register_endpoint(DeviceEndpoint)  # type: ignore[arg-type]
    SERVER.register_endpoint(Introspection)
    app.register_blueprint(PROTOCOL)
    app.register_blueprint(ADMIN)
    return app


@PROTOCOL.post("/token")
def token() -> Any:
    client = _asking_client()
    if client is not None:
        trouble = _count(client)
        if trouble is not None:
            return trouble
        _delay(client)
    with MEMORY.lock:
        return SERVER.create_token_response()


@PROTOCOL.post("/device")
def device() -> Any:
    return SERVER.create_endpoint_response(DeviceEndpoint.ENDPOINT_NAME)  # type: ignore[no-untyped-call]


@PROTOCOL.post("/introspect")
def introspect() -> Any:
    return SERVER.create_endpoint_response(Introspection.ENDPOINT_NAME)  # type: ignore[no-untyped-call]


@PROTOCOL.get("/authorize")
def ask() -> str:
    return "<form method='post'><input name='user'><button>Allow</button></form>"


@PROTOCOL.post("/authorize")
def authorize() -> Any:
    return SERVER.create_authorization_response(grant_user=request.form.get("user") or None)


@PROTOCOL.post("/elsewhere")
def elsewhere() -> Any:
    return Response(status=307, headers={"Location": f"{request.host_url}token"})


def _delay(client: Client) -> None:
    """Wait `delay_s`, or until it is set to less."""
    begun = time.monotonic()
    while time.monotonic() - begun < client.delay_s:
        time.sleep(0.02)


def _asking_client() -> Client | None:
    name = request.form.get("client_id") or (request.authorization.username if request.authorization else "")
    return MEMORY.clients.get(name or "")


def _count(client: Client) -> Response | None:
    with MEMORY.lock:
        client.counts[request.form.get("grant_type", "")] += 1
        if client.trouble_times <= 0:
            return None
        client.trouble_times -= 1
        headers = {"Retry-After": client.trouble_retry_after} if client.trouble_retry_after else {}
        return Response(client.trouble_body or "trouble", client.trouble_status, headers)


@ADMIN.post("/clients")
def make() -> Any:
    client = Client(**request.get_json())
    MEMORY.clients[client.client_id] = client
    return jsonify({})


@ADMIN.get("/clients/<name>/counts")
def counts(name: str) -> Any:
    return jsonify(dict(MEMORY.clients[name].counts))


@ADMIN.post("/clients/<name>")
def change(name: str) -> Any:
    for setting, value in request.get_json().items():
        setattr(MEMORY.clients[name], setting, value)
    return jsonify({})


@ADMIN.post("/clients/<name>/issue")
def issue(name: str) -> Any:
    client, user = MEMORY.clients[name], request.get_json()["user"]
    made = _GENERATE("admin", client, user, client.scopes, include_refresh_token=True)
    MEMORY.keep(client, user, made)
    return jsonify(made)


@ADMIN.post("/clients/<name>/revoke")
def revoke(name: str) -> Any:
    wanted = request.get_json()
    for each in MEMORY.tokens:
        if each.client_id == name and each.user == wanted["user"]:
            each.access_revoked |= wanted["access"]
            each.refresh_revoked |= wanted["refresh"]
    return jsonify({})


@ADMIN.get("/clients/<name>/codes")
def codes(name: str) -> Any:
    return jsonify([each["user_code"] for each in MEMORY.devices.values() if each["client_id"] == name])


@ADMIN.post("/answer")
def answer() -> Any:
    wanted = request.get_json()
    MEMORY.answers[wanted["user_code"]] = (wanted["user"], wanted["approved"])
    return jsonify({})


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the log would be full of codes."""


def main() -> None:
    """Serve until the process is ended."""
    make_server(
        "127.0.0.1", int(sys.argv[1]), make_app(), threaded=True, request_handler=_Quiet
    ).serve_forever()


if __name__ == "__main__":
    main()
