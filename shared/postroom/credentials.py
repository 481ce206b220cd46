"""With what an account signs in at one of its servers: a password, or an OAuth 2 access token."""

from dataclasses import dataclass, field
from typing import Protocol

from postroom.account import Account
from postroom.account_servers import Server
from postroom.secret import Secrets

SHORTEST_HIDDEN_CHARS = 4
"""A shorter secret is also a part of ordinary words."""


@dataclass(frozen=True)
class Password:
    """A user's name and password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class AccessToken:
    """A user's name and OAuth 2 access token, for XOAUTH2 and OAUTHBEARER (RFC 7628)."""

    user: str
    token: str = field(repr=False)


Credential = Password | AccessToken


def without(secret: str, text: str) -> str:
    """What a server said; one that repeats the secret does not get it into our sentences."""
    if len(secret) < SHORTEST_HIDDEN_CHARS:
        return text
    text = text.replace(secret, "…")
    # What was cut to be shown may end within it.
    for length in range(len(secret) - 1, SHORTEST_HIDDEN_CHARS - 1, -1):
        if text.endswith(secret[:length]):
            return f"{text[:-length]}…"
    return text


class Tokens(Protocol):
    """Where access tokens come from: `postroom.oauth.tokens.Tokens`."""

    def access_token(self, account: Account) -> str:
        """A token that is good for a while yet.

        Raises:
            Misconfigured: the account's owner has to sign in (again), or the client is refused.
            Transient: the provider does not answer now.
        """

    def refused(self, account: Account, token: str) -> None:
        """A server did not take the token: the next one must be another."""


class Credentials:
    """Threads may share it."""

    def __init__(self, secrets: Secrets, tokens: Tokens) -> None:
        self._secrets = secrets
        self._tokens = tokens

    def of(self, account: Account, server: Server) -> Credential | None:
        """With what to sign in there; None where nobody signs in.

        Raises:
            Misconfigured: the secret or the sign-in is missing or of no use; the text says what to do.
            Transient: the store or the provider does not answer now.
        """
        if account.uses_oauth(server):
            return AccessToken(server.user or account.address, self._tokens.access_token(account))
        if server.user is None or server.password is None:
            return None
        return Password(server.user, self._secrets.read(server.password))

    def refused(self, account: Account, credential: Credential | None) -> None:
        """The server did not take it: a token is not used again."""
        if isinstance(credential, AccessToken):
            self._tokens.refused(account, credential.token)
