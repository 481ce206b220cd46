"""One signed-in connection to an IMAP server. Only this, `opening` and `sign_in` touch imapclient.

What the server or the network does wrong leaves here as `Unavailable`, `Refused` or `Misconfigured` (see
`postroom_fetcher.fault`). A session belongs to one thread at a time, and after an error it is of no more use,
`Refused` excepted. Every command has a deadline (`postroom_fetcher.deadline`), and its answer a
bound in bytes.
"""

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from imapclient import IMAPClient

from postroom.account import Account
from postroom.messages import FolderInfo
from postroom_fetcher.berth import FREE, Permit
from postroom_fetcher.connection import Connection
from postroom_fetcher.cursor import Selected
from postroom_fetcher.deadline import PATIENCE, PROCESS, Patience, cut
from postroom_fetcher.fault import Place, Refused, Unavailable, folder_missing, translated
from postroom_fetcher.folder_list import read_list, read_status
from postroom_fetcher.response import Answer, read_fetch, read_search
from postroom_fetcher.uid_set import uid_sets

STALE_AFTER_S = 60.0
"""A connection unused for so long is asked for a sign of life before it is trusted."""
LITERAL_BYTES = 16 * 1024 * 1024
"""The largest mail that is taken whole, in one answer; what travels inline is half of that at most."""
SLOWEST_BYTES_PER_S = 20_000
LINE_BYTES = 4096
"""What the answer about one mail takes beside its literals."""

_PARTIAL = re.compile(r"<[0-9]+\.([0-9]+)>")


