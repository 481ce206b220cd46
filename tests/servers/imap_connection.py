"""One connection of the scripted IMAP server: what was said on it, and what it has open."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from tests.servers.imap_folder import Folder, Mailbox
from tests.servers.imap_grammar import Command, literal_to_come, read_command
from tests.servers.imap_wire import Gone, Wire

MAX_LITERAL_BYTES = 64 * 1024 * 1024
TRANSCRIPT_LINES = 400
TRANSCRIPT_LINE_BYTES = 160
DRIPS_A_SECOND = 100


class Step(Protocol):
    """Something the server does on a connection."""

    async def play(self, connection: Connection) -> None:
        """Do it. Raises `Gone` where the connection is to end."""


Steps: TypeAlias = "Iterable[bytes | Step]"
"""What is done one after the other; bytes are sent as they are."""
Hook = Callable[[Command, "Connection"], "Steps | None"]
"""Asked what to do about a command; None: what the server does anyhow."""


GREETING = Command(b"*", "GREETING", b"")
"""What a connection begins with, for hooks."""


class Behaviour(Protocol):
    """What the server does where no script says otherwise."""

    mailboxes: dict[str, Mailbox]

    async def perform(self, connection: Connection, command: Command) -> None:
        """Greet, or do and answer a command. Raises `Gone` where the connection is to end."""


class Unexpected(Exception):
    """The client did not say what the script expects."""


class Enough(Exception):
    """As much of the default answer as was wanted has been sent."""


@dataclass
class Record:
    """What happened on all connections."""

    connections: int = 0
    open_connections: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    received_bytes: int = 0
    sent_bytes: int = 0
    failures: list[str] = field(default_factory=list)
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=TRANSCRIPT_LINES))

    def note(self, number: int, who: str, data: bytes) -> None:
        """Keep the beginning of what was said on a connection."""
        shown = data[:TRANSCRIPT_LINE_BYTES].decode("ascii", "backslashreplace").rstrip("\r\n")
        more = f" … {len(data)} bytes" if len(data) > TRANSCRIPT_LINE_BYTES else ""
        self.lines.append(f"{number} {who}: {shown!r}{more}")


@dataclass
class _Rule:
    hook: Hook
    times: int | None


class Hooks:
    """Which hook is asked about which command. Rules may come and go at any time."""

    def __init__(self) -> None:
        self._rules: dict[str, list[_Rule]] = {}

    def on(self, name: str, hook: Hook, times: int | None) -> None:
        """Ask this hook, after those there are already are used up."""
        self._rules.setdefault(name, []).append(_Rule(hook, times))

    def off(self, name: str) -> None:
        """Ask no hook any more."""
        self._rules.pop(name, None)

    def clear(self) -> None:
        """Ask no hook about anything any more."""
        self._rules.clear()

    def ask(self, command: Command, connection: Connection) -> Steps | None:
        """What the hook for the command says, else that for all commands (`*`)."""
        for name in (command.name, "*"):
            for rule in self._rules.get(name, []):
                if rule.times is None or rule.times > 0:
                    return self._used(rule, command, connection)
        return None

    def _used(self, rule: _Rule, command: Command, connection: Connection) -> Steps | None:
        steps = rule.hook(command, connection)
        if steps is not None and rule.times is not None:
            rule.times -= 1
        return steps


@dataclass(frozen=True)
class Shaping:
    """What becomes of the server's own answers on their way; see `Default`."""

    change: Callable[[bytes], bytes] = bytes
    limit_bytes: int | None = None
    bytes_per_s: float | None = None


