"""An SMTP server that does what its script says, for what no real server does on demand."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Answer = bytes | Iterable[bytes] | None
Script = Callable[[str, int], Answer]
"""The answer to a command (`greeting`, `EHLO`, …, `dot`) that came so often before; None: hang up.

Several pieces are sent one by one.
"""
HANG_UP = b"\0"
"""At the end of an answer: it is sent, and then the connection is closed."""

_ANSWERS = {
    "greeting": b"220 scripted ESMTP\r\n",
    "EHLO": b"250-scripted\r\n250 PIPELINING\r\n",
    "DATA": b"354 go ahead\r\n",
    "QUIT": b"221 bye\r\n",
}


def friendly(command: str, _before: int) -> bytes | None:
    """The answers of a server that takes everything."""
    return _ANSWERS.get(command, b"250 2.0.0 ok\r\n")


@dataclass
class Scripted:
    """What came in: commands in order, and the contents that got their final dot.

    `reads` are the bytes as they came, several commands in one if they were written together.
    """

    port: int
    commands: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    reads: list[bytes] = field(default_factory=list)
    connections: int = 0
    sockets: list[socket.socket] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hang_up(self) -> None:
        """Close what is open."""
        for sock in self.sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    """A running server; several connections at a time."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Scripted(listener.getsockname()[1])
    counts: Counter[str] = Counter()

    def serve() -> None:
        with suppress(OSError):
            while True:
                sock, _ = listener.accept()
                server.connections += 1
                server.sockets.append(sock)
                threading.Thread(target=_talk, args=(sock, server, counts, script), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in server.sockets:
            sock.close()
        thread.join(10)


def _talk(sock: socket.socket, server: Scripted, counts: Counter[str], script: Script) -> None:
    def answer(command: str) -> bytes:
        """What was said; empty: the connection is over."""
        server.commands.append(command)
        with server.lock:
            before = counts[command]
            counts[command] += 1
        said = script(command, before)
        pieces = [said] if isinstance(said, bytes) else said or ()
        whole = b""
        for piece in pieces:
            sock.sendall(piece.removesuffix(HANG_UP))
            whole += piece
        return b"" if whole.endswith(HANG_UP) or whole.startswith((b"221", b"421")) else whole

    with suppress(OSError), sock:
        lines = _lines(sock, server)
        said = answer("greeting")
        while said and (line := next(lines, b"")):
            command = line.decode("ascii", "replace").partition(" ")[0].strip().upper()
            said = answer(command)
            if command == "DATA" and said.startswith(b"354"):
                said = _take(lines, server, answer)


def _lines(sock: socket.socket, server: Scripted) -> Iterator[bytes]:
    rest = b""
    while read := sock.recv(65536):
        server.reads.append(read)
        *lines, rest = (rest + read).split(b"\n")
        yield from (line + b"\n" for line in lines)


def _take(lines: Iterator[bytes], server: Scripted, answer: Callable[[str], bytes]) -> bytes:
    content: list[bytes] = []
    for line in lines:
        if line == b".\r\n":
            # Empty: the client was told to go ahead though it had no recipient (RFC 2920 section 3.1).
            if content:
                server.contents.append(b"".join(content))
            return answer("dot")
        content.append(line)
    return b""
