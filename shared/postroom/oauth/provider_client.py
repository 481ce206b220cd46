"""Asks an account's provider for tokens: device code (RFC 8628), browser (PKCE, RFC 7636), refresh, app-only.

authlib builds and reads the messages; `Endpoint` carries them.
"""

import hashlib
import hmac
import secrets as chance
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from authlib.oauth2.client import OAuth2Client

from postroom.account import Account
from postroom.account_oauth import Grant as GrantKind
from postroom.account_oauth import OAuth, Provider, provider
from postroom.clock import Clock, utc_now
from postroom.errors import Misconfigured, PostroomError, Transient
from postroom.oauth.endpoint import Endpoint, Refused
from postroom.oauth.grant import Grant, received
from postroom.secret import Secrets

_DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_BASIC = "client_secret_basic"
_SLOWER_S = 5
_MAX_DEVICE_S = 1800

# RFC 6749 section 5.2, RFC 8628 section 3.5, and what OpenID Connect and Microsoft add.
_AGAIN = ("invalid_grant", "interaction_required", "consent_required", "login_required")
_CLIENT = ("invalid_client", "unauthorized_client")
_PASSING = ("temporarily_unavailable", "server_error", "slow_down")


@dataclass(frozen=True)
class Device:
    """What a person types into a browser, and how to ask whether it was done."""

    user_code: str
    verification_uri: str
    device_code: str = field(repr=False)
    interval_s: float
    lifetime_s: float
    complete_uri: str = ""


@dataclass(frozen=True)
class Authorization:
    """A page to open in a browser, and what belongs to its answer."""

    url: str
    redirect_uri: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


