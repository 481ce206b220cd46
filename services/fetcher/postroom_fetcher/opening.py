"""The way to a signed-in session in steps: resolve, connect, TLS, sign-in. Here sockets and TLS are made.

`connector` walks the whole way; a test of an account goes step by step (`postroom_fetcher.examination`).
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from imapclient import IMAPClient

from postroom.account import Account
from postroom.account_servers import Imap
from postroom.credentials import AccessToken, Credential, Credentials
from postroom.errors import Misconfigured, Transient
from postroom.names import NAMES, Address, Names
from postroom.trust import Trust
from postroom_fetcher.berth import FREE, Permit
from postroom_fetcher.connection import Client
from postroom_fetcher.deadline import PATIENCE, PROCESS, Deadline, Patience
from postroom_fetcher.fault import CONNECT, TLS, Place, Refused, Unavailable, translated
from postroom_fetcher.session import Connect, Session
from postroom_fetcher.sign_in import TokenRefused, sign_in

MAX_ADDRESSES = 16
KEEPALIVE = {"TCP_KEEPIDLE": 120, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""In seconds, where the system has them: a peer that is gone without a word is noticed in three minutes."""


@dataclass(frozen=True)
class Tools:
    """What all ways share."""

    trust: Trust
    credentials: Credentials
    patience: Patience = PATIENCE
    take: Callable[[Account], Permit] = lambda _account: FREE
    """Allows a connection, or raises Unavailable or InLine."""
    names: Names = NAMES


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
        self._addresses: Sequence[Address] = ()
        self._socket: socket.socket | None = None
        # TLS takes a socket over; this one stays what it is, for what ends the connection from outside.
        self._handle: socket.socket | None = None
        self._client: IMAPClient | None = None
        self._permit = FREE

    def resolve(self) -> str:
        """Look up the addresses of the host."""
        names, timeout_s = self._tools.names, self._tools.patience.connect_s
        with translated(self._place, CONNECT):
            self._addresses = names.addresses(self._imap.host, self._imap.port, timeout_s)
        return ", ".join(str(address[0]) for _family, address in self._addresses[:3])

    def connect(self) -> str:
        """Connect to the first address that answers; hear the greeting, unless TLS comes before it."""
        if self._permit is FREE:
            self._permit = self._tools.take(self._account)
        with translated(self._place, CONNECT):
            self._socket = _connected(self._addresses, self._tools.patience)
            self._handle = self._socket.dup()
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
            with self._in_time(TLS), translated(self._place, TLS):
                self._socket = context.wrap_socket(_made(self._socket), server_hostname=self._imap.host)
            self._greeted()
        else:
            with self._in_time("STARTTLS"):
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
        self._hang_up()
        self.connect()
        self.secure()
        return self._signed_in(fresh)

    def session(self) -> Session:
        """The session at the end of the way; it owns the connection."""
        client, self._client, self._socket = _made(self._client), None, None
        permit, self._permit = self._permit, FREE
        self.close()
        client.socket().settimeout(self._tools.patience.silence_s)
        return Session(client, self._place, self._tools.patience, permit)

    def close(self) -> None:
        """Give up the way; nothing happens if the session has been taken."""
        self._hang_up()
        permit, self._permit = self._permit, FREE
        permit.give_back()

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        sockets = [each for each in (self._socket, self._handle) if each is not None]
        self._socket = self._handle = None
        with contextlib.suppress(Exception):
            if client is not None:
                client.shutdown()
        for each in sockets:
            with contextlib.suppress(OSError):
                each.close()

    def _in_time(self, doing: str) -> Deadline:
        return PROCESS.within(_made(self._handle), self._tools.patience.opening_s, self._place, doing)

    def _greeted(self) -> None:
        """Hear the greeting and the first capabilities."""
        raw = _made(self._socket)
        with self._in_time("the greeting"), translated(self._place, CONNECT):
            client = self._client = Client(self._imap, raw, self._tools.patience)
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
        client = _made(self._client)
        with self._in_time("the sign-in"):
            used = sign_in(client, self._imap.auth, credential, self._place)
            _introduce(client, self._place)
        kind = "an access token" if isinstance(credential, AccessToken) else "a password"
        return f"{credential.user} with {kind} ({used.upper()})"


def connector(tools: Tools) -> Connect:
    """Makes sessions.

    The function raises Misconfigured (log-in refused, certificate not trusted, no STARTTLS …), Unavailable,
    or what `tools.take` raises.
    """

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


def _connected(addresses: Sequence[Address], patience: Patience) -> socket.socket:
    """A connection to the first address that takes one; raises the last one's OSError."""
    failure = OSError("the name has no address")
    ends_at = time.monotonic() + patience.opening_s
    for family, address in addresses[:MAX_ADDRESSES]:
        raw = socket.socket(family, socket.SOCK_STREAM)
        try:
            raw.settimeout(max(0.1, min(patience.connect_s, ends_at - time.monotonic())))
            raw.connect(address)
            _tune(raw)
            return raw
        except OSError as error:
            raw.close()
            failure = error
    raise failure


def _tune(raw: socket.socket) -> None:
    """Commands are short and wanted at once; and a connection that nobody speaks on must be seen to end."""
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _introduce(client: IMAPClient, place: Place) -> None:
    """Say who we are where the server wants to know (RFC 2971): some serve nobody who does not."""
    with contextlib.suppress(Refused), translated(place, "ID"):
        if client.has_capability("ID"):
            # Not imapclient's own, which fails where the answer is not quite proper.
            client._imap._simple_command("ID", f'("name" "Postroom" "version" "{_version()}")')


@cache
def _version() -> str:
    try:
        return version("postroom")
    except PackageNotFoundError:
        return "unknown"


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
