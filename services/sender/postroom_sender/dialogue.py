"""One SMTP connection as lines out and replies in (RFC 5321), with a deadline on everything."""

import select
import socket
import ssl
import time
from collections.abc import Callable

from postroom.errors import Transient
from postroom_sender.outcome import Reply, parse_reply

_MAX_LINE_BYTES = 4096  # RFC 5321 section 4.5.3.1.5 allows 512
_MAX_LINES = 100
_READ_BYTES = 16384
_STEP_S = 1.0
"""How long the system waits at a stretch; between two of them the clock is looked at."""


class Lost(Transient):
    """The connection is of no use any more: closed, silent, or not speaking SMTP.

    `reason_code` is of `postroom.account_reason`.
    """

    def __init__(self, sentence: str, reason_code: str = "disconnected") -> None:
        super().__init__(sentence)
        self.reason_code = reason_code


class Dialogue:
    """Writes commands and reads replies. Deadlines are for the whole call, however slowly bytes trickle.

    `now`: the clock they are measured by, in seconds from anywhere.
    """

    def __init__(self, sock: socket.socket, now: Callable[[], float] = time.monotonic) -> None:
        self._sock = sock
        self._now = now
        self._buffer = b""
        # Set once: each change is a system call.
        sock.settimeout(_STEP_S)

    @property
    def encrypted(self) -> bool:
        """Whether TLS is on."""
        return isinstance(self._sock, ssl.SSLSocket)

    def cipher(self) -> str:
        """Version and cipher of the encryption, empty without."""
        if not isinstance(self._sock, ssl.SSLSocket):
            return ""
        name, _, _ = self._sock.cipher() or ("", "", 0)
        return f"{self._sock.version()}, {name}"

    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand over all bytes.

        Raises:
            Lost: not all of them could be handed over; the last one certainly was not.
        """
        deadline = self._now() + timeout_s
        left = memoryview(data)
        while left:
            try:
                left = left[self._sock.send(left) :]
            except (TimeoutError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            except OSError as error:
                raise Lost(f"the connection broke while writing: {explained(error)}") from error
            if left and self._now() >= deadline:
                raise Lost("the server does not take what is written to it in time")

    def ask(self, command: str, timeout_s: float) -> Reply:
        """Write a command and read its reply. Raises Lost."""
        self.write(command.encode() + b"\r\n", timeout_s)
        return self.reply(timeout_s)

    def reply(self, timeout_s: float) -> Reply:
        """The next reply. Raises Lost."""
        return self.lines(timeout_s)[0]

    def lines(self, timeout_s: float) -> tuple[Reply, list[bytes]]:
        """The next reply with its raw lines. Raises Lost."""
        deadline = self._now() + timeout_s
        found: list[bytes] = []
        reply: Reply | None = None
        while reply is None or found[-1][3:4] == b"-":
            if len(found) == _MAX_LINES:
                raise Lost(f"the server's answer has more than {_MAX_LINES} lines", "protocol_error")
            found.append(self._line(deadline))
            reply = parse_reply(found)
            if reply is None:
                raise Lost("the server does not speak SMTP", "protocol_error")
        return reply, found

    def spoke_early(self) -> bool:
        """Whether the server said or did something before it was asked: it closed, or refuses half-way."""
        if self._buffer or (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
            return True
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0)) and self._has_words()

    def start_tls(self, context: ssl.SSLContext, host: str, timeout_s: float) -> None:
        """Encrypt from here on; the certificate is checked for `host` as the context says.

        Raises:
            Lost: the server sent something in the clear that would count as said under TLS.
            OSError: as the handshake says, among them ssl.SSLError.
        """
        if self._buffer:
            raise Lost("the server sent more than its answer before TLS was on", "protocol_error")
        self._sock.settimeout(timeout_s)
        self._sock = context.wrap_socket(self._sock, server_hostname=host)
        self._sock.settimeout(_STEP_S)

    def close(self) -> None:
        """Close without a word."""
        self._sock.close()

    def _has_words(self) -> bool:
        # Under TLS, what there is to read may be the protocol's own, such as a session ticket (RFC 8446).
        waited_s = self._sock.gettimeout()
        self._sock.settimeout(0)
        try:
            self._buffer += self._sock.recv(_READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        finally:
            self._sock.settimeout(waited_s)
        return True

    def _line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _MAX_LINE_BYTES:
                sentence = f"the server's answer has a line of more than {_MAX_LINE_BYTES} bytes"
                raise Lost(sentence, "protocol_error")
            self._buffer += self._read(deadline)
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        return line.rstrip(b"\r")

    def _read(self, deadline: float) -> bytes:
        while True:
            if self._now() >= deadline:
                raise Lost("the server does not answer in time")
            try:
                data = self._sock.recv(_READ_BYTES)
                break
            except TimeoutError:
                continue
            except OSError as error:
                raise Lost(f"the connection broke: {explained(error)}") from error
        if not data:
            raise Lost("the server closed the connection")
        return data


def explained(error: OSError) -> str:
    """What the system says about an error, in a few words."""
    return error.strerror or str(error) or type(error).__name__