class ProviderClient:
    """One account's side of the talk with its provider.

    Every method raises Misconfigured (the owner has to sign in, or to change the oauth section) or Transient.
    """

    def __init__(
        self, account: Account, oauth: OAuth, found: Provider, client_secret: str | None, clock: Clock
    ) -> None:
        self._account = account
        self._oauth = oauth
        self._provider = found
        self._client_secret = client_secret
        self._clock = clock
        self._endpoint = Endpoint(clock, _trust(account))
        self.source = source(oauth, found)

    @property
    def grant(self) -> GrantKind:
        """How the account signs in."""
        return self._provider.grant

    def refresh(self, former: Grant) -> Grant:
        """A new access token; the refresh token may be a new one too."""
        client = self._client()
        return self._granted(
            lambda: client.refresh_token(self._provider.token_url, refresh_token=former.refresh_token), former
        )

    def client_credentials(self) -> Grant:
        """A token of the program itself."""
        scope = " ".join(self._provider.scopes)
        return self._granted(lambda: self._fetch("client_credentials", scope=scope))

    def start_device(self) -> Device:
        """Ask for a code that a person types in."""
        client = self._client()
        auth = client.client_auth(client.token_endpoint_auth_method)
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        form = {"scope": " ".join(self._provider.scopes)}
        if client.token_endpoint_auth_method == _BASIC:
            # Some servers want it here as well; the other methods put it in themselves.
            form["client_id"] = self._oauth.client_id
        with _translating(self._refusal):
            answer = self._endpoint.post(self._provider.device_url, form, headers, auth).json()
        return _device(answer)

    def poll_device(self, device: Device) -> Grant | Device:
        """Ask once whether the person has consented: the grant, or the device to ask for again.

        Raises:
            Misconfigured: also if the person said no, or was too late.
        """
        try:
            return self._granted(
                lambda: self._fetch(_DEVICE_CODE, device_code=device.device_code), refusal=_untranslated
            )
        except Refused as refused:
            if refused.code == "authorization_pending":
                return device
            if refused.code == "slow_down":
                return _slower(device)
            raise self._refusal(refused) from None

    def start_browser(self, redirect_uri: str) -> Authorization:
        """A page where a person consents; the browser is then sent to `redirect_uri`."""
        verifier, state = chance.token_urlsafe(48), chance.token_urlsafe(24)
        client = self._client(
            scope=" ".join(self._provider.scopes) or None,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )
        extra = {"login_hint": self._account.address, **(self._provider.extra or {})}
        url, _ = client.create_authorization_url(
            self._provider.authorize_url, state=state, code_verifier=verifier, **extra
        )
        return Authorization(url, redirect_uri, state, verifier)

    def finish_browser(self, authorization: Authorization, redirected: str) -> Grant:
        """The grant for the URL that the browser was sent to."""
        answer = {name: values[0] for name, values in parse_qs(urlsplit(redirected).query).items()}
        if not hmac.compare_digest(answer.get("state", "").encode(), authorization.state.encode()):
            raise Misconfigured("sign_in_needed", "this is not the answer to this sign-in: start it again")
        if "code" not in answer:
            refused = Refused(answer.get("error", "no code")[:100], answer.get("error_description", "")[:300])
            raise self._refusal(refused)
        return self._granted(
            lambda: self._fetch(
                "authorization_code",
                code=answer["code"],
                redirect_uri=authorization.redirect_uri,
                code_verifier=authorization.verifier,
            )
        )

    def _granted(
        self,
        ask: Callable[[], Mapping[str, Any]],
        former: Grant | None = None,
        refusal: Callable[[Refused], Exception] | None = None,
    ) -> Grant:
        with _translating(refusal or self._refusal):
            answer = ask()
        return received(answer, self.source, self._clock(), former)

    def _fetch(self, grant_type: str, **fields: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._client().fetch_token(
            self._provider.token_url, grant_type=grant_type, **fields
        )
        return found

    def _client(self, **more: Any) -> OAuth2Client:
        # RFC 6749 section 2.3.1 has every server take Basic; Microsoft and Google document the form only.
        confidential = _BASIC if self._account.type == "oauth2" else "client_secret_post"
        return OAuth2Client(
            self._endpoint,
            client_id=self._oauth.client_id,
            client_secret=self._client_secret,
            token_endpoint_auth_method=confidential if self._client_secret else "none",
            **more,
        )

    def _refusal(self, refused: Refused) -> PostroomError:
        name, code = self._account.name, refused.code
        if code in _PASSING:
            return Transient(f"the provider does not answer now: {refused}")
        if code in _AGAIN and self._provider.grant != "client-credentials":
            return Misconfigured(
                "sign_in_again",
                f"{name} has to sign in again: run `postroom accounts login {name}` ({refused})",
            )
        if code in _AGAIN + _CLIENT:
            return Misconfigured("oauth_client", f"the provider refuses the client of {name}: {refused}")
        if code in ("access_denied", "expired_token"):
            return Misconfigured("sign_in_needed", _NOT_GIVEN[code].format(name=name))
        return Misconfigured("oauth_settings", f"the provider refuses the oauth section of {name}: {refused}")


_NOT_GIVEN = {
    "access_denied": "the sign-in of {name} was declined",
    "expired_token": "the code was not typed in in time: run `postroom accounts login {name}` again",
}


@contextmanager
def _translating(translate: Callable[[Refused], Exception]) -> Iterator[None]:
    """Turns a refusal, and what authlib cannot read, into one of our errors."""
    try:
        yield
    except Refused as refused:
        raise translate(refused) from None
    except (ValueError, TypeError, KeyError):
        raise Transient("the provider's answer cannot be understood") from None


def _untranslated(refused: Refused) -> Exception:
    return refused


def provider_client(
    account: Account, secrets: Secrets, *, grant: GrantKind | None = None, clock: Clock = utc_now
) -> ProviderClient:
    """The account's provider; `grant` instead of the account's own.

    Raises:
        Misconfigured: the account has no (usable) oauth section, or its secret cannot be read.
        Transient: the store does not answer.
    """
    if account.oauth is None:
        raise Misconfigured("oauth_settings", f"{account.name} has no oauth section")
    oauth = account.oauth.model_copy(update={"grant": grant}) if grant else account.oauth
    try:
        found = provider(account.type, oauth)
    except ValueError as error:
        raise Misconfigured("oauth_settings", str(error)) from None
    secret = secrets.read(oauth.client_secret) if oauth.client_secret else None
    return ProviderClient(account, oauth, found, secret, clock)


def source(oauth: OAuth, found: Provider) -> str:
    """Names the registration that tokens belong to: to another one they are not sent (pure)."""
    parts = [found.token_url, oauth.client_id]
    if found.grant == "client-credentials":
        parts += ["app", *found.scopes]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _trust(account: Account) -> ssl.SSLContext:
    """The system's authorities; a provider of one's own may have the account's authority."""
    context = ssl.create_default_context()
    if account.ca_file and account.type == "oauth2":
        try:
            context.load_verify_locations(account.ca_file)
        except (OSError, ssl.SSLError):
            raise Misconfigured("ca_file", f"the file {account.ca_file} cannot be read as PEM") from None
    return context


def _device(answer: Mapping[str, Any]) -> Device:
    try:
        return Device(
            str(answer["user_code"]),
            # Google's older name.
            str(answer.get("verification_uri") or answer["verification_url"]),
            str(answer["device_code"]),
            max(1.0, float(answer.get("interval", 5))),
            min(float(answer.get("expires_in", _MAX_DEVICE_S)), _MAX_DEVICE_S),
            str(answer.get("verification_uri_complete") or ""),
        )
    except (KeyError, ValueError, TypeError):
        raise Transient("the provider's answer has no device code in it") from None


def _slower(device: Device) -> Device:
    """RFC 8628 section 3.5: five seconds more, from now on."""
    return replace(device, interval_s=device.interval_s + _SLOWER_S)
