"""One signed-in connection to an IMAP server. Only this, `opening` and `sign_in` touch imapclient.

What the server or the network does wrong leaves here as `Unavailable`, `Refused` or `Misconfigured` (see
`postroom_fetcher.fault`). A session belongs to one thread at a time, and after an error it is of no more use,
`Refused` excepted.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from imapclient import IMAPClient

from postroom.account import Account
from postroom.messages import FolderInfo
from postroom_fetcher.cursor import Selected
from postroom_fetcher.fault import Place, Refused, Unavailable, folder_missing, translated
from postroom_fetcher.response import Answer, read_fetch, read_search
from postroom_fetcher.uid_set import uid_sets

COMMAND_TIMEOUT_S = 30.0
"""The longest silence of a server during a command."""


class Session:
    """A signed-in connection."""

    def __init__(self, client: IMAPClient, place: Place) -> None:
        self._client = client
        self._place = place
        self._idle_tag: bytes | None = None
        self.selected: Selected | None = None
        self.folder = ""

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
            with translated(place, "opening the folder"):
                answer = self._client.select_folder(folder, readonly=readonly)
        except Refused as error:
            if error.code == "READ-ONLY":
                raise
            raise folder_missing(place, error) from error
        self.selected = self._read_selected(answer)
        # From here on an EXISTS is news.
        self._imap.untagged_responses.pop("EXISTS", None)
        return self.selected

    def _read_selected(self, answer: dict[bytes, Any]) -> Selected:
        uidvalidity, exists = answer.get(b"UIDVALIDITY"), int(answer.get(b"EXISTS", 0))
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
        with translated(self._place, "SEARCH"):
            kind, lines = self._imap.uid("SEARCH", criteria)
            self._client._checkok("SEARCH", kind, lines)
            return read_search(lines)

    def search_message_id(self, message_id: str) -> list[int]:
        """The UIDs of mails whose Message-ID contains this text (RFC 9051, section 6.4.4, HEADER)."""
        with translated(self._place, "SEARCH"):
            charset = None if message_id.isascii() else "UTF-8"
            found: list[int] = self._client.search(["HEADER", "Message-ID", message_id], charset)
            return list(found)

    def fetch(self, uids: Sequence[int], items: Sequence[str]) -> Answer:
        """The items of at most 500 mails, by UID; mails that are gone are not in the answer."""
        with translated(self._place, "FETCH"):
            (uid_set,) = uid_sets(uids)
            kind, parts = self._imap.uid("FETCH", uid_set, f"({' '.join(items)})")
            self._client._checkok("FETCH", kind, parts)
            return read_fetch(parts)

    def uid_of(self, number: int) -> int | None:
        """The UID of the mail with this message sequence number; None if there are not so many mails."""
        with translated(self._place, "FETCH"):
            kind, parts = self._imap.fetch(str(number), "(UID)")
            if kind != "OK":
                return None
            return max(read_fetch(parts), default=None)

    @property
    def has_news(self) -> bool:
        """Whether the server has said since the folder was opened that there is more mail (EXISTS)."""
        return "EXISTS" in self._imap.untagged_responses

    def folders(self) -> tuple[FolderInfo, ...]:
        """All folders with their attributes (LIST, RFC 6154)."""
        with translated(self._place, "LIST"):
            return tuple(
                FolderInfo(
                    name=str(name), attributes=tuple(flag.decode("ascii", "replace") for flag in flags)
                )
                for flags, _delimiter, name in self._client.list_folders()
            )

    def noop(self) -> None:
        """Ask for a sign of life."""
        with translated(self._place, "NOOP"):
            self._client.noop()

    def has(self, capability: str) -> bool:
        """Whether the server has a capability."""
        with translated(self._place, "CAPABILITY"):
            return bool(self._client.has_capability(capability))

    # Changing

    def add_flag(self, uid_set: str, flag: str) -> None:
        """Set a flag on the mails in the set, in one command."""
        with translated(self._place, "STORE"):
            self._client.add_flags(uid_set, [flag], silent=True)

    def expunge(self, uid_set: str) -> None:
        """Remove the mails in the set that are flagged as deleted, and no others (RFC 4315)."""
        with translated(self._place, "UID EXPUNGE"):
            self._client.uid_expunge(uid_set)

    def move(self, uid_set: str, target: str) -> None:
        """Move the mails in the set to another folder (RFC 6851)."""
        with translated(self._place, "MOVE"):
            self._client.move(uid_set, target)

    def copy(self, uid_set: str, target: str) -> None:
        """Copy the mails in the set to another folder."""
        with translated(self._place, "COPY"):
            self._client.copy(uid_set, target)

    def append(self, folder: str, content: bytes, flags: Sequence[str]) -> None:
        """Put a mail into a folder."""
        with translated(self._place, "APPEND"):
            self._client.append(folder, content, list(flags))

    def create(self, folder: str) -> None:
        """Create a folder; nothing happens if it is there already."""
        try:
            with translated(self._place, "CREATE"):
                self._client.create_folder(folder)
        except Refused as error:
            if error.code != "ALREADYEXISTS" and not self._exists(folder):
                raise

    def _exists(self, folder: str) -> bool:
        with translated(self._place, "LIST"):
            return bool(self._client.folder_exists(folder))

    # Waiting for news (RFC 2177). imapclient's own idle_check neither sees what its buffer holds already nor
    # tells the end of the stream from silence; here whatever is readable ends the IDLE, which reads it all.

    def idle(self) -> bool:
        """Ask to be told of changes; returns whether there were some already since the folder was opened."""
        with translated(self._place, "IDLE"):
            imap = self._imap
            tag = imap._command("IDLE")
            while imap._get_response() is not None:
                if imap.tagged_commands[tag]:
                    kind, data = imap.tagged_commands.pop(tag)
                    self._client._checkok("IDLE", "NO" if kind == "OK" else kind, data)
            self._idle_tag = tag
            return "EXISTS" in imap.untagged_responses or self._is_buffered()

    def end_idle(self) -> None:
        """Stop being told; nothing happens if that is not so."""
        tag, self._idle_tag = self._idle_tag, None
        if tag is None:
            return
        with translated(self._place, "IDLE"):
            imap = self._imap
            imap.send(b"DONE\r\n")
            imap._command_complete("IDLE", tag)

    def fileno(self) -> int:
        """The descriptor that becomes readable when the server says something during IDLE."""
        return int(self._client.socket().fileno())

    def _is_buffered(self) -> bool:
        connection = self._client.socket()
        connection.setblocking(False)
        try:
            return bool(self._imap.file.peek(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            connection.settimeout(COMMAND_TIMEOUT_S)

    def close(self) -> None:
        """End the connection without a word: a farewell could block."""
        with contextlib.suppress(Exception):
            self._client.shutdown()

    def interrupt(self) -> None:
        """End the connection under the hands of another thread, which gets an error."""
        with contextlib.suppress(Exception):
            self._client.socket().shutdown(socket.SHUT_RDWR)

    @property
    def _imap(self) -> Any:
        return self._client._imap


Connect = Callable[[Account], Session]
"""Makes a session for an account; what `postroom_fetcher.opening.connector` returns."""
