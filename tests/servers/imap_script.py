"""A scripted IMAP server: dialogues of hostile or strange servers, over real TCP connections on loopback.

Without a script it is a small, correct IMAP4rev1 server whose folders may pretend to hold millions of mails,
and mails of gigabytes that are in memory nowhere. Any step of it can be overridden:

    with ImapScript() as server:
        server.inbox.fill(5_000_000)
        server.on("UID FETCH", Default(limit_bytes=500), Reset(), times=1)     # breaks off, once
        server.on("LOGIN", Answer("NO [UNAVAILABLE] later"), times=2)
        server.on("IDLE", lambda command, connection: server.inbox.add(mail) and None)   # None: as usual

or a whole connection is written down, the next one that comes:

        server.script(
            Untagged("OK [CAPABILITY IMAP4rev1] hi"),
            Expect(rb"LOGIN .*"), Answer("OK in"), Serve(server.user),         # from here on as usual
        )

All connections are served by one thread, cheaply enough for thousands of them. What a script expected in
vain, a script nobody played, and what a hook raised fail the test at the end of the `with` block, with a
transcript.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.servers.imap_connection import Connection, Hook, Hooks, Record, Step, Steps, Unexpected
from tests.servers.imap_default import House
from tests.servers.imap_folder import Folder, Mailbox, large_mail, mail, small_mail
from tests.servers.imap_grammar import Command
from tests.servers.imap_steps import (
    Answer,
    Call,
    Close,
    Continue,
    Default,
    Drip,
    Expect,
    ExpectLine,
    Literal,
    Pause,
    Reset,
    Say,
    Serve,
    Stall,
    StartTls,
    Untagged,
)
from tests.servers.imap_wire import Gone, Wire
from tests.waiting import wait_until

__all__ = [
    "Answer",
    "Call",
    "Close",
    "Command",
    "Connection",
    "Continue",
    "Default",
    "Drip",
    "Expect",
    "ExpectLine",
    "Folder",
    "ImapScript",
    "Literal",
    "Mailbox",
    "Pause",
    "Reset",
    "Say",
    "Serve",
    "Stall",
    "StartTls",
    "Untagged",
    "large_mail",
    "mail",
    "small_mail",
]

HOST = "127.0.0.1"
BACKLOG = 4096
STOP_TIMEOUT_S = 10.0
T = TypeVar("T")


class ImapScript:
    """A server on a free port of 127.0.0.1; `with ImapScript() as server:` starts and ends it.

    Args:
        tls: Speak TLS from the first byte with this context.
        starttls: Offer STARTTLS with this context.
        without: Capabilities that are not offered, for instance `["IDLE", "UIDPLUS"]`.
        also: Further ones that are, for instance `["LOGINDISABLED"]`, which is obeyed.
    """

    host = HOST
    user = "user@example.org"
    password = "a right password"

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        without: Iterable[str] = (),
        also: Iterable[str] = (),
    ) -> None:
        self.record = Record()
        self.port = 0
        self._tls = tls
        self._house = House(without=frozenset(without), also=tuple(also), starttls=starttls)
        self._hooks = Hooks()
        self._scripts: deque[tuple[Step | bytes, ...]] = deque()
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="imap-script", daemon=True)
        self._server: asyncio.Server | None = None
        self.mailbox = self.account(self.user, self.password)

    # What there is

    @property
    def inbox(self) -> Folder:
        """The INBOX of the first account."""
        return self.mailbox.inbox

    def account(self, user: str, password: str = "a right password") -> Mailbox:
        """Another account, with INBOX, Sent and Trash."""
        self._house.mailboxes[user] = Mailbox(user, password)
        return self._house.mailboxes[user]

    # What is to happen

    def script(self, *steps: Step | bytes) -> None:
        """Have the next connection without a script play these steps; then it is closed."""
        self._scripts.append(steps)

    def on(self, name: str, *steps: Hook | Step | bytes, times: int | None = None) -> None:
        """Do these steps when a command comes, instead of what is done anyhow.

        Args:
            name: The command in upper case, as `LOGIN` or `UID FETCH`; `GREETING`; `APPEND LITERAL` before a
                client is asked for its literal; `*` for every command that has no rule.
            steps: Steps; or one function that gets the command and the connection and returns steps, or None
                for what is done anyhow. It runs in the server's thread.
            times: So often; afterwards the next rule for the name, or what is done anyhow. None: for ever.
        """
        self._hooks.on(name, _hook(steps), times)

    def off(self, name: str) -> None:
        """Forget the rules for a command."""
        self._hooks.off(name)

    def behave(self) -> None:
        """Forget the rules for all commands; what is under way goes on."""
        self._hooks.clear()

    def hang_up(self, *, farewell: bytes = b"", reset: bool = False) -> None:
        """End all connections, after these bytes, by FIN or RST."""
        self._in_thread(self._hang_up(farewell, reset=reset))

    # What happened

    def commands(self, name: str) -> int:
        """How often a command came."""
        return self.record.commands[name]

    def wait_for(self, name: str, count: int = 1, timeout_s: float = 30.0) -> None:
        """Wait until a command has come this often."""
        wait_until(lambda: self.commands(name) >= count, timeout_s, f"{name}, {count} times")

    def idlers(self) -> int:
        """How many connections are in IDLE."""
        return sum(connection.idling for connection in list(self._connections.values()))

    def transcript(self) -> str:
        """What was said last, on all connections, each line cut."""
        return "\n".join(self.record.lines)

    def check(self) -> None:
        """Fail if something went otherwise than the scripts say.

        Raises:
            AssertionError: Says what, with the transcript.
        """
        failures = list(self.record.failures)
        if self._scripts:
            failures.append(f"scripts that were not played: {len(self._scripts)}")
        assert not failures, "\n".join([*failures, self.transcript()])

    # Running

    def start(self) -> None:
        """Start it and return when it answers."""
        self._thread.start()
        self._in_thread(self._listen())

    def stop(self) -> None:
        """End it and all connections; mails and records stay."""
        self._in_thread(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_TIMEOUT_S)
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if error is None:
            self.check()
        else:
            error.add_note("\n".join([*self.record.failures, self.transcript()]))

    def _in_thread(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STOP_TIMEOUT_S)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, 0, backlog=BACKLOG)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        tasks = list(self._connections)
        for task, connection in list(self._connections.items()):
            connection.wire.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The sockets are closed in the loop's next turns.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _hang_up(self, farewell: bytes, *, reset: bool) -> None:
        for task, connection in list(self._connections.items()):
            connection.wire.write(farewell)
            connection.wire.reset() if reset else connection.wire.close()
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.record.connections += 1
        connection = Connection(Wire(reader, writer), self.record, self._hooks, self._house)
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = connection
        self.record.open_connections += 1
        try:
            await self._talk(connection)
        except asyncio.CancelledError:
            pass
        finally:
            connection.leave()
            connection.wire.close()
            self.record.open_connections -= 1
            del self._connections[task]

    async def _talk(self, connection: Connection) -> None:
        steps: Steps = self._scripts.popleft() if self._scripts else (Serve(),)
        with suppress(Gone, ConnectionError):
            try:
                if self._tls is not None:
                    await connection.wire.start_tls(self._tls)
                await connection.play(steps)
            except (Gone, ConnectionError):
                raise
            except Unexpected as failure:
                self.record.failures.append(f"connection {connection.number}: {failure}")
            except Exception:
                # A fault of a hook or of the server itself must not look like one of the client.
                self.record.failures.append(f"connection {connection.number}: {traceback.format_exc()}")


def _hook(steps: tuple[Hook | Step | bytes, ...]) -> Hook:
    if len(steps) == 1 and callable(steps[0]):
        function: Callable[[Command, Connection], Steps | None] = steps[0]
        return function
    fixed = [step for step in steps if isinstance(step, bytes) or not callable(step)]
    assert len(fixed) == len(steps), "a function stands alone"
    return lambda _command, _connection: fixed
