"""Signs in on an open connection, with a password or with an OAuth 2 access token."""

from collections.abc import Callable

import imapclient
from imapclient import IMAPClient
from imapclient.exceptions import LoginError

from postroom import sasl
from postroom.account_servers import ImapAuth
from postroom.credentials import AccessToken, Credential, Password, without
from postroom.errors import Misconfigured, PostroomError
from postroom_fetcher import mechanism as mechanisms
from postroom_fetcher.fault import Place, login_error, quoted, translated


class TokenRefused(Misconfigured):
    """The server did not take the access token; another one may do."""


def sign_in(client: IMAPClient, auth: ImapAuth, credential: Credential, place: Place) -> ImapAuth:
    """Sign in; returns the mechanism that was used.

    Raises:
        TokenRefused: The token is of no use.
        Misconfigured: User or password are wrong, or the server offers no way that fits.
        Unavailable: The server takes no log-ins now, or the connection broke.
    """
    with translated(place, "the sign-in"):
        capabilities = {each.decode("ascii", "replace").upper() for each in client.capabilities()}
    has_token = isinstance(credential, AccessToken)
    chosen = mechanisms.choose(auth, capabilities, has_token=has_token)
    if chosen is None:
        raise _nothing_offered(client, auth, capabilities, place)
    with translated(place, "the sign-in"):
        if isinstance(credential, AccessToken):
            _by_token(client, chosen, credential, place)
        else:
            _by_password(client, chosen, credential, place)
    # What it can do may be another thing now.
    client._cached_capabilities = None
    return chosen


def _nothing_offered(
    client: IMAPClient, auth: ImapAuth, capabilities: set[str], place: Place
) -> Misconfigured:
    if "LOGINDISABLED" in capabilities and auth in ("auto", "plain", "login") and not _has_tls(client):
        return Misconfigured(
            "login_disabled",
            f"{place} takes no password on this connection. Use imap.security: tls or starttls",
        )
    wanted = "a way that goes with the account" if auth == "auto" else auth.upper()
    return Misconfigured(
        "auth_method", f"{place} does not offer {wanted}; it offers {mechanisms.offered(capabilities)}"
    )


def _has_tls(client: IMAPClient) -> bool:
    return bool(client.ssl) or client._starttls_done


def _by_password(client: IMAPClient, chosen: ImapAuth, credential: Password, place: Place) -> None:
    try:
        if chosen == "plain":
            response = sasl.plain(credential.user, credential.password)
            client.sasl_login("PLAIN", lambda _challenge: response)
        else:
            _login(client, credential, place)
    except LoginError as error:
        raise login_error(place, _hidden(error, credential.password)) from None


def _login(client: IMAPClient, credential: Password, place: Place) -> None:
    if not (credential.user + credential.password).isascii():
        raise Misconfigured(
            "auth_failed",
            f"{place} takes only plain ASCII log-ins (LOGIN); user or password has other letters",
        )
    # imaplib quotes the password and not the user.
    client.login(imapclient.imapclient._quote(credential.user), credential.password)


def _by_token(client: IMAPClient, chosen: ImapAuth, credential: AccessToken, place: Place) -> None:
    exchange = _Exchange(chosen, credential, place)
    try:
        client.sasl_login(chosen.upper(), exchange)
    except LoginError as error:
        raise _token_error(place, error, credential.token, exchange.status) from None


class _Exchange:
    """Answers the server's challenges; the second one is its error (RFC 7628, section 3.2.2)."""

    def __init__(self, chosen: ImapAuth, credential: AccessToken, place: Place) -> None:
        self._chosen = chosen
        make: Callable[[], bytes] = {
            "xoauth2": lambda: sasl.xoauth2(credential.user, credential.token),
            "oauthbearer": lambda: sasl.oauthbearer(
                credential.user, credential.token, place.host, place.port
            ),
        }[chosen]
        self._first: bytes | None = make()
        self.status = ""

    def __call__(self, challenge: bytes) -> bytes:
        first, self._first = self._first, None
        if first is not None:
            return first
        self.status = sasl.error_status(challenge)
        return sasl.AFTER_ERROR[self._chosen]


def _token_error(place: Place, error: LoginError, token: str, status: str) -> PostroomError:
    hidden = _hidden(error, token)
    meant = login_error(place, hidden)
    if not isinstance(meant, Misconfigured) or meant.reason_code != "auth_failed":
        return meant
    said = quoted(hidden).rstrip(".")
    with_status = f" (status {without(token, status)})" if status else ""
    return TokenRefused(
        "token_refused",
        f"{place} refused the access token: {said}{with_status}. "
        "Sign in again, as the user in imap.user and with the scopes that the server wants",
    )


def _hidden(error: LoginError, secret: str) -> LoginError:
    hidden = LoginError(without(secret, str(error)))
    hidden.__context__ = error.__context__
    return hidden
