"""aiosmtpd for the tests: an SMTP server in this process that keeps its mails in memory."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.waiting import wait_until

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
        starttls: Offer STARTTLS with this context; AUTH is then offered over TLS only.
        implicit_tls: Speak TLS from the first byte with this context.
    """

    refused: Mapping[str, str] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    starttls: ssl.SSLContext | None = None
    implicit_tls: ssl.SSLContext | None = None


class SmtpServer:
    """A server on a free port of 127.0.0.1; `with SmtpServer() as server:` starts and ends it."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self._behaviour = behaviour or Behaviour()
        self._mails: list[SentMail] = []
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
        if self._behaviour.login is not None and not session.authenticated:
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
        """Keep the mail."""
        content = envelope.original_content or b""
        mail = SentMail(envelope.mail_from or "", tuple(envelope.rcpt_tos), content)
        with self._lock:
            self._mails.append(mail)
        return TAKEN

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
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        login = self._behaviour.login
        given = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode())
        return AuthResult(success=login is not None and given == login, handled=False)


class _AnyPort(Controller):
    """A controller that takes whatever port is free, and needs no guess beforehand."""

    def __init__(self, handler: SmtpServer, **options: Any) -> None:
        super().__init__(handler, **options)
        self._protocols: list[SMTP] = []

    def factory(self) -> SMTP:
        """A new connection's protocol; it is remembered until the end."""
        protocol: SMTP = super().factory()  # type: ignore[no-untyped-call]
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
