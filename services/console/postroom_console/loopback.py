"""Waits on this machine for a browser that a provider sends back after the sign-in (RFC 8252 section 7.3)."""

import http.server
import time
from types import TracebackType
from typing import Self

from postroom.errors import Misconfigured, Transient

MAX_REQUEST_S = 5.0
_PAGE = (
    b"<!doctype html><title>Postroom</title><p>The sign-in has come back to Postroom: "
    b"you can close this window, and read on where you started it.</p>"
)


class Loopback:
    """Listens on 127.0.0.1; `with Loopback(port) as loopback:`; port 0 is a free one.

    Raises:
        Misconfigured: something else has the port.
    """

    def __init__(self, port: int) -> None:
        try:
            self._server = _Server(port)
        except OSError as error:
            raise Misconfigured(
                "redirect_port", f"the port {port} on this machine cannot be had: {error.strerror}"
            ) from None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    def wait(self, timeout_s: float) -> str:
        """The path and query with which the browser comes back.

        Raises:
            Transient: it did not in that time.
        """
        until = time.monotonic() + timeout_s
        while self._server.redirected is None:
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise Transient(f"no browser came back within {timeout_s:g} s: start the sign-in again")
            self._server.timeout = left_s
            self._server.handle_request()
        return self._server.redirected

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server_close()


class _Server(http.server.HTTPServer):
    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.redirected: str | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks is no business of the terminal's."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """Takes the first request that looks like the answer; browsers ask for favicon.ico besides."""

    server: _Server
    timeout = MAX_REQUEST_S

    def do_GET(self) -> None:
        """Keep where the browser was sent to, and tell the person."""
        path, _, query = self.path.partition("?")
        found = path == "/" and "state=" in query
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        # The address has the code in it.
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if found:
            self.wfile.write(_PAGE)
            self.server.redirected = self.path

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the line would have the code in it."""
