"""aiosmtpd for the tests: an SMTP server in this process that keeps its mails in memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, auth_mechanism

from tests.waiting import wait_until

ALL_MECHANISMS = frozenset(("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"))
TAKEN = "250 2.0.0 taken"


@dataclass(frozen=True)
class SentMail:
    """A mail as it came in: the envelope, and the content byte for byte (CRLF line ends)."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass(frozen=True)
class Behaviour:
    """How the server answers.

    Args:
        refused: The answer to RCPT for each of these addresses, for instance `550 5.1.1 unknown`.
        login: User and password; with them, mail is taken after AUTH only.
        takes_token: Whether an access token is good for a user; with it, mail is taken after AUTH only.
        mechanisms: What is offered for signing in; empty: what fits `login` or `takes_token`.
        starttls: Offer STARTTLS with this context; AUTH is then offered over TLS only.
        implicit_tls: Speak TLS from the first byte with this context.
        at_dot: The answer to a mail's content; None: hang up without one.
    """

    refused: Mapping[str, str] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    takes_token: Callable[[str, str], bool] | None = None
    mechanisms: tuple[str, ...] = ()
    starttls: ssl.SSLContext | None = None
    implicit_tls: ssl.SSLContext | None = None
    at_dot: Callable[[bytes], str | None] = lambda _: TAKEN

    @property
    def offered(self) -> frozenset[str]:
        """The mechanisms that are offered."""
        passwords = ("PLAIN", "LOGIN") if self.login else ()
        tokens = ("XOAUTH2", "OAUTHBEARER") if self.takes_token else ()
        return frozenset(self.mechanisms or (*passwords, *tokens))

    @property
    def wants_sign_in(self) -> bool:
        """Whether mail is taken after AUTH only."""
        return self.login is not None or self.takes_token is not None


@dataclass(frozen=True)
class SignIn:
    """Somebody tried to sign in."""

    mechanism: str
    user: str
    taken: bool


