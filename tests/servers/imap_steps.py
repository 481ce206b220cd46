"""What a script of the scripted IMAP server is made of."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from tests.servers.imap_connection import GREETING, Connection, Shaping, Unexpected
from tests.servers.imap_wire import Gone


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


@dataclass(frozen=True)
class Say:
    """Send these bytes as they are. In a script plain bytes do the same."""

    data: bytes

    async def play(self, connection: Connection) -> None:
        await connection.send_as_is(self.data)


@dataclass(frozen=True)
class Untagged:
    """Send `* text`."""

    text: str | bytes

    async def play(self, connection: Connection) -> None:
        await connection.send_as_is(b"* " + _bytes(self.text) + b"\r\n")


@dataclass(frozen=True)
class Answer:
    """Send `tag text` with the tag of the last command: `Answer("OK done")`."""

    text: str | bytes

    async def play(self, connection: Connection) -> None:
        await connection.send_as_is(connection.command.tag + b" " + _bytes(self.text) + b"\r\n")


@dataclass(frozen=True)
class Continue:
    """Send `+ text`."""

    text: str | bytes = "go on"

    async def play(self, connection: Connection) -> None:
        await connection.send_as_is(b"+ " + _bytes(self.text) + b"\r\n")


@dataclass(frozen=True)
class Literal:
    """Send `{size}` and these bytes; the size may be a lie."""

    data: bytes
    size_bytes: int | None = None

    async def play(self, connection: Connection) -> None:
        size = len(self.data) if self.size_bytes is None else self.size_bytes
        await connection.send_as_is(b"{%d}\r\n%b" % (size, self.data))


@dataclass(frozen=True)
class Drip:
    """Send bytes slowly: by default one a second."""

    data: bytes
    bytes_per_s: float = 1.0

    async def play(self, connection: Connection) -> None:
        await connection.drip(self.data, self.bytes_per_s)


@dataclass(frozen=True)
class Expect:
    """Read a command, whose name and arguments must match this whole pattern; the tag is kept."""

    pattern: bytes

    async def play(self, connection: Connection) -> None:
        try:
            command = await connection.read_command()
        except Gone as gone:
            raise Unexpected(f"expected {self.pattern!r}, but {gone}") from gone
        _must_match(self.pattern, command.text)


@dataclass(frozen=True)
class ExpectLine:
    """Read a line that is no command (`DONE`, a SASL response), which must match this whole pattern."""

    pattern: bytes

    async def play(self, connection: Connection) -> None:
        try:
            line = await connection.read_line()
        except Gone as gone:
            raise Unexpected(f"expected {self.pattern!r}, but {gone}") from gone
        _must_match(self.pattern, line)


def _must_match(pattern: bytes, data: bytes) -> None:
    if re.fullmatch(pattern, data, re.DOTALL) is None:
        raise Unexpected(f"expected {pattern!r}, got {data[:200]!r}")


@dataclass(frozen=True)
class Pause:
    """Say nothing for some seconds."""

    seconds: float

    async def play(self, connection: Connection) -> None:
        await asyncio.sleep(self.seconds)


@dataclass(frozen=True)
class Call:
    """Call this, for instance to add a mail just now. It runs in the server's thread: keep it short."""

    function: Callable[[], object]

    async def play(self, connection: Connection) -> None:
        self.function()


@dataclass(frozen=True)
class Close:
    """Close the connection; what was sent arrives."""

    async def play(self, connection: Connection) -> None:
        raise Gone("the script closes the connection")


@dataclass(frozen=True)
class Reset:
    """Break the connection off by RST."""

    async def play(self, connection: Connection) -> None:
        connection.wire.reset()
        raise Gone("the script resets the connection")


@dataclass(frozen=True)
class Stall:
    """Say no more, and read and forget whatever comes until the client closes the connection."""

    async def play(self, connection: Connection) -> None:
        await connection.wire.until_gone()
        raise Gone("the client closed the connection")


@dataclass(frozen=True)
class StartTls:
    """Answer STARTTLS and do the handshake; `before` follows the answer in plain text, in the same packet."""

    context: ssl.SSLContext
    before: bytes = b""
    answer: str = "OK begin TLS"

    async def play(self, connection: Connection) -> None:
        answer = connection.command.tag + b" " + self.answer.encode() + b"\r\n"
        await connection.send_as_is(answer + self.before)
        await connection.wire.start_tls(self.context)


@dataclass(frozen=True)
class Default:
    """Do what the server does anyhow for the last command, but shape what it sends.

    Args:
        change: Every piece that is sent goes through this. A piece has whole answers, or is a part of a
            literal of more than 64 KiB.
        limit_bytes: Send no more than this, and leave the rest out.
        bytes_per_s: Send slowly.
    """

    change: Callable[[bytes], bytes] = bytes
    limit_bytes: int | None = None
    bytes_per_s: float | None = None

    async def play(self, connection: Connection) -> None:
        with connection.shaped(Shaping(self.change, self.limit_bytes, self.bytes_per_s)):
            await connection.behaviour.perform(connection, connection.command)


@dataclass(frozen=True)
class Serve:
    """Do what the server does anyhow, hooks included, until the connection ends.

    It greets if nothing was said yet. `user` is signed in already.
    """

    user: str | None = None

    async def play(self, connection: Connection) -> None:
        if self.user is not None:
            connection.mailbox = connection.behaviour.mailboxes[self.user]
        if not connection.wire.sent_bytes:
            connection.command = GREETING
            await self._handle(connection)
        while True:
            await connection.read_command()
            await self._handle(connection)

    async def _handle(self, connection: Connection) -> None:
        steps = connection.hooks.ask(connection.command, connection)
        if steps is None:
            await connection.behaviour.perform(connection, connection.command)
        else:
            await connection.play(steps)
