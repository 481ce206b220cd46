"""A server with thousands of mailboxes in a process of its own, over TLS, and what it tells of itself.

    python -m tests.benchmarks.crowd CHAIN KEY MAILBOXES

It prints its port. Then each line that it reads is answered by one line: `idlers`: how many connections are
in IDLE; `commands`: how many commands came; `mail NUMBER`: puts a mail into that mailbox, and answers after
how many milliseconds the client opened the folder, counted from the line with EXISTS.
"""

from __future__ import annotations

import ssl
import sys
import threading
import time

from tests.servers.imap_connection import Connection
from tests.servers.imap_grammar import Command
from tests.servers.imap_script import ImapScript

ANSWER_TIMEOUT_S = 10.0


class Crowd:
    """The server, and the moment when the client acts on a mail."""

    def __init__(self, server: ImapScript, count: int) -> None:
        self._server = server
        self._mailboxes = [server.account(user(number)) for number in range(count)]
        self._acted = threading.Event()
        self._acted_at = 0.0
        server.on("EXAMINE", self._note)

    def _note(self, _command: Command, _connection: Connection) -> None:
        self._acted_at = time.monotonic()
        self._acted.set()

    def answer(self, line: str) -> str:
        """What is answered to a line."""
        word, _, rest = line.partition(" ")
        if word == "idlers":
            return str(self._server.idlers())
        if word == "commands":
            return str(self._server.record.commands.total())
        return f"{self._mail(int(rest)):.2f}"

    def _mail(self, number: int) -> float:
        self._acted.clear()
        began = time.monotonic()
        self._mailboxes[number].inbox.add(b"From: a@example.net\r\nSubject: news\r\n\r\nHello\r\n")
        assert self._acted.wait(ANSWER_TIMEOUT_S), "nobody acted on the mail"
        return (self._acted_at - began) * 1000


def user(number: int) -> str:
    """Who owns the mailbox of that number."""
    return f"user-{number}@example.org"


def main(chain: str, key: str, count: int) -> None:
    """Serve until standard input ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with ImapScript(tls=context) as server:
        crowd = Crowd(server, count)
        print(server.port, flush=True)
        for line in sys.stdin:
            print(crowd.answer(line.strip()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
