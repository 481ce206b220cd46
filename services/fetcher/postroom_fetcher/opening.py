"""The way to a signed-in session in steps: resolve, connect, TLS, sign-in. Here sockets and TLS are made.

`connector` walks the whole way; a test of an account goes step by step (`postroom_fetcher.examination`).
"""

import contextlib
import imaplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imapclient import IMAPClient, SocketTimeout

from postroom.account import Account
from postroom.account_servers import Imap
from postroom.credentials import AccessToken, Credential, Credentials
from postroom.errors import Misconfigured, Transient
from postroom_fetcher.fault import CONNECT, TLS, Place, Unavailable, translated
from postroom_fetcher.session import COMMAND_TIMEOUT_S, Connect, Session
from postroom_fetcher.sign_in import TokenRefused, sign_in
from postroom_fetcher.trust import Trust

CONNECT_TIMEOUT_S = 10.0
"""For each address of the name, for the TLS handshake and for the greeting."""
MAX_ADDRESSES = 16

Address = tuple[socket.AddressFamily, tuple[Any, ...]]


@dataclass(frozen=True)
class Tools:
    """What all ways share."""

    trust: Trust
    credentials: Credentials


class Opening:
    """One way to one account's mailbox. The steps are taken in the order below, each once.

    Each step returns what there is to tell about it, and raises Misconfigured or Unavailable; then the way is
    at its end, and `close` must be called.
    """

    def __init__(self, account: Account, tools: Tools) -> None:
        assert account.imap is not None
        self._account = account
        self._imap: Imap = account.imap
        self._tools = tools
        self._place = Place(self._imap.host, self._imap.port)
        self._addresses: list[Address] = []
        self._socket: socket.socket | None = None
        self._client: IMAPClient | None = None

    def resolve(self) -> str:
        """Look up the addresses of the host."""
        with translated(self._place, CONNECT):
            found = socket.getaddrinfo(self._imap.host, self._imap.port, type=socket.SOCK_STREAM)
        self._addresses = [(family, address) for family, _kind, _protocol, _name, address in found]
        return ", ".join(str(address[0]) for _family, address in self._addresses[:3])

    def connect(self) -> str:
        """Connect to the first address that answers; hear the greeting, unless TLS comes before it."""
        with translated(self._place, CONNECT):
            self._socket = _connected(self._addresses)
        peer = self._socket.getpeername()[0]
        if self._imap.security != "tls":
            self._greeted()
        return f"{peer} port {self._imap.port}"

    def secure(self) -> str:
        """Speak TLS from here on, as the account's `security` says; without TLS nothing is done."""
        if self._imap.security == "none":
            return "not used: imap.security is none, so that everything is sent in clear text"
        context = self._tools.trust.context(self._account)
        if self._imap.security == "tls":
            with translated(self._place, TLS):
                self._socket = context.wrap_socket(_made(self._socket), server_hostname=self._imap.host)
            self._greeted()
        else:
            _start_tls(_made(self._client), context, self._place)
        return _described(_made(self._client).socket(), verified=self._account.verify_certificate)

    def authenticate(self) -> str:
        """Sign in. A token that is refused is replaced by a fresh one once, on a new connection.

        Raises:
            Unavailable: Also where the provider gives out no token now (`oauth_unavailable`).
        """
        credential = self._credential()
        try:
            return self._signed_in(credential)
        except TokenRefused:
            self._tools.credentials.refused(self._account, credential)
            fresh = self._credential()
            if fresh == credential:
                raise
        self.close()
        self.connect()
        self.secure()
        return self._signed_in(fresh)

    def session(self) -> Session:
        """The session at the end of the way; it owns the connection."""
        client, self._client, self._socket = _made(self._client), None, None
        return Session(client, self._place)

    def close(self) -> None:
        """Give up the way; nothing happens if the session has been taken."""
        client, self._client = self._client, None
        raw, self._socket = self._socket, None
        with contextlib.suppress(Exception):
            if client is not None:
                client.shutdown()
        with contextlib.suppress(OSError):
            if raw is not None:
                raw.close()

    def _greeted(self) -> None:
        """Hear the greeting and the first capabilities."""
        raw = _made(self._socket)
        with translated(self._place, CONNECT):
            client = self._client = _Client(self._imap, raw)
        if client._imap.state == "AUTH":
            raise Misconfigured(
                "preauth",
                f"{self._place} let us in without a log-in (PREAUTH): whose mailbox that is, nobody knows",
            )

    def _credential(self) -> Credential:
        try:
            credential = self._tools.credentials.of(self._account, self._imap)
        except Transient as error:
            if not self._account.uses_oauth(self._imap):
                raise
            raise Unavailable("oauth_unavailable", str(error), retry_after_s=error.retry_after_s) from error
        if credential is None:
            raise Misconfigured("secret_missing", "imap.user and imap.password must be given")
        return credential

    def _signed_in(self, credential: Credential) -> str:
        used = sign_in(_made(self._client), self._imap.auth, credential, self._place)
        kind = "an access token" if isinstance(credential, AccessToken) else "a password"
        return f"{credential.user} with {kind} ({used.upper()})"


