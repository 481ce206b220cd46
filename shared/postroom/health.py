"""`/metrics`, `/livez` and `/readyz` on one port.

Alive: every loop of the service has turned lately; a supervisor restarts what is not. Ready: the service can
work now (broker and store answer); a load balancer or a rollout waits for it.
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from postroom.errors import Misconfigured

logger = logging.getLogger(__name__)

Faults = Callable[[], Mapping[str, str]]
"""What is wrong, by the name of the part; nothing is wrong when it is empty."""


class HealthServer:
    """The three pages, served from a thread.

    Raises:
        Misconfigured: the port is taken, or the host is none of this machine's addresses.
    """

    def __init__(
        self, host: str, port: int, *, alive: Faults, ready: Faults, registry: CollectorRegistry
    ) -> None:
        pages: Mapping[str, Callable[[], tuple[int, str, bytes]]] = {
            "/metrics": lambda: (200, CONTENT_TYPE_LATEST, generate_latest(registry)),
            "/livez": lambda: _answer(alive()),
            "/readyz": lambda: _answer(ready()),
        }

        class Handler(BaseHTTPRequestHandler):
            timeout = 10
            server_version, sys_version = "postroom", ""

            def do_GET(self) -> None:
                status, content_type, body = _page(pages.get(self.path.partition("?")[0]))
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Probes come every few seconds; they are not news."""

        try:
            self._server = _Server((host, port), Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise Misconfigured("http_port", f"{host} port {port} cannot be listened on: {reason}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, _request: object, _client_address: object) -> None:
        """A probe that hangs up early is not news."""


def _page(page: Callable[[], tuple[int, str, bytes]] | None) -> tuple[int, str, bytes]:
    if page is None:
        return 404, "text/plain", b"not found\n"
    try:
        return page()
    except Exception:
        logger.exception("a health page failed")
        return 500, "text/plain", b"the page failed; the log says why\n"


def _answer(faults: Mapping[str, str]) -> tuple[int, str, bytes]:
    body = json.dumps({"ok": not faults, "faults": dict(faults), "pid": os.getpid()}).encode() + b"\n"
    return (503 if faults else 200), "application/json", body
