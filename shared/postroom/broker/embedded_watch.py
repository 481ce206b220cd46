"""Tells the other processes of a commit to the embedded broker's file, and hears of theirs.

SQLite itself only has a number that changes with a commit (`PRAGMA data_version`) and would have to be looked
at many times a second. So every process that uses the file has a datagram socket in a folder that follows
from the file's path; whoever makes messages available sends one byte to each. A lost byte costs no more than
`POLL_S`: the number is looked at as well, which also serves processes that do not share the folder.
"""

import hashlib
import logging
import os
import secrets
import socket
import sqlite3
import stat
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from postroom.broker.embedded_schema import open_database

logger = logging.getLogger(__name__)

POLL_S = 0.25
REAP_S = 1.0
TROUBLE_PAUSE_S = 1.0


def tell(path: Path) -> None:
    """Wake every process that watches the file; nothing that goes wrong here matters."""
    folder = _folder(path)
    try:
        places = list(folder.iterdir()) if _is_ours(folder) else []
    except OSError:
        return
    if not places:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for place in places:
            try:
                sender.sendto(b"\0", str(place))
            except ConnectionRefusedError:
                # Its process is gone without having tidied up.
                place.unlink(missing_ok=True)
                with suppress(OSError):
                    folder.rmdir()
            except OSError:
                # Full: it has been woken and not looked yet.
                continue


class Watch:
    """What one connection holds of the watch; `fileno` is readable after a commit."""

    def __init__(self, watcher: "_Watcher") -> None:
        self._watcher = watcher
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._reader.fileno()

    @property
    def reap_at(self) -> float:
        """When this process looks next whether others are gone (monotonic seconds)."""
        return self._watcher.reap_at

    def may_reap(self) -> bool:
        """Whether it is time for that, and this connection's turn: one does it for all of the process."""
        with _LOCK:
            now = time.monotonic()
            is_due = now >= self._watcher.reap_at
            if is_due:
                self._watcher.reap_at = now + REAP_S
        return is_due

    def seen(self) -> None:
        """Take note: readable again only after the next commit."""
        with suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def wake(self) -> None:
        """Make it readable."""
        # Full means that it is readable already, closed that nobody looks any more.
        with suppress(BlockingIOError, OSError):
            self._writer.send(b"\0")

    def close(self) -> None:
        """Stop watching."""
        self._watcher.remove(self)
        self._reader.close()
        self._writer.close()


def watch(path: Path) -> Watch:
    """Begin to watch the file, together with all others of this process that do."""
    with _LOCK:
        key = (os.getpid(), path.absolute())
        watcher = _WATCHERS.get(key)
        if watcher is None:
            watcher = _WATCHERS[key] = _Watcher(key)
        return watcher.add()


class _Watcher:
    """The thread of this process, and the connections it wakes. It ends with the last of them."""

    def __init__(self, key: tuple[int, Path]) -> None:
        self._key = key
        self.reap_at = 0.0
        self._watches: list[Watch] = []
        self._ended = False
        self._ear, self._place = _ear(key[1])
        threading.Thread(target=self._run, name="embedded broker watch", daemon=True).start()

    def add(self) -> Watch:
        made = Watch(self)
        self._watches.append(made)
        return made

    def remove(self, gone: Watch) -> None:
        with _LOCK:
            if gone in self._watches:
                self._watches.remove(gone)
            if self._watches or self._ended:
                return
            self._ended = True
            _WATCHERS.pop(self._key, None)
            if self._place is not None:
                self._place.unlink(missing_ok=True)
                # Not empty: others watch too.
                with suppress(OSError):
                    self._place.parent.rmdir()

    def _run(self) -> None:
        try:
            while not self._ended:
                try:
                    self._listen()
                except (sqlite3.Error, OSError) as error:
                    logger.warning(
                        "the embedded broker's file cannot be watched", extra={"error": str(error)}
                    )
                    # Whoever waits finds out for himself what is wrong.
                    self._wake_all()
                    time.sleep(TROUBLE_PAUSE_S)
        finally:
            self._ear.close()

    def _listen(self) -> None:
        database = open_database(self._key[1])
        try:
            look, hear, seen = database.execute, self._ear.recv, None
            while not self._ended:
                with suppress(TimeoutError):
                    hear(4096)
                    self._wake_all()
                if (version := look("PRAGMA data_version").fetchone()) != seen:
                    seen = version
                    self._wake_all()
        finally:
            database.close()

    def _wake_all(self) -> None:
        with _LOCK:
            watches = list(self._watches)
        for each in watches:
            each.wake()


def _folder(path: Path) -> Path:
    # Not beside the file: the name of a socket may not be longer than about 100 characters.
    digest = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"postroom-{os.getuid()}-{digest}"


def _is_ours(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _ear(path: Path) -> tuple[socket.socket, Path | None]:
    """The socket that others tell of commits; without a place where they find it if none can be made."""
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.settimeout(POLL_S)
    place = _folder(path) / f"{os.getpid()}-{secrets.token_hex(4)}"
    try:
        _bind(ear, place)
    except OSError as error:
        logger.warning("commits are only looked for", extra={"error": str(error), "poll_s": POLL_S})
        # Perhaps the folder could be made and only the socket's name is too long.
        with suppress(OSError):
            place.parent.rmdir()
        return ear, None
    return ear, place


def _bind(ear: socket.socket, place: Path) -> None:
    for _ in range(10):
        place.parent.mkdir(mode=0o700, exist_ok=True)
        # Whoever watched last may remove the folder in between.
        with suppress(FileNotFoundError):
            if not _is_ours(place.parent):
                raise PermissionError(f"{place.parent} is not ours")
            ear.bind(str(place))
            return
    raise FileNotFoundError(f"{place.parent} does not stay")


_LOCK = threading.Lock()
_WATCHERS: dict[tuple[int, Path], _Watcher] = {}
