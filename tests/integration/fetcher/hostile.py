"""What hostile and strange IMAP servers do, as written dialogues: a name, what happens, what comes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.servers.imap_connection import Connection, Hook, Step, Steps
from tests.servers.imap_grammar import Command
from tests.servers.imap_script import Answer, Close, Default, Drip, ImapScript, Reset, Stall, Untagged

READ = "read"
"""The mailbox is read all the same and stays green."""


@dataclass(frozen=True)
class Hostility:
    """`begin` makes a server hostile. `outcome`: the reason code of the red status, or `READ`."""

    begin: Callable[[ImapScript], None]
    outcome: str


@dataclass(frozen=True)
class Flood:
    """Send this for ever."""

    data: bytes

    async def play(self, connection: Connection) -> None:
        while True:
            await connection.send_as_is(self.data)


def on(name: str, *steps: Step | bytes) -> Callable[[ImapScript], None]:
    """These steps at a command, each time."""
    return lambda server: server.on(name, *steps)


def on_bodies(*steps: Step | bytes) -> Callable[[ImapScript], None]:
    """These steps where mails are fetched, not where they are only described."""

    def hook(command: Command, _connection: Connection) -> Steps | None:
        return steps if b"BODY.PEEK[]" in command.text else None

    return lambda server: server.on("UID FETCH", hook)


def changed(name: str, change: Callable[[bytes], bytes]) -> Callable[[ImapScript], None]:
    """The usual answer to a command, changed on its way."""
    return on(name, Default(change=change))


def changed_bodies(change: Callable[[bytes], bytes]) -> Callable[[ImapScript], None]:
    """The usual answer where mails are fetched, changed on its way."""
    return on_bodies(Default(change=change))


def literals(size: Callable[[int], int]) -> Callable[[bytes], bytes]:
    """Announces other sizes of literals than those that come."""
    return lambda data: re.sub(rb"\{(\d+)\}", lambda found: b"{%d}" % size(int(found[1])), data)


def injected(data: bytes) -> Hook:
    """Says something of its own before whatever it answers, greeting and IDLE excepted."""

    def hook(command: Command, _connection: Connection) -> Steps | None:
        return None if command.name in ("GREETING", "IDLE") else (data, Default())

    return hook


def no_log_in(server: ImapScript) -> None:
    """Takes no passwords."""
    server.on("GREETING", Untagged("OK hello"))
    server.on("CAPABILITY", Untagged("CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=GSSAPI"), Answer("OK those"))


UNASKED = (
    b"* 1 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH (UID 4000000 BODY[] {4}\r\nevil)\r\n* 7 EXPUNGE\r\n"
    b"* 12 EXISTS\r\n* 3 RECENT\r\n* FLAGS (\\Seen)\r\n* OK [ALERT] hear, hear\r\n* SEARCH\r\n"
)
FOLDERS = (
    b'* LIST (\\HasNoChildren) "/" {14}\r\nSent\r\nA1 NOOP\x00\r\n'
    b'* LIST (\\HasNoChildren) "/" "broken &utf7"\r\n* LIST () "/" "&2D0-"\r\n* LIST what ever\r\n'
    b'* LIST () NIL "&U,BTFw-"\r\n* LIST (\\Sent) "/" "Gesendete Objekte"\r\n'
)


def _each_search_apart(data: bytes) -> bytes:
    match = re.match(rb"\* SEARCH((?: \d+)*)\r\n", data)
    if match is None:
        return data
    lines = b"".join(b"* SEARCH %b\r\n" % uid for uid in match[1].split())
    return b"* SEARCH\r\n" + lines + lines + data[match.end() :]


HOSTILITIES: Mapping[str, Hostility] = {
    # The connection ends
    "ends in a literal": Hostility(on_bodies(Default(limit_bytes=300), Close()), "disconnected"),
    "breaks off in a literal": Hostility(on_bodies(Default(limit_bytes=300), Reset()), "disconnected"),
    "ends before the tagged answer": Hostility(
        changed_bodies(lambda data: b"" if b" OK " in data[:20] else data), "disconnected"
    ),
    "bye as greeting": Hostility(on("GREETING", Untagged("BYE go away"), Close()), "disconnected"),
    "busy as greeting": Hostility(
        on("GREETING", Untagged("BYE Too many simultaneous connections"), Close()), "throttled"
    ),
    "bye at sign-in": Hostility(on("AUTHENTICATE", Untagged("BYE not you"), Close()), "disconnected"),
    "bye in examine": Hostility(on("EXAMINE", Untagged("BYE not this"), Close()), "disconnected"),
    "bye in search": Hostility(on("UID SEARCH", Untagged("BYE not that"), Close()), "disconnected"),
    "bye in fetch": Hostility(on("UID FETCH", Untagged("BYE and gone"), Close()), "disconnected"),
    "bye in idle": Hostility(on("IDLE", Untagged("BYE no idling"), Close()), READ),
    "idle that ends at once": Hostility(on("IDLE", b"+ idling\r\n", Close()), READ),
    "idle refused": Hostility(on("IDLE", Answer("BAD what is that")), READ),
    # It refuses
    "in use": Hostility(on("EXAMINE", Answer("NO [INUSE] in use")), "throttled"),
    "unavailable": Hostility(on("AUTHENTICATE", Answer("NO [UNAVAILABLE] later")), "throttled"),
    "over quota": Hostility(on("UID FETCH", Answer("NO [OVERQUOTA] too much")), "throttled"),
    "throttled": Hostility(on("UID SEARCH", Answer("NO [THROTTLED] slow down")), "throttled"),
    "no such folder": Hostility(on("EXAMINE", Answer("NO [NONEXISTENT] what?")), "folder_missing"),
    "fetch refused": Hostility(on("UID FETCH", Answer("NO I will not")), "refused"),
    "fetch is bad": Hostility(on("UID FETCH", Answer("BAD I cannot")), "refused"),
    # It lets anybody in, or nobody
    "preauth": Hostility(on("GREETING", Untagged("PREAUTH welcome")), "preauth"),
    "login disabled": Hostility(no_log_in, "login_disabled"),
    # It takes its time
    "no greeting": Hostility(on("GREETING", Stall()), "unreachable"),
    "a slow greeting": Hostility(on("GREETING", Drip(b"* OK " + b"h" * 1000 + b"\r\n", 10)), "too_slow"),
    "no answer": Hostility(on("EXAMINE", Stall()), "disconnected"),
    "no answer to the sign-in": Hostility(on("AUTHENTICATE", Stall()), "disconnected"),
    "byte by byte": Hostility(on_bodies(Default(bytes_per_s=10)), "too_slow"),
    "line by line for ever": Hostility(on("EXAMINE", Drip(b"* OK wait\r\n" * 1000, 40)), "too_slow"),
    # It says too much
    "a literal of 100 GB": Hostility(
        on_bodies(b"* 1 FETCH (UID 1 BODY[] {100000000000}\r\n" + b"x" * 1000), "protocol_error"
    ),
    "a line of 10 MB": Hostility(on("UID SEARCH", b"* SEARCH " + b"1 " * 5_000_000), "protocol_error"),
    "endless lines": Hostility(on("UID SEARCH", Flood(b"* OK\r\n" * 1000)), "protocol_error"),
    "endless literals": Hostility(
        on_bodies(Flood(b"* 1 FETCH (UID 1 BODY[] {100000}\r\n" + b"x" * 100_000 + b")\r\n")),
        "protocol_error",
    ),
    # It lies
    "literals too short": Hostility(changed_bodies(literals(lambda _size: 5)), "protocol_error"),
    "literals too long": Hostility(changed_bodies(literals(lambda size: size + 5000)), "disconnected"),
    "another UID": Hostility(
        changed_bodies(lambda data: re.sub(rb"UID (\d+)", b"UID 77\\1", data)), "incomplete_answer"
    ),
    "no bodies": Hostility(on_bodies(Answer("OK nothing")), "incomplete_answer"),
    "sizes too small": Hostility(
        changed("UID FETCH", lambda data: re.sub(rb"SIZE \d+", b"SIZE 1", data)), READ
    ),
    "sizes too large": Hostility(
        changed("UID FETCH", lambda data: re.sub(rb"SIZE \d+", b"SIZE 9999", data)), READ
    ),
    "no UIDVALIDITY": Hostility(
        changed("EXAMINE", lambda data: re.sub(rb"\* OK \[UIDVALIDITY \d+\][^\r]*\r\n", b"", data)),
        "protocol_error",
    ),
    "no UIDNEXT": Hostility(
        changed("EXAMINE", lambda data: re.sub(rb"\* OK \[UIDNEXT \d+\][^\r]*\r\n", b"", data)), READ
    ),
    "no INTERNALDATE": Hostility(
        changed("UID FETCH", lambda data: re.sub(rb' ?INTERNALDATE "[^"]*"', b"", data)), READ
    ),
    "each UID found apart and twice": Hostility(changed("UID SEARCH", _each_search_apart), READ),
    "finds what is not there": Hostility(
        changed("UID SEARCH", lambda data: data.replace(b"* SEARCH", b"* SEARCH 999 4294967295 0")), READ
    ),
    # It says what nobody asked for
    "unasked": Hostility(lambda server: server.on("*", injected(UNASKED)), READ),
    "a tag of its own": Hostility(on("EXAMINE", b"ZZ99 OK done\r\n"), "protocol_error"),
    "another protocol": Hostility(on("EXAMINE", b"250 OK\r\n"), "protocol_error"),
    "folders with strange names": Hostility(on("LIST", FOLDERS, Answer("OK those")), READ),
    "a sent folder that is none": Hostility(on("STATUS", Answer("NO [NONEXISTENT] where?")), READ),
    "a sent folder that ends it all": Hostility(on("STATUS", Untagged("BYE"), Close()), READ),
}