class Connection:
    """A connection; belongs to the server's thread, `news` excepted."""

    def __init__(self, wire: Wire, record: Record, hooks: Hooks, behaviour: Behaviour) -> None:
        self.wire = wire
        self.number = record.connections
        self.behaviour = behaviour
        self.record = record
        self.hooks = hooks
        self.command = GREETING
        self.mailbox: Mailbox | None = None
        self.folder: Folder | None = None
        self.read_only = False
        self.idling = False
        self._shaping: Shaping | None = None
        self._shaped_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._news: deque[bytes] = deque()
        self._news_lock = threading.Lock()

    # Talking

    async def send(self, data: bytes) -> None:
        """Send bytes of the server's own answer, in the shape a `Default` step asks for."""
        shaping = self._shaping
        if shaping is None or not data:
            await self.send_as_is(data)
            return
        data = shaping.change(data)
        if shaping.limit_bytes is not None:
            data = data[: shaping.limit_bytes - self._shaped_bytes]
        self._shaped_bytes += len(data)
        if shaping.bytes_per_s is None:
            await self.send_as_is(data)
        else:
            await self.drip(data, shaping.bytes_per_s)
        if self._shaped_bytes == shaping.limit_bytes:
            raise Enough

    async def send_as_is(self, data: bytes) -> None:
        """Send these bytes."""
        if data:
            self.record.note(self.number, "S", data)
            self.record.sent_bytes += len(data)
            await self.wire.send(data)

    async def drip(self, data: bytes, bytes_per_s: float) -> None:
        """Send these bytes slowly, in small pieces at even intervals."""
        step = max(1, round(bytes_per_s / DRIPS_A_SECOND))
        for start in range(0, len(data), step):
            await self.send_as_is(data[start : start + step])
            await asyncio.sleep(step / bytes_per_s)

    @contextmanager
    def shaped(self, shaping: Shaping) -> Iterator[None]:
        """Shape what is sent meanwhile."""
        self._shaping, self._shaped_bytes = shaping, 0
        try:
            yield
        except Enough:
            pass
        finally:
            self._shaping = None

    async def read_line(self) -> bytes:
        """The client's next line, without its end."""
        line = await self.wire.line()
        self._note_received(line)
        return line.rstrip(b"\r\n")

    async def read_command(self) -> Command:
        """The client's next command with its literals, each of which is asked for."""
        raw = await self.wire.line()
        self._note_received(raw)
        while literal := literal_to_come(raw):
            size, waits = literal
            if waits and not await self._ask_for_literal(read_command(raw)):
                return await self.read_command()
            if size > MAX_LITERAL_BYTES:
                raise Gone(f"a literal of {size} bytes")
            raw += await self.wire.exactly(size)
            line = await self.wire.line()
            self._note_received(b"(%d bytes) " % size + line)
            raw += line
        self.command = read_command(raw)
        self.record.commands[self.command.name] += 1
        return self.command

    async def _ask_for_literal(self, command: Command) -> bool:
        """Whether the client is told to go on; a hook on `APPEND LITERAL` may answer otherwise."""
        self.command = Command(command.tag, f"{command.name} LITERAL", command.arguments)
        steps = self.hooks.ask(self.command, self)
        if steps is None:
            await self.send_as_is(b"+ go on\r\n")
        else:
            await self.play(steps)
        return steps is None

    async def play(self, steps: Steps) -> None:
        """Do what the steps say, one after the other."""
        for step in steps:
            if isinstance(step, bytes):
                await self.send_as_is(step)
            else:
                await step.play(self)

    def _note_received(self, data: bytes) -> None:
        self.record.received_bytes += len(data)
        self.record.note(self.number, "C", data)

    # Folders

    def open(self, folder: Folder, *, read_only: bool) -> int:
        """Open a folder instead of that which is open; returns how many mails it has."""
        self.leave()
        self.folder, self.read_only = folder, read_only
        return folder.open(self)

    def leave(self) -> None:
        """Have no folder open."""
        folder, self.folder = self.folder, None
        if folder is not None:
            folder.close(self)
        with self._news_lock:
            self._news.clear()

    def news(self, line: bytes) -> None:
        """Tell the client of a change in its folder, at once or as soon as it asks; any thread."""
        with self._news_lock:
            if line.endswith(b"EXISTS") and self._news and self._news[-1].endswith(b"EXISTS"):
                self._news.pop()
            self._news.append(line)
        # The server may have stopped.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell_idler)

    def take_news(self) -> bytes:
        """What the client is to be told, which counts as told."""
        with self._news_lock:
            news = b"".join(b"* " + line + b"\r\n" for line in self._news)
            self._news.clear()
        return news

    def _tell_idler(self) -> None:
        news = self.take_news() if self.idling else b""
        if news:
            self.record.note(self.number, "S", news)
            self.record.sent_bytes += len(news)
            self.wire.write(news)
