"""What the scripted server does where no script says otherwise: a small, correct IMAP4rev1 server.

RFC 3501 without what the fetcher does not need (BODYSTRUCTURE, ENVELOPE, parts of MIME), with IDLE (2177),
UIDPLUS (4315), MOVE (6851), ID (2971), UNSELECT (3691), SPECIAL-USE (6154), SASL-IR (4959).
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.servers.imap_connection import GREETING, Connection
from tests.servers.imap_fetch import Items, answers
from tests.servers.imap_folder import Folder, Mail, Mailbox, Whole
from tests.servers.imap_grammar import Command, Ranges, Refusal, Token, quoted, read_set, written_set
from tests.servers.imap_search import search
from tests.servers.imap_wire import Gone

NOT_SIGNED_IN = ("IMAP4rev1", "SASL-IR", "ID", "AUTH=PLAIN")
SIGNED_IN = ("IMAP4rev1", "ID", "IDLE", "UIDPLUS", "MOVE", "UNSELECT", "NAMESPACE", "SPECIAL-USE")
SEARCH_PIECE_UIDS = 5_000

Pieces = Generator[bytes, None, "str | None"]
"""Untagged answers, and at the end the tagged one; None is `OK … done`."""


@dataclass
class House:
    """What all connections share: users, capabilities, the TLS of STARTTLS."""

    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    also: tuple[str, ...] = ()
    starttls: ssl.SSLContext | None = None

    def capabilities(self, connection: Connection) -> list[str]:
        """What is offered now."""
        names = [*(NOT_SIGNED_IN if connection.mailbox is None else SIGNED_IN), *self.also]
        if self.starttls is not None and not connection.wire.secure:
            names.append("STARTTLS")
        return [name for name in names if name not in self.without]

    def mailbox(self, user: str, password: str) -> Mailbox:
        """The mailbox of a user who signs in.

        Raises:
            Refusal: That is not the password.
        """
        found = self.mailboxes.get(user)
        if found is None or found.password != password:
            raise Refusal("NO [AUTHENTICATIONFAILED] wrong user or password")
        return found

    async def perform(self, connection: Connection, command: Command) -> None:
        """Greet, or do and answer a command.

        Raises:
            Gone: The connection is to end.
        """
        if command is GREETING:
            offered = " ".join(self.capabilities(connection))
            await connection.send(f"* OK [CAPABILITY {offered}] hello\r\n".encode())
        else:
            await _answer(self, connection, command)


@dataclass(frozen=True)
class _Call:
    house: House
    connection: Connection
    command: Command

    @property
    def mailbox(self) -> Mailbox:
        if self.connection.mailbox is None:
            raise Refusal("BAD sign in first")
        return self.connection.mailbox

    @property
    def folder(self) -> Folder:
        if self.connection.folder is None:
            raise Refusal("BAD open a folder first")
        return self.connection.folder

    @property
    def changeable(self) -> Folder:
        folder = self.folder
        if self.connection.read_only:
            raise Refusal("NO [READ-ONLY] the folder is open for reading only")
        return folder

    def named(self, argument: int) -> Folder:
        folder = self.mailbox.folders.get(_folder_name(self.command.string(argument)))
        if folder is None:
            raise Refusal("NO [NONEXISTENT] there is no such folder")
        return folder

    def target(self, argument: int) -> Folder:
        try:
            return self.named(argument)
        except Refusal as refusal:
            raise Refusal(refusal.answer.replace("NONEXISTENT", "TRYCREATE")) from refusal

    def uids(self) -> Iterator[int]:
        """The mails in the first argument, by UID or number as the command says."""
        folder, text = self.folder, self.command.string(0)
        if self.command.name.startswith("UID "):
            return folder.uids(read_set(text, max(folder.uidnext - 1, 1)))
        return folder.uids(_by_number(folder, read_set(text, max(folder.exists, 1))))


def _by_number(folder: Folder, numbers: Ranges) -> Ranges:
    exists = folder.exists
    if not numbers or numbers[-1][1] > exists:
        raise Refusal("BAD there are not so many mails")
    return [(folder.uid(first), folder.uid(last)) for first, last in numbers]


def _folder_name(wire: bytes) -> str:
    if not wire or any(byte in wire for byte in b"\r\n\0"):
        raise Refusal("BAD this is no name of a folder")
    name = wire.decode("ascii", "backslashreplace")
    return "INBOX" if name.upper() == "INBOX" else name


async def _answer(house: House, connection: Connection, command: Command) -> None:
    needed = _CAPABILITIES.get(command.name)
    if needed is not None and needed in house.without:
        await _complete(connection, command, f"BAD {command.name} is not offered")
    elif command.name in _CONVERSATIONS:
        await _CONVERSATIONS[command.name](house, connection, command)
    else:
        handler = _HANDLERS.get(command.name, _unknown)
        await _complete(connection, command, await _done(handler, _Call(house, connection, command)))
    if command.name == "LOGOUT":
        raise Gone("LOGOUT")


async def _done(handler: Callable[[_Call], Pieces], call: _Call) -> str:
    tells = call.command.name not in _SILENT
    await call.connection.send(call.connection.take_news() if tells else b"")
    pieces = handler(call)
    completion = f"OK {call.command.name} done"
    try:
        while True:
            await call.connection.send(next(pieces))
    except StopIteration as end:
        completion = end.value or completion
    except Refusal as refusal:
        completion = refusal.answer
    await call.connection.send(call.connection.take_news() if tells else b"")
    return completion


async def _complete(connection: Connection, command: Command, text: str) -> None:
    await connection.send(command.tag + b" " + text.encode() + b"\r\n")


# What talks back and forth


async def _idle(_house: House, connection: Connection, command: Command) -> None:
    if connection.folder is None:
        await _complete(connection, command, "BAD open a folder first")
        return
    await connection.send(b"+ idling\r\n" + connection.take_news())
    connection.idling = True
    try:
        await connection.send(connection.take_news())
        line = await connection.read_line()
    finally:
        connection.idling = False
    await _complete(connection, command, "OK done" if line.upper() == b"DONE" else "BAD DONE is needed here")


async def _authenticate(house: House, connection: Connection, command: Command) -> None:
    try:
        if command.string(0).upper() != b"PLAIN":
            raise Refusal("NO [CANNOT] only PLAIN")
        if len(command.tokens) > 1:
            response = command.string(1)
        else:
            await connection.send(b"+ \r\n")
            response = await connection.read_line()
        connection.mailbox = house.mailbox(*_plain(response))
        text = f"OK [CAPABILITY {' '.join(house.capabilities(connection))}] hello"
    except Refusal as refusal:
        text = refusal.answer
    await _complete(connection, command, text)


def _plain(response: bytes) -> tuple[str, str]:
    """User and password in a response of SASL PLAIN (RFC 4616)."""
    try:
        _authorized, user, password = base64.b64decode(response, validate=True).split(b"\0")
        return user.decode(), password.decode()
    except (binascii.Error, ValueError) as error:
        raise Refusal("BAD this is no response of PLAIN") from error


async def _starttls(house: House, connection: Connection, command: Command) -> None:
    if house.starttls is None or connection.wire.secure:
        await _complete(connection, command, "BAD no STARTTLS now")
        return
    await _complete(connection, command, "OK begin TLS")
    await connection.wire.start_tls(house.starttls)


# What only answers. Each yields the untagged answers and returns the tagged one.


def _unknown(call: _Call) -> Pieces:
    yield from ()
    return f"BAD {call.command.name} is not known"


def _nothing(_call: _Call) -> Pieces:
    yield from ()
    return None


def _capability(call: _Call) -> Pieces:
    yield f"* CAPABILITY {' '.join(call.house.capabilities(call.connection))}\r\n".encode()
    return None


def _id(_call: _Call) -> Pieces:
    yield b'* ID ("name" "scripted")\r\n'
    return None


def _namespace(_call: _Call) -> Pieces:
    yield b'* NAMESPACE (("" "/")) NIL NIL\r\n'
    return None


def _logout(_call: _Call) -> Pieces:
    yield b"* BYE farewell\r\n"
    return None


def _login(call: _Call) -> Pieces:
    yield from ()
    if "LOGINDISABLED" in call.house.also:
        raise Refusal("NO [PRIVACYREQUIRED] LOGIN is disabled")
    user, password = (call.command.string(number).decode("utf-8", "replace") for number in (0, 1))
    call.connection.mailbox = call.house.mailbox(user, password)
    return f"OK [CAPABILITY {' '.join(call.house.capabilities(call.connection))}] hello"


def _select(call: _Call) -> Pieces:
    call.connection.leave()
    folder = call.named(0)
    read_only = call.command.name == "EXAMINE"
    exists = call.connection.open(folder, read_only=read_only)
    yield b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
    yield b"* OK [PERMANENTFLAGS (%b)] flags\r\n" % (
        b"" if read_only else b"\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*"
    )
    yield b"* %d EXISTS\r\n* 0 RECENT\r\n" % exists
    yield b"* OK [UIDVALIDITY %d] valid\r\n* OK [UIDNEXT %d] next\r\n" % (folder.uidvalidity, folder.uidnext)
    return f"OK [{'READ-ONLY' if read_only else 'READ-WRITE'}] opened"


def _unselect(call: _Call) -> Pieces:
    yield from ()
    assert call.folder is not None
    call.connection.leave()
    return None


def _close(call: _Call) -> Pieces:
    if not call.connection.read_only:
        _remove_deleted(call.folder, call.folder.uids())
    return (yield from _unselect(call))


def _expunge(call: _Call) -> Pieces:
    yield from ()
    uids = call.uids() if call.command.name == "UID EXPUNGE" else call.folder.uids()
    _remove_deleted(call.changeable, uids)
    return None


def _remove_deleted(folder: Folder, uids: Iterable[int]) -> None:
    for uid in [uid for uid in uids if "\\Deleted" in folder.flags(uid)]:
        folder.remove(uid)


def _search(call: _Call) -> Pieces:
    folder = call.folder
    by_uid = call.command.name.startswith("UID ")
    waiting = [b"* SEARCH"]
    for uid in search(folder, call.command.tokens):
        waiting.append(b"%d" % (uid if by_uid else folder.number(uid)))
        if len(waiting) > SEARCH_PIECE_UIDS:
            yield b" ".join(waiting)
            waiting = [b""]
    yield b" ".join(waiting) + b"\r\n"
    return None


def _fetch(call: _Call) -> Pieces:
    if len(call.command.tokens) != 2:
        raise Refusal("BAD FETCH needs mails and items")
    folder = call.folder
    items = Items.read(call.command.tokens[1], with_uid=call.command.name.startswith("UID "))
    if items.marks_read and not call.connection.read_only:
        for uid in call.uids():
            folder.set_flags(uid, folder.flags(uid) | {"\\Seen"}, besides=call.connection)
    yield from answers(folder, call.uids(), items)
    return None


def _store(call: _Call) -> Pieces:
    folder = call.changeable
    if len(call.command.tokens) < 3:
        raise Refusal("BAD STORE needs mails, what to do, and flags")
    action, _dot, silent = call.command.string(1).upper().partition(b".")
    if action not in _CHANGES:
        raise Refusal("BAD STORE knows FLAGS, +FLAGS and -FLAGS")
    given = _flags(call.command.tokens[2:])
    for uid in call.uids():
        flags = _CHANGES[action](folder.flags(uid), given)
        folder.set_flags(uid, flags, besides=call.connection)
        if not silent:
            shown = " ".join(sorted(flags))
            yield f"* {folder.number(uid)} FETCH (UID {uid} FLAGS ({shown}))\r\n".encode()
    return None


def _flags(tokens: list[Token]) -> frozenset[str]:
    flat = [flag for token in tokens for flag in (token if isinstance(token, list) else [token])]
    return frozenset(flag.decode("ascii", "replace") for flag in flat if not isinstance(flag, list))


def _copy(call: _Call) -> Pieces:
    yield from ()
    pairs = _copied(call, call.target(1))
    return f"OK {_copy_code(call, pairs)}copied"


def _move(call: _Call) -> Pieces:
    folder, target = call.changeable, call.target(1)
    pairs = _copied(call, target)
    yield f"* OK {_copy_code(call, pairs)}moved\r\n".encode()
    for uid, _copy_uid in pairs:
        folder.remove(uid)
    return None


def _copied(call: _Call, target: Folder) -> list[tuple[int, int]]:
    folder = call.folder
    return [
        (uid, target.add(Mail(folder.mail(uid).content, folder.flags(uid), folder.mail(uid).arrived_at)))
        for uid in list(call.uids())
    ]


def _copy_code(call: _Call, pairs: list[tuple[int, int]]) -> str:
    if not pairs or "UIDPLUS" in call.house.without:
        return ""
    old, new = (written_set([pair[side] for pair in pairs]) for side in (0, 1))
    return f"[COPYUID {call.target(1).uidvalidity} {old} {new}] "


def _append(call: _Call) -> Pieces:
    yield from ()
    target, *options = call.command.tokens
    folder = call.target(0)
    assert not isinstance(target, list)
    flags = _flags([option for option in options if isinstance(option, list)])
    uid = folder.add(Mail(Whole(call.command.string(len(call.command.tokens) - 1)), flags))
    return (
        "OK appended"
        if "UIDPLUS" in call.house.without
        else (f"OK [APPENDUID {folder.uidvalidity} {uid}] appended")
    )


def _create(call: _Call) -> Pieces:
    yield from ()
    name = _folder_name(call.command.string(0))
    if name in call.mailbox.folders:
        raise Refusal("NO [ALREADYEXISTS] that folder is there")
    call.mailbox.create_wire(name)
    return None


def _delete(call: _Call) -> Pieces:
    yield from ()
    del call.mailbox.folders[call.named(0).name]
    return None


def _list(call: _Call) -> Pieces:
    tokens = call.command.tokens
    only_special = isinstance(tokens[0], list) and b"SPECIAL-USE" in tokens[0]
    first = 1 if isinstance(tokens[0], list) else 0
    pattern = call.command.string(first) + call.command.string(first + 1)
    if not call.command.string(first + 1):
        yield b'* LIST (\\Noselect) "/" ""\r\n'
        return None
    for folder in list(call.mailbox.folders.values()):
        if _fits(folder.name, pattern) and (folder.attributes or not only_special):
            yield _list_line(call, folder)
    return None


def _fits(name: str, pattern: bytes) -> bool:
    text = re.escape(pattern.decode("ascii", "backslashreplace"))
    expression = text.replace(r"\*", ".*").replace("%", "[^/]*")
    return (
        re.fullmatch(expression, name, re.DOTALL | re.IGNORECASE if name == "INBOX" else re.DOTALL)
        is not None
    )


def _list_line(call: _Call, folder: Folder) -> bytes:
    special = () if "SPECIAL-USE" in call.house.without else folder.attributes
    shown = " ".join(("\\HasNoChildren", *special)).encode()
    kind = call.command.name.encode()
    return b'* %b (%b) "/" %b\r\n' % (kind, shown, quoted(folder.name.encode("latin-1", "replace")))


def _status(call: _Call) -> Pieces:
    folder = call.named(0)
    asked = call.command.tokens[1] if len(call.command.tokens) > 1 else []
    names = [item.decode("ascii", "replace").upper() for item in asked if isinstance(item, bytes)]
    if not names or any(name not in _STATUS for name in names):
        raise Refusal("BAD STATUS of what?")
    shown = " ".join(f"{name} {_STATUS[name](folder)}" for name in names)
    yield b"* STATUS %b (%b)\r\n" % (quoted(folder.name.encode("latin-1", "replace")), shown.encode())
    return None


_STATUS: Mapping[str, Callable[[Folder], int]] = {
    "MESSAGES": lambda folder: folder.exists,
    "UIDNEXT": lambda folder: folder.uidnext,
    "UIDVALIDITY": lambda folder: folder.uidvalidity,
    "UNSEEN": lambda folder: sum(1 for _uid in search(folder, [b"UNSEEN"])),
    "RECENT": lambda _folder: 0,
}
_CHANGES: Mapping[bytes, Callable[[frozenset[str], frozenset[str]], frozenset[str]]] = {
    b"FLAGS": lambda _old, given: given,
    b"+FLAGS": lambda old, given: old | given,
    b"-FLAGS": lambda old, given: old - given,
}
_CONVERSATIONS: Mapping[str, Callable[[House, Connection, Command], Awaitable[None]]] = {
    "IDLE": _idle,
    "AUTHENTICATE": _authenticate,
    "STARTTLS": _starttls,
}
_HANDLERS: Mapping[str, Callable[[_Call], Pieces]] = {
    "CAPABILITY": _capability,
    "NOOP": _nothing,
    "CHECK": _nothing,
    "ID": _id,
    "NAMESPACE": _namespace,
    "LOGOUT": _logout,
    "LOGIN": _login,
    "SELECT": _select,
    "EXAMINE": _select,
    "UNSELECT": _unselect,
    "CLOSE": _close,
    "EXPUNGE": _expunge,
    "UID EXPUNGE": _expunge,
    "SEARCH": _search,
    "UID SEARCH": _search,
    "FETCH": _fetch,
    "UID FETCH": _fetch,
    "STORE": _store,
    "UID STORE": _store,
    "COPY": _copy,
    "UID COPY": _copy,
    "MOVE": _move,
    "UID MOVE": _move,
    "APPEND": _append,
    "CREATE": _create,
    "DELETE": _delete,
    "SUBSCRIBE": _nothing,
    "UNSUBSCRIBE": _nothing,
    "LIST": _list,
    "LSUB": _list,
    "STATUS": _status,
}
_CAPABILITIES: Mapping[str, str] = {
    "IDLE": "IDLE",
    "UID EXPUNGE": "UIDPLUS",
    "MOVE": "MOVE",
    "UID MOVE": "MOVE",
    "ID": "ID",
    "UNSELECT": "UNSELECT",
    "NAMESPACE": "NAMESPACE",
}
# RFC 3501, section 7.4.1: sequence numbers must not change under these.
_SILENT = frozenset({"FETCH", "STORE", "SEARCH"})
