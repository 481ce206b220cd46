"""A webhook's other end: an HTTP server that remembers what it got and answers as it was told."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Got:
    """One request."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The event."""
        return self.headers["webhook-id"]


@dataclass(frozen=True)
class Say:
    """An answer."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Receiver:
    """Serves on a free port of loopback. `answer`: by the number of the request, from 0."""

    def __init__(self, answer: Callable[[int], Say | None] = lambda _: Say()) -> None:
        self.answer = answer
        self.got: list[Got] = []
        self.ending = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def port(self) -> int:
        """Its port."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}/events"

    @property
    def ids(self) -> list[str]:
        """The events that came, in order."""
        return [each.id for each in self.got]

    def secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def take(self, handler: Any) -> None:
        """Remember a request and answer it; None: never."""
        body = handler.rfile.read(int(handler.headers["content-length"]))
        number = len(self.got)
        self.got.append(Got({name.lower(): value for name, value in handler.headers.items()}, body))
        said = self.answer(number)
        if said is None:
            self.ending.wait(60)
            return
        handler.send_response(said.status)
        for name, value in {"Content-Length": str(len(said.body)), **said.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(said.body)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
