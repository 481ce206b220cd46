"""imaplib on a socket that is there already, believing the server only so much.

imaplib takes a literal of any announced size, any number of answers to one command, and keeps what nobody
asked for. Here every answer has a bound in bytes, and a connection at rest holds no buffer.
"""

import imaplib
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imapclient import IMAPClient, SocketTimeout

from postroom.account_servers import Imap
from postroom_fetcher.deadline import Patience
from postroom_fetcher.fault import Unavailable

MAX_LINE_BYTES = 1_000_000
"""As imaplib's own; the UIDs of a search window fit."""
MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""All that is answered to a command that brings no mail: the folders of a large mailbox, a search window."""
LINE_COST_BYTES = 64
"""What a line costs beyond its bytes: a server could send empty ones for ever."""
BUFFER_BYTES = 32 * 1024

_TAG_PREFIX = b"PR"
_TAGGED = re.compile(rb"(?P<tag>PR\d+) (?P<type>[A-Z]+) (?P<data>.*)", re.ASCII)
# One pattern for all connections: imaplib compiles one for each.


class Connection(imaplib.IMAP4):
    """One connection to a server, greeted."""

    # The types that others give them are partly wrong.
    file: Any
    tagpre: Any
    tagre: Any

    def __init__(self, ready: socket.socket, host: str) -> None:
        self._ready = ready
        self._left_bytes = MAX_ANSWER_BYTES
        self._most_bytes = MAX_ANSWER_BYTES
        self._literal_bytes = MAX_LINE_BYTES
        super().__init__(host)
        self.tagpre, self.tagre = _TAG_PREFIX, _TAGGED

    @contextmanager
    def expecting(self, literal_bytes: int, answer_bytes: int) -> Iterator[None]:
        """For the commands in the block: the largest literal, and all that is answered to one of them."""
        before = self._literal_bytes, self._most_bytes
        self._literal_bytes, self._most_bytes = literal_bytes, answer_bytes
        try:
            yield
        finally:
            self._literal_bytes, self._most_bytes = before

    def read(self, size: int) -> bytes:
        """A literal, whole. Raises Unavailable, unread, if it is larger than anything that was asked for."""
        if size > self._literal_bytes:
            raise Unavailable(
                "protocol_error",
                f"{self.host} announced a literal of {size} bytes, where {self._literal_bytes} were the most",
            )
        self._count(size)
        data: bytes = self.file.read(size)
        if len(data) < size:
            raise self.abort(f"the connection ended in a literal, after {len(data)} of {size} bytes")
        return data

    def readline(self) -> bytes:
        """A line with its end. Raises Unavailable if it is too long."""
        line: bytes = self.file.readline(MAX_LINE_BYTES + 1)
        if len(line) > MAX_LINE_BYTES:
            raise Unavailable(
                "protocol_error", f"{self.host} sent a line of more than {MAX_LINE_BYTES} bytes"
            )
        self._count(len(line) + LINE_COST_BYTES)
        return line

    def _count(self, size: int) -> None:
        self._left_bytes -= size
        if self._left_bytes < 0:
            raise Unavailable(
                "protocol_error",
                f"{self.host} answered one command with more than the {self._most_bytes} bytes that it may",
            )

    def send(self, data: Any) -> None:
        """Send; what is answered from here on is counted anew."""
        self._left_bytes = self._most_bytes
        if self.file.closed:
            self.file = self._reader()
        self.sock.sendall(data)

    def forget(self) -> None:
        """Drop what the server said unasked, except that there is news: imaplib would keep it all."""
        said: dict[str, Any] = self.untagged_responses
        for name in [each for each in said if each not in ("EXISTS", "BYE", "READ-ONLY")]:
            del said[name]

    def is_buffered(self) -> bool:
        """Whether something is there to be read that the socket does not tell of."""
        timeout = self.sock.gettimeout()
        self.sock.setblocking(False)
        try:
            return bool(self.file.peek(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            self.sock.settimeout(timeout)

    def rest(self) -> None:
        """Give the buffer, which is empty, back until the next command."""
        self.file.close()

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """Take the socket."""
        self.host, self.port, self.sock = host, port, self._ready
        self.file = self._reader()

    def _reader(self) -> Any:
        return self.sock.makefile("rb", buffering=BUFFER_BYTES)

    def _log(self, _line: str) -> None:
        """Keep no line: imaplib would keep the last ones, and with them the password."""


class Client(IMAPClient):  # type: ignore[misc]  # imapclient has no types
    """imapclient on a socket that is there already, perhaps with TLS."""

    def __init__(self, imap: Imap, ready: socket.socket, patience: Patience) -> None:
        self._ready = ready
        timeout = SocketTimeout(connect=patience.connect_s, read=patience.silence_s)
        super().__init__(imap.host, port=imap.port, ssl=isinstance(ready, ssl.SSLSocket), timeout=timeout)
        # imapclient sets 5, which formats and keeps every line.
        self._imap.debug = 0
        del self._imap._mesg
        self.normalise_times = False

    def _create_IMAP4(self) -> imaplib.IMAP4:  # noqa: N802 - imapclient's own name
        return Connection(self._ready, self.host)
