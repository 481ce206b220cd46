"""pymap for the tests: a small IMAP server from the package registry, so it is always there.

It has IDLE, UIDPLUS, MOVE and APPEND; it has no SPECIAL-USE and drops custom keywords. Mail is in
memory: it ends with the process.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.servers.certificates import Certificate
from tests.servers.node import Node
from tests.servers.process import Command, Process, free_port, greets

START_TIMEOUT_S = 20.0
MAIN = "from pymap.main import main; main()"


class Pymap(Node):
    """A private pymap with one account; offers STARTTLS if it is given a certificate."""

    user = "user@example.org"
    password = "a right password"

    def __init__(self, folder: Path, *, certificate: Certificate | None = None) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True)
        self.host = "127.0.0.1"
        self.port = free_port()
        self._certificate = certificate

    def _launch(self) -> Process:
        arguments = [sys.executable, "-I", "-c", MAIN]
        arguments += ["--host", self.host, "--port", str(self.port), *self._tls_options()]
        arguments += ["dict", "--demo-user", self.user, "--demo-password", self.password]
        process = Process(Command(arguments, self.folder))
        process.wait_ready(lambda: greets(self.port, b"* OK"), START_TIMEOUT_S, "pymap to greet")
        return process

    def _tls_options(self) -> list[str]:
        if self._certificate is None:
            return ["--no-tls"]
        return ["--cert", str(self._certificate.chain), "--key", str(self._certificate.key)]