def connector(trust: Trust, credentials: Credentials) -> Connect:
    """Makes sessions with this trust and these credentials.

    The function raises Misconfigured (log-in refused, certificate not trusted, no STARTTLS …) or Unavailable.
    """
    tools = Tools(trust, credentials)

    def connect(account: Account) -> Session:
        opening = Opening(account, tools)
        try:
            for step in STEPS:
                step(opening)
            return opening.session()
        except BaseException:
            opening.close()
            raise

    return connect


STEPS: tuple[Callable[[Opening], str], ...] = (
    Opening.resolve,
    Opening.connect,
    Opening.secure,
    Opening.authenticate,
)


class _Connection(imaplib.IMAP4):
    """imaplib on a socket that is there already."""

    def __init__(self, ready: socket.socket, host: str) -> None:
        self._ready = ready
        super().__init__(host)

    def _create_socket(self, _timeout: float | None) -> socket.socket:
        return self._ready

    def _log(self, _line: str) -> None:
        """Keep no line: imaplib would keep the last ones, and with them the password."""


class _Client(IMAPClient):  # type: ignore[misc]  # imapclient has no types
    """imapclient on a socket that is there already, perhaps with TLS."""

    def __init__(self, imap: Imap, ready: socket.socket) -> None:
        self._ready = ready
        timeout = SocketTimeout(connect=CONNECT_TIMEOUT_S, read=COMMAND_TIMEOUT_S)
        super().__init__(imap.host, port=imap.port, ssl=isinstance(ready, ssl.SSLSocket), timeout=timeout)
        # imapclient sets 5, which formats and keeps every line.
        self._imap.debug = 0
        self.normalise_times = False

    def _create_IMAP4(self) -> imaplib.IMAP4:  # noqa: N802 - imapclient's own name
        return _Connection(self._ready, self.host)


def _connected(addresses: list[Address]) -> socket.socket:
    """A connection to the first address that takes one; raises the last one's OSError."""
    failure = OSError("the name has no address")
    for family, address in addresses[:MAX_ADDRESSES]:
        raw = socket.socket(family, socket.SOCK_STREAM)
        try:
            raw.settimeout(CONNECT_TIMEOUT_S)
            raw.connect(address)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return raw
        except OSError as error:
            raw.close()
            failure = error
    raise failure


def _start_tls(client: IMAPClient, context: ssl.SSLContext, place: Place) -> None:
    with translated(place, "STARTTLS"):
        if not client.has_capability("STARTTLS"):
            raise Misconfigured(
                "starttls_missing",
                f"{place} does not offer STARTTLS, so nothing was sent. Use imap.security: tls (port 993)",
            )
        client.starttls(context)
    # What came before TLS may come from anybody; imaplib keeps it.
    client._imap.untagged_responses.clear()
    client._cached_capabilities = None


def _described(connection: Any, *, verified: bool) -> str:
    assert isinstance(connection, ssl.SSLSocket)
    trusted = "certificate verified" if verified else "certificate NOT verified"
    return f"{connection.version()}, {trusted}"


def _made(what: Any) -> Any:
    assert what is not None, "the steps are taken in their order"
    return what
