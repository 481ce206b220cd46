"""How an account signs in with OAuth 2, and what is known of the providers (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from postroom.account_values import Port, Section, Url, lines
from postroom.secret_reference import SecretReference

AccountType = Literal["smtp-imap", "outlook", "gmail", "oauth2"]
Grant = Literal["device", "browser", "client-credentials"]
ClientId = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\s\x00-\x1f\x7f]+$")]
Tenant = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,199}$")]
Scope = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\s\x00-\x1f\x7f]+$")]
_SHARED_TENANTS = ("common", "organizations", "consumers")


class OAuth(Section):
    """The program's registration with the provider, and how the account's owner consents (OAuth 2)."""

    client_id: ClientId = Field(description="The program's id with the provider.")
    client_secret: SecretReference | None = Field(
        None, description="Its secret, if the provider gave one: `env:NAME`, `file:/path` or `stored`."
    )
    grant: Grant | None = Field(
        None,
        description="`device`: a code to type in any browser; `browser`: a redirect to this machine (PKCE); "
        "`client-credentials`: the program itself, without a person. Default: `device` for outlook, "
        "`browser` for gmail; for oauth2 `device` if `device_url` is given, else `browser`.",
    )
    tenant: Tenant = Field("common", description="outlook: the directory's id or domain.")
    token_url: Url | None = Field(None, description="oauth2: the token endpoint.")
    authorize_url: Url | None = Field(None, description="oauth2: the authorization endpoint, for `browser`.")
    device_url: Url | None = Field(None, description="oauth2: the device endpoint (RFC 8628), for `device`.")
    scopes: Annotated[tuple[Scope, ...], BeforeValidator(lines)] = Field(
        (), description="What is asked for. Default: IMAP, SMTP and offline access of outlook and gmail."
    )
    redirect_port: Port | None = Field(
        None, description="The port on this machine for `browser`. Default: a free one."
    )


@dataclass(frozen=True)
class Provider:
    """Where an account gets its tokens, and what it asks for."""

    grant: Grant
    token_url: str
    authorize_url: str = ""
    device_url: str = ""
    scopes: tuple[str, ...] = ()
    extra: Mapping[str, str] | None = None
    """What the authorization request has besides, so that the answer has a refresh token."""


@dataclass(frozen=True)
class Preset:
    """The servers of a type of account."""

    imap: Mapping[str, str]
    smtp: Mapping[str, str]


PRESETS: Mapping[str, Preset] = {
    # learn.microsoft.com/exchange/client-developer/legacy-protocols, "Authenticate an IMAP, POP or SMTP
    # connection using OAuth"
    "outlook": Preset(
        imap={"host": "outlook.office365.com", "security": "tls"},
        smtp={"host": "smtp.office365.com", "security": "starttls"},
    ),
    # developers.google.com/workspace/gmail/imap/xoauth2-protocol
    "gmail": Preset(
        imap={"host": "imap.gmail.com", "security": "tls"},
        smtp={"host": "smtp.gmail.com", "security": "tls"},
    ),
}

_MICROSOFT = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/{endpoint}"
_MICROSOFT_SCOPES = (
    "https://outlook.office.com/IMAP.AccessAsUser.All",
    "https://outlook.office.com/SMTP.Send",
    "offline_access",
)
_MICROSOFT_APP_SCOPES = ("https://outlook.office365.com/.default",)


def provider(kind: AccountType, oauth: OAuth) -> Provider:
    """The provider of an account of this type: the known one's endpoints, unless the section has others.

    Raises:
        ValueError: the section lacks something, or has what does not go together; the text says the fix.
    """
    found = _PROVIDERS.get(kind, _generic)(oauth)
    if found.grant == "client-credentials" and oauth.client_secret is None:
        raise ValueError("oauth.client_secret must be given for grant: client-credentials")
    if not found.token_url:
        raise ValueError("oauth.token_url must be given for type: oauth2")
    if found.grant == "device" and not found.device_url:
        raise ValueError("oauth.device_url must be given for grant: device, or set grant: browser")
    if found.grant == "browser" and not found.authorize_url:
        raise ValueError(
            "oauth.authorize_url must be given for grant: browser, or device_url for grant: device"
        )
    return found


def _microsoft(oauth: OAuth) -> Provider:
    grant = oauth.grant or "device"
    is_app = grant == "client-credentials"
    if is_app and oauth.tenant in _SHARED_TENANTS:
        raise ValueError("oauth.tenant must be your directory's id or domain for grant: client-credentials")

    def endpoint(name: str) -> str:
        return _MICROSOFT.format(tenant=oauth.tenant, endpoint=name)

    return Provider(
        grant,
        oauth.token_url or endpoint("token"),
        oauth.authorize_url or endpoint("authorize"),
        oauth.device_url or endpoint("devicecode"),
        oauth.scopes or (_MICROSOFT_APP_SCOPES if is_app else _MICROSOFT_SCOPES),
    )


def _google(oauth: OAuth) -> Provider:
    if oauth.grant == "client-credentials":
        raise ValueError("oauth.grant: client-credentials is not possible with gmail: use browser")
    # Google's device endpoint does not give out the mail scope (developers.google.com/identity/protocols/
    # oauth2/limited-input-device#allowedscopes), so that `device` needs another provider's device_url.
    if oauth.grant == "device" and oauth.device_url is None:
        raise ValueError("oauth.grant: device is not possible with gmail: use browser")
    return Provider(
        oauth.grant or "browser",
        oauth.token_url or "https://oauth2.googleapis.com/token",
        oauth.authorize_url or "https://accounts.google.com/o/oauth2/v2/auth",
        oauth.device_url or "",
        oauth.scopes or ("https://mail.google.com/",),
        {"access_type": "offline", "prompt": "consent"},
    )


def _generic(oauth: OAuth) -> Provider:
    return Provider(
        oauth.grant or ("device" if oauth.device_url else "browser"),
        oauth.token_url or "",
        oauth.authorize_url or "",
        oauth.device_url or "",
        oauth.scopes,
    )


_PROVIDERS = {"outlook": _microsoft, "gmail": _google}