class Session:
    """A signed-in connection. `permit` allows it (`postroom_fetcher.berth`), and is given back at its end."""

    def __init__(
        self, client: IMAPClient, place: Place, patience: Patience = PATIENCE, permit: Permit = FREE
    ) -> None:
        self._client = client
        self._place = place
        self._patience = patience
        self._idle_tag: bytes | None = None
        self._used_at = time.monotonic()
        self._capabilities: frozenset[str] | None = None
        self.permit = permit
        self.selected: Selected | None = None
        self.folder = ""

    @contextlib.contextmanager
    def _doing(self, doing: str, place: Place | None = None, sent_bytes: int = 0) -> Iterator[None]:
        """One command: its errors are translated, its time is bounded; more is given to what sends much."""
        where = place or self._place
        seconds = self._patience.command_s + sent_bytes / SLOWEST_BYTES_PER_S
        self._imap.forget()
        with (
            PROCESS.within(self._imap.sock, seconds, where, doing),
            translated(where, doing),
        ):
            yield
        self._used_at = time.monotonic()

    # Opening a folder

    def examine(self, folder: str) -> Selected:
        """Open a folder for reading (EXAMINE): nothing done here changes a flag.

        Raises:
            Misconfigured: There is no such folder.
        """
        return self._open(folder, readonly=True)

    def select(self, folder: str) -> Selected:
        """Open a folder for changing (SELECT). Raises as `examine`."""
        return self._open(folder, readonly=False)

    def _open(self, folder: str, *, readonly: bool) -> Selected:
        self.selected, self.folder = None, folder
        place = Place(self._place.host, self._place.port, folder)
        try:
            with self._doing("opening the folder", place):
                answer = self._client.select_folder(folder, readonly=readonly)
        except Refused as error:
            if error.code == "READ-ONLY":
                raise
            raise folder_missing(place, error) from error
        self.selected = self._read_selected(answer)
        # From here on an EXISTS is news.
        self._imap.untagged_responses.pop("EXISTS", None)
        return self.selected

    def _read_selected(self, answer: dict[bytes, object]) -> Selected:
        uidvalidity, exists = answer.get(b"UIDVALIDITY"), _number(answer.get(b"EXISTS"))
        if not isinstance(uidvalidity, int) or not 0 < uidvalidity < 2**32:
            raise Unavailable(
                "protocol_error",
                f"{self._place} gives the folder no UIDVALIDITY: its mails cannot be told apart",
            )
        uidnext = answer.get(b"UIDNEXT")
        if not isinstance(uidnext, int):
            uidnext = self._highest_uid() + 1 if exists else 1
        return Selected(uidvalidity, uidnext, exists)

    def _highest_uid(self) -> int:
        # RFC 3501 does not oblige a server to say UIDNEXT.
        return max(self.search("UID *"), default=0)

    # Reading

    def search(self, criteria: str) -> list[int]:
        """The UIDs that match the criteria, as the server gives them. The answer must fit a line of 1 MB."""
        with self._doing("SEARCH"):
            kind, lines = self._imap.uid("SEARCH", criteria)
            self._client._checkok("SEARCH", kind, lines)
            return read_search(lines)

    def search_message_ids(self, message_ids: Sequence[str], since: date | None = None) -> list[int]:
        """The UIDs of mails whose Message-ID contains one of these texts (RFC 9051, section 6.4.4, HEADER).

        At least one text. `since`: only of mails that came to the folder on this day or later.
        """
        when = [] if since is None else ["SINCE", since]
        either = [term for each in message_ids[:-1] for term in ("OR", "HEADER", "Message-ID", each)]
        criteria = [*when, *either, "HEADER", "Message-ID", message_ids[-1]]
        with self._doing("SEARCH"):
            charset = None if all(map(str.isascii, message_ids)) else "UTF-8"
            found: list[int] = self._client.search(criteria, charset)
            return list(found)

    def fetch(self, uids: Sequence[int], items: Sequence[str]) -> Answer:
        """The items of at most 500 mails, by UID; mails that are gone are not in the answer.

        A literal may be as long as the partial items (`BODY.PEEK[]<0.1000>`) say together, else
        `LITERAL_BYTES`; a longer one is not read.
        """
        asked = [int(length) for item in items for length in _PARTIAL.findall(item)]
        literal_bytes = sum(asked) or LITERAL_BYTES
        answer_bytes = (literal_bytes if not asked else literal_bytes * len(uids)) + LINE_BYTES * len(uids)
        with self._doing("FETCH"), self._imap.expecting(literal_bytes, answer_bytes + LITERAL_BYTES // 4):
            (uid_set,) = uid_sets(uids)
            kind, parts = self._imap.uid("FETCH", uid_set, f"({' '.join(items)})")
            self._client._checkok("FETCH", kind, parts)
            return read_fetch(parts)

    def uid_of(self, number: int) -> int | None:
        """The UID of the mail with this message sequence number; None if there are not so many mails."""
        with self._doing("FETCH"):
            kind, parts = self._imap.fetch(str(number), "(UID)")
            if kind != "OK":
                return None
            found: list[int] = list(read_fetch(parts))
            return max(found, default=None)

    @property
    def has_news(self) -> bool:
        """Whether the server has said since the folder was opened that there is more mail (EXISTS)."""
        return "EXISTS" in self._imap.untagged_responses

    def folders(self) -> tuple[FolderInfo, ...]:
        """All folders with their attributes (LIST, RFC 6154), those excepted whose names nobody could use."""
        with self._doing("LIST"):
            kind, lines = self._imap.list('""', "*")
            self._client._checkok("LIST", kind, lines)
            return read_list(lines)

    def status(self, folder: str) -> tuple[int, ...]:
        """A folder's UIDVALIDITY, UIDNEXT and number of mails, as far as they are told; it is not opened."""
        with self._doing("STATUS"):
            name = self._client._normalise_folder(folder)
            kind, lines = self._imap.status(name, "(UIDVALIDITY UIDNEXT MESSAGES)")
            self._client._checkok("STATUS", kind, lines)
            return read_status(lines)

    def noop(self) -> None:
        """Ask for a sign of life, which must come soon."""
        with self._doing("NOOP"), self._soon():
            self._client.noop()

    def is_stale(self) -> bool:
        """Whether the connection was not used for so long that it may be dead."""
        return time.monotonic() - self._used_at > STALE_AFTER_S

    def has(self, capability: str) -> bool:
        """Whether the server has a capability."""
        if self._capabilities is None:
            with self._doing("CAPABILITY"):
                self._capabilities = _shared(frozenset(self._client.capabilities()))
                # imapclient would keep them as well, each connection its own.
                self._client._cached_capabilities = None
                self._imap.untagged_responses.pop("CAPABILITY", None)
        return capability.upper() in self._capabilities

    # Changing

    def add_flag(self, uid_set: str, flag: str) -> None:
        """Set a flag on the mails in the set, in one command."""
        with self._doing("STORE"):
            self._client.add_flags(uid_set, [flag], silent=True)

    def expunge(self, uid_set: str) -> None:
        """Remove the mails in the set that are flagged as deleted, and no others (RFC 4315)."""
        with self._doing("UID EXPUNGE"):
            self._client.uid_expunge(uid_set)

    def move(self, uid_set: str, target: str) -> None:
        """Move the mails in the set to another folder (RFC 6851)."""
        with self._doing("MOVE"):
            self._client.move(uid_set, target)

    def copy(self, uid_set: str, target: str) -> None:
        """Copy the mails in the set to another folder."""
        with self._doing("COPY"):
            self._client.copy(uid_set, target)

    def append(self, folder: str, size_bytes: int, parts: Iterable[bytes], flags: Sequence[str]) -> None:
        """Put a mail into a folder, part by part: imaplib wants it whole, and writes its line ends anew."""
        with self._doing("APPEND", sent_bytes=size_bytes):
            imap: Any = self._imap
            name = self._client._normalise_folder(folder)
            tag = imap._command("APPEND", name, f"({' '.join(flags)})", f"{{{size_bytes}}}")
            while imap._get_response() is not None:
                if imap.tagged_commands[tag]:
                    kind, data = imap.tagged_commands.pop(tag)
                    self._client._checkok("APPEND", "NO" if kind == "OK" else kind, data)
                imap._check_bye()
            self._send_whole(parts)
            kind, data = imap._command_complete("APPEND", tag)
            self._client._checkok("APPEND", kind, data)

    def append_all(self, folder: str, contents: Sequence[bytes], flags: Sequence[str]) -> None:
        """Put mails into a folder in one command: all or none (MULTIAPPEND, RFC 3502, with LITERAL+)."""
        marks = f"({' '.join(flags)})"
        first, *others = contents
        rest = b"".join(part for each in others for part in (f" {marks} {{{len(each)}+}}\r\n".encode(), each))
        with self._doing("APPEND", sent_bytes=len(first) + len(rest)):
            imap: Any = self._imap
            name = self._client._normalise_folder(folder)
            tag = imap._command("APPEND", name, marks, f"{{{len(first)}+}}")
            self._send_whole([first, rest])
            kind, data = imap._command_complete("APPEND", tag)
            self._client._checkok("APPEND", kind, data)

    def _send_whole(self, parts: Iterable[bytes]) -> None:
        """Send the parts of a literal and the line's end; cut off in between, the server has nothing."""
        try:
            for part in parts:
                self._imap.send(part)
        except BaseException:
            self.interrupt()
            raise
        self._imap.send(b"\r\n")

    def create(self, folder: str) -> None:
        """Create a folder; nothing happens if it is there already."""
        try:
            with self._doing("CREATE"):
                self._client.create_folder(folder)
        except Refused as error:
            if error.code != "ALREADYEXISTS" and not self._exists(folder):
                raise

    def _exists(self, folder: str) -> bool:
        with self._doing("LIST"):
            return bool(self._client.folder_exists(folder))

    # Waiting for news (RFC 2177). imapclient's own idle_check neither sees what its buffer holds already nor
    # tells the end of the stream from silence; here whatever is readable ends the IDLE, which reads it all.

    def idle(self) -> bool:
        """Ask to be told of changes; returns whether there were some already since the folder was opened."""
        with self._doing("IDLE"):
            imap: Any = self._imap
            tag = imap._command("IDLE")
            while imap._get_response() is not None:
                if imap.tagged_commands[tag]:
                    kind, data = imap.tagged_commands.pop(tag)
                    self._client._checkok("IDLE", "NO" if kind == "OK" else kind, data)
                imap._check_bye()
            self._idle_tag = tag
            if "EXISTS" in imap.untagged_responses or imap.is_buffered():
                return True
            imap.rest()
            return False

    def end_idle(self) -> None:
        """Stop being told; nothing happens if that is not so."""
        tag, self._idle_tag = self._idle_tag, None
        if tag is None:
            return
        with self._doing("IDLE"), self._soon():
            imap: Any = self._imap
            imap.send(b"DONE\r\n")
            imap._command_complete("IDLE", tag)

    @contextlib.contextmanager
    def _soon(self) -> Iterator[None]:
        """In the block the server may be silent for no longer than a sign of life takes."""
        self._imap.sock.settimeout(self._patience.sign_of_life_s)
        try:
            yield
        finally:
            self._imap.sock.settimeout(self._patience.silence_s)

    def fileno(self) -> int:
        """The descriptor that becomes readable when the server says something during IDLE."""
        return int(self._imap.sock.fileno())

    def close(self) -> None:
        """End the connection without a word: a farewell could block."""
        with contextlib.suppress(Exception):
            self._client.shutdown()
        self.permit.give_back()

    def interrupt(self) -> None:
        """End the connection under the hands of another thread, which gets an error."""
        with contextlib.suppress(Exception):
            cut(self._imap.sock)

    @property
    def _imap(self) -> Connection:
        connection: Connection = self._client._imap
        return connection


@lru_cache(maxsize=256)
def _shared(capabilities: frozenset[bytes]) -> frozenset[str]:
    """The same object for all connections whose servers can do the same."""
    return frozenset(sys.intern(each.decode("ascii", "replace").upper()) for each in capabilities)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


Connect = Callable[[Account], Session]
"""Makes a session for an account; what `postroom_fetcher.opening.connector` returns."""