class SmtpServer:
    """A server on a free port of 127.0.0.1; `with SmtpServer() as server:` starts and ends it."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self._behaviour = behaviour or Behaviour()
        self._mails: list[SentMail] = []
        self._sign_ins: list[SignIn] = []
        self._refuses_all = False
        self._lock = threading.Lock()
        self._controller = self._make_controller()

    @property
    def host(self) -> str:
        """The address it listens on."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """The port it listens on; known once it is started."""
        port: int = self._controller.port
        assert port, "the server is not started"
        return port

    def mails(self) -> list[SentMail]:
        """The mails that came in, in order."""
        with self._lock:
            return list(self._mails)

    def sign_ins(self) -> list[SignIn]:
        """Who tried to sign in, in order."""
        with self._lock:
            return list(self._sign_ins)

    def refuse_sign_ins(self, *, on: bool) -> None:
        """Refuse whoever signs in, or do so no longer."""
        self._refuses_all = on

    def wait_for(self, count: int, timeout_s: float = 30.0) -> list[SentMail]:
        """Wait until that many mails came in."""
        wait_until(lambda: len(self.mails()) >= count, timeout_s, f"{count} mails by SMTP")
        return self.mails()

    def start(self) -> None:
        """Start it and return when it answers."""
        self._controller.start()

    def stop(self) -> None:
        """End it; the mails stay."""
        self._controller.hang_up()
        self._controller.stop(no_assert=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def handle_MAIL(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer MAIL: only after AUTH, where a log-in is asked for."""
        # Not by aiosmtpd's own option, which warns at each connection that AUTH without TLS is bad.
        if self._behaviour.wants_sign_in and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 ok"

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer RCPT, by the table of refused addresses."""
        answer = self._behaviour.refused.get(address, "")
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep the mail, whatever is said of it."""
        content = envelope.original_content or b""
        mail = SentMail(envelope.mail_from or "", tuple(envelope.rcpt_tos), content)
        with self._lock:
            self._mails.append(mail)
        answer = self._behaviour.at_dot(content)
        if answer is None and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return answer or TAKEN

    def _make_controller(self) -> _AnyPort:
        behaviour = self._behaviour
        return _AnyPort(
            self,
            hostname=self.host,
            server_hostname="localhost",
            port=0,
            ssl_context=behaviour.implicit_tls,
            tls_context=behaviour.starttls,
            authenticator=self._authenticate,
            auth_require_tls=behaviour.starttls is not None,
            auth_exclude_mechanism=ALL_MECHANISMS - behaviour.offered,
        )

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        """The providers' own mechanism: `user=USER^Aauth=Bearer TOKEN^A^A`."""
        fields = dict(part.partition("=")[::2] for part in (await _response(server, args)).split("\1"))
        return await self._take_token(server, "XOAUTH2", fields.get("user", ""), fields.get("auth", ""), b"")

    async def auth_OAUTHBEARER(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        """RFC 7628: `n,a=USER,^Ahost=…^Aport=…^Aauth=Bearer TOKEN^A^A`."""
        header, *parts = (await _response(server, args)).split("\1")
        user = header.removeprefix("n,a=").removesuffix(",").replace("=2C", ",").replace("=3D", "=")
        fields = dict(part.partition("=")[::2] for part in parts)
        return await self._take_token(server, "OAUTHBEARER", user, fields.get("auth", ""), b"\1")

    @auth_mechanism("CRAM-MD5")
    async def auth_CRAM_MD5(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        """RFC 2195."""
        login = self._behaviour.login
        assert login is not None
        challenge = b"<1896.697170952@localhost>"
        response = await server.challenge_auth(challenge)
        digest = hmac.new(login[1].encode(), challenge, hashlib.md5).hexdigest()
        taken = response == f"{login[0]} {digest}".encode()
        return self._noted("CRAM-MD5", str(response).partition(" ")[0], taken=taken)

    async def _take_token(
        self, server: SMTP, mechanism: str, user: str, bearer: str, acknowledgement: bytes
    ) -> AuthResult:
        takes_token = self._behaviour.takes_token
        assert takes_token is not None
        taken = bearer.startswith("Bearer ") and takes_token(user, bearer.removeprefix("Bearer "))
        result = self._noted(mechanism, user, taken=taken)
        if not taken and await server.challenge_auth('{"status":"invalid_token","schemes":"bearer"}') != (
            acknowledgement
        ):
            await server.push("500 5.5.2 the error was not answered as it must be")
            return AuthResult(success=False, handled=True)
        return result

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        login = self._behaviour.login
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        return self._noted(mechanism, given[0], taken=login is not None and given == login)

    def _noted(self, mechanism: str, user: str, *, taken: bool) -> AuthResult:
        taken = taken and not self._refuses_all
        with self._lock:
            self._sign_ins.append(SignIn(mechanism, user, taken))
        return AuthResult(success=taken, handled=False)


async def _response(server: SMTP, args: list[str]) -> str:
    """What the client says: with the command, or when asked for it (RFC 4954 section 4)."""
    if len(args) > 1:
        return base64.b64decode(args[1]).decode()
    response = await server.challenge_auth("")
    return response.decode() if isinstance(response, bytes) else ""


class _Smtp(SMTP):
    """With room for access tokens (RFC 4954 section 4)."""

    line_length_limit = 12288


class _AnyPort(Controller):
    """A controller that takes whatever port is free, and needs no guess beforehand."""

    def __init__(self, handler: SmtpServer, **options: Any) -> None:
        super().__init__(handler, **options)
        self._protocols: list[SMTP] = []

    def factory(self) -> SMTP:
        """A new connection's protocol; it is remembered until the end."""
        protocol = _Smtp(self.handler, **self.SMTP_kwargs)
        self._protocols.append(protocol)
        return protocol

    def hang_up(self) -> None:
        """Close the connections that clients left open; the controller would leave them to the collector."""
        if self.loop.is_running():
            asyncio.run_coroutine_threadsafe(self._abort_all(), self.loop).result(10)

    async def _abort_all(self) -> None:
        for protocol in self._protocols:
            if isinstance(protocol.transport, asyncio.Transport):
                protocol.transport.abort()
        # Closing happens in the loop's next turns: one for TLS, one for the socket below it.
        for _ in range(3):
            await asyncio.sleep(0)

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]
