"""Private servers of a test."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from tests.servers.aiosmtpd import Behaviour, SmtpServer
from tests.servers.certificates import Certificate
from tests.servers.cyrus import CyrusNode
from tests.servers.dovecot import DovecotNode
from tests.servers.imap_script import ImapScript
from tests.servers.node import Node
from tests.servers.oauth import OAuthNode
from tests.servers.postfix import PostfixNode, SmtpSink
from tests.servers.postgresql import PostgresqlNode
from tests.servers.pymap import Pymap
from tests.servers.rabbitmq import RabbitNode

AnyNode = TypeVar("AnyNode", bound=Node)


class Nodes:
    """Private servers, each started at once and gone when the stack closes.

    `folder` gives a path for a new server's state; `need` comes by the programs of a server, and
    does not return if they are not to be had.
    """

    def __init__(self, folder: Callable[[str], Path], need: Callable[[str], None], stack: ExitStack) -> None:
        self._folder = folder
        self._need = need
        self._stack = stack

    def rabbitmq(self, *, management: bool = False, certificate: Certificate | None = None) -> RabbitNode:
        """A RabbitMQ node, with a certificate for TLS as well; takes 5 to 9 s to start."""
        self._need("rabbitmq")
        node = RabbitNode(self._folder("rabbitmq"), management=management, certificate=certificate)
        return self._started(node)

    def postgresql(self) -> PostgresqlNode:
        """A PostgreSQL server."""
        self._need("postgresql")
        return self._started(PostgresqlNode(self._folder("postgresql")))

    def dovecot(self, *, mail_format: str = "sdbox", introspection_url: str = "") -> DovecotNode:
        """A Dovecot; see `DovecotNode`."""
        self._need("dovecot")
        node = DovecotNode(
            self._folder("dovecot"), mail_format=mail_format, introspection_url=introspection_url
        )
        return self._started(node)

    def cyrus(self) -> CyrusNode:
        """A Cyrus."""
        self._need("cyrus")
        return self._started(CyrusNode(self._folder("cyrus")))

    def imap_script(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        without: Iterable[str] = (),
        also: Iterable[str] = (),
    ) -> ImapScript:
        """A scripted IMAP server in this process; ending it fails if a script was not kept to."""
        server = ImapScript(tls=tls, starttls=starttls, without=without, also=also)
        return self._stack.enter_context(server)

    def oauth(self) -> OAuthNode:
        """An OAuth 2 authorization server."""
        return self._started(OAuthNode(self._folder("oauth")))

    def smtp_sink(self, *options: str, keep: bool = True) -> SmtpSink:
        """An smtp-sink with these options, see `tests.servers.postfix`."""
        self._need("postfix")
        return self._started(SmtpSink(self._folder("sink"), *options, keep=keep))

    def postfix(self, domain: str, lmtp_port: int) -> PostfixNode:
        """A Postfix that hands the mail of a domain to this LMTP server, and returns all other mail."""
        self._need("postfix")
        return self._started(PostfixNode(self._folder("postfix"), domain, lmtp_port))

    def pymap(self) -> Pymap:
        """A pymap, without TLS."""
        return self._started(Pymap(self._folder("pymap")))

    def smtp_server(self, behaviour: Behaviour | None = None) -> SmtpServer:
        """An aiosmtpd in this process."""
        return self._stack.enter_context(SmtpServer(behaviour))

    def _started(self, node: AnyNode) -> AnyNode:
        self._stack.enter_context(node)
        return node
