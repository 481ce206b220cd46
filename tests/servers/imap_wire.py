"""The server's end of one TCP connection, in plain or under TLS, cheap enough to have thousands of.

Not asyncio's own TLS: that keeps a buffer of 256 KiB for every connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct

READ_BYTES = 64 * 1024
MAX_LINE_BYTES = 1024 * 1024


class Gone(Exception):
    """The connection is at its end, or is to be."""


class Wire:
    """Lines and bytes over one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.received_bytes = 0
        self.sent_bytes = 0

    @property
    def secure(self) -> bool:
        """Whether it is under TLS."""
        return self._tls is not None

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Do a TLS handshake; what the client sent before it is dropped.

        Raises:
            Gone: The client did not agree.
        """
        self._buffer.clear()
        tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                self._incoming.write(await self._raw())
            except ssl.SSLError as error:
                await self._flush()
                raise Gone(f"TLS: {error}") from error
        await self._flush()
        self._tls = tls

    async def line(self) -> bytes:
        """The next line with its end.

        Raises:
            Gone: There is none.
        """
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > MAX_LINE_BYTES:
                raise Gone(f"a line of more than {MAX_LINE_BYTES} bytes")
            self._buffer += await self._more()
        return self._take(end + 1)

    async def exactly(self, count: int) -> bytes:
        """The next bytes, that many.

        Raises:
            Gone: There are fewer.
        """
        while len(self._buffer) < count:
            self._buffer += await self._more()
        return self._take(count)

    async def until_gone(self) -> None:
        """Read and forget until the client closes the connection."""
        with contextlib.suppress(Gone):
            while True:
                await self._more()

    async def send(self, data: bytes) -> None:
        """Send, as fast as the client takes it.

        Raises:
            Gone: The client closed the connection.
        """
        self.write(data)
        await self._drain()
        # A large answer must not keep the other connections waiting.
        await asyncio.sleep(0)

    def write(self, data: bytes) -> None:
        """Send as soon as possible, without waiting for it."""
        self.sent_bytes += len(data)
        if self._tls is not None and data:
            with contextlib.suppress(ssl.SSLError):
                self._tls.write(data)
            data = self._outgoing.read()
        if not self._writer.is_closing():
            self._writer.write(data)

    def close(self) -> None:
        """End the connection; what was sent before arrives."""
        if self._tls is not None and not self._writer.is_closing():
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._writer.write(self._outgoing.read())
        self._writer.close()

    def reset(self) -> None:
        """End the connection by RST at once; what was sent before may get lost."""
        with contextlib.suppress(OSError):
            self._writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self._writer.transport.abort()

    def abort(self) -> None:
        """End the connection at once."""
        self._writer.transport.abort()

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _more(self) -> bytes:
        data = await self._raw() if self._tls is None else await self._decrypted(self._tls)
        self.received_bytes += len(data)
        return data

    async def _decrypted(self, tls: ssl.SSLObject) -> bytes:
        while True:
            try:
                data = tls.read(READ_BYTES)
            except ssl.SSLWantReadError:
                self._incoming.write(await self._raw())
            except ssl.SSLError as error:
                raise Gone(f"TLS: {error}") from error
            else:
                if not data:
                    raise Gone("the client ended TLS")
                return data

    async def _raw(self) -> bytes:
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError as error:
            raise Gone(str(error)) from error
        if not data:
            raise Gone("the client closed the connection")
        return data

    async def _flush(self) -> None:
        if waiting := self._outgoing.read():
            self._writer.write(waiting)
            await self._drain()

    async def _drain(self) -> None:
        try:
            await self._writer.drain()
        except OSError as error:
            raise Gone(str(error)) from error
