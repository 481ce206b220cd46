"""The spool: mail too large for a message, stored under the hash of its content.

A file is written aside, synced and renamed, so it is there whole or not at all; it is read back against its
hash, so what was damaged is never used. The same content is stored once, also for two mails that have it.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from postroom.errors import Misconfigured, Permanent, Transient

PART_BYTES = 256 * 1024
_SCHEME = "spool:sha256:"
_REFERENCE = re.compile(rf"{_SCHEME}([0-9a-f]{{64}})")
Kept = Callable[[Collection[str]], Collection[str]]


class Spool:
    """A folder of content-addressed files, readable by its owner only; processes may share it.

    Raises:
        Misconfigured: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                "spool_dir", f"the spool {folder} cannot be made: {error.strerror}"
            ) from error

    def put(self, chunks: Iterable[bytes]) -> str:
        """Store the content durably and return its reference.

        Raises:
            Transient: the disk is full or gone. What `chunks` raises goes through; nothing is stored then.
        """
        drafts = self.drafts()
        try:
            reference = drafts.put(chunks)
            drafts.keep()
        finally:
            drafts.drop()
        return reference

    def drafts(self) -> "Drafts":
        """For contents that are written now and made durable later, perhaps by another thread."""
        return Drafts(self)

    def write_draft(self, chunks: Iterable[bytes]) -> tuple[Path, str]:
        """Write a draft, for `Drafts` alone; returns where it is, and its hash. Raises as `put`."""
        draft = self._folder / f".draft-{os.getpid()}-{secrets.token_hex(8)}"
        digest = hashlib.sha256()
        with self._translated("written"):
            file = draft.open("xb", buffering=0)
        try:
            with file:
                for chunk in chunks:
                    digest.update(chunk)
                    with self._translated("written"):
                        _write(file, chunk)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return draft, digest.hexdigest()

    def keep_drafts(self, drafts: Mapping[Path, str]) -> None:
        """Make drafts durable under their hashes, for `Drafts` alone. Raises Transient."""
        with self._translated("written"):
            for draft in drafts:
                _sync(draft)
            folders = {self._move_in(draft, self._path(sha256)) for draft, sha256 in drafts.items()}
            # The first one writes what the others changed too, on most file systems: so these come last.
            for folder in folders:
                _sync(folder)

    def get(self, reference: str) -> bytes:
        """The content of a reference.

        Raises:
            Permanent: it is not there, damaged, or the reference is malformed.
            Transient: the disk does not answer.
        """
        sha256 = _sha256_of(reference)
        try:
            content = self._path(sha256).read_bytes()
        except FileNotFoundError as error:
            raise Permanent(f"{reference} is not in the spool {self._folder}") from error
        except OSError as error:
            raise self._unusable("read", error) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Permanent(f"{reference} is damaged: its content has another hash")
        return content

    def head(self, reference: str, size_bytes: int) -> bytes:
        """The first bytes of a content, so many at most; whether it is damaged is not looked at.

        Raises:
            Permanent, Transient: as `get`.
        """
        try:
            with self._path(_sha256_of(reference)).open("rb") as file:
                return file.read(size_bytes)
        except FileNotFoundError as error:
            raise Permanent(f"{reference} is not in the spool {self._folder}") from error
        except OSError as error:
            raise self._unusable("read", error) from error

    @contextmanager
    def reading(self, reference: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The length in bytes of a content, and its parts in order: for contents too large for memory.

        Raises:
            Permanent, Transient: As `get`; that it is damaged is found before the first part is given.
        """
        sha256 = _sha256_of(reference)
        try:
            file = self._path(sha256).open("rb", buffering=0)
        except FileNotFoundError as error:
            raise Permanent(f"{reference} is not in the spool {self._folder}") from error
        except OSError as error:
            raise self._unusable("read", error) from error
        with file:
            digest, size_bytes = hashlib.sha256(), 0
            for part in self._parts(file):
                digest.update(part)
                size_bytes += len(part)
            if digest.hexdigest() != sha256:
                raise Permanent(f"{reference} is damaged: its content has another hash")
            yield size_bytes, self._parts(file)

    def _parts(self, file: FileIO) -> Iterator[bytes]:
        with self._translated("read"):
            file.seek(0)
            while part := file.read(PART_BYTES):
                yield part

    def remove(self, reference: str) -> None:
        """Forget a content, for all mails that have it; nothing happens if it is not there."""
        self._path(_sha256_of(reference)).unlink(missing_ok=True)

    def remove_before(self, timestamp_s: float, kept: Kept = lambda _references: ()) -> int:
        """Forget what was last stored before a time (seconds since the epoch); returns how many.

        A content that is stored again at the same moment stays. Drafts that a crash left behind go too.

        Args:
            timestamp_s: The time.
            kept: Given some references, those of them that somebody still needs.

        Raises:
            Transient: the disk does not answer.
        """
        with self._translated("tidied"):
            folders = [self._folder, *(path for path in self._folder.iterdir() if path.is_dir())]
            return sum(_remove_old(folder, timestamp_s, kept) for folder in folders)

    def _move_in(self, draft: Path, path: Path) -> Path:
        """Rename the draft; returns the folder that it is in now."""
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _sync(self._folder)
        with _locked(path.parent):
            draft.rename(path)
        return path.parent

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unusable(verb, error) from error

    def _unusable(self, verb: str, error: OSError) -> Transient:
        return Transient(f"the spool {self._folder} cannot be {verb}: {error.strerror}")

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256


class Drafts:
    """Contents that are written and not in the spool yet. One thread at a time.

    What has a reference from here must not be told to anybody before `keep` has returned.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._written: dict[Path, str] = {}

    def put(self, chunks: Iterable[bytes]) -> str:
        """Write the content and return the reference that it will have. Raises as `Spool.put`."""
        draft, sha256 = self._spool.write_draft(chunks)
        self._written[draft] = sha256
        return f"spool:sha256:{sha256}"

    def keep(self) -> None:
        """Make all of them durable. Raises Transient: then none of them can be counted on."""
        self._spool.keep_drafts(self._written)
        self._written.clear()

    def drop(self) -> None:
        """Forget those that were not kept."""
        while self._written:
            self._written.popitem()[0].unlink(missing_ok=True)


def _sha256_of(reference: str) -> str:
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise Permanent(f"{reference[:100]!r} is no reference into the spool")
    return match.group(1)


def _write(file: FileIO, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _remove_old(folder: Path, timestamp_s: float, kept: Kept) -> int:
    # Locked, since between the look at a file and its removal the same content could be stored anew.
    with _locked(folder):
        with os.scandir(folder) as entries:
            old = [entry.name for entry in entries if _is_old(entry, timestamp_s)]
        needed = frozenset(kept([f"{_SCHEME}{name}" for name in old])) if old else frozenset()
        gone = [name for name in old if f"{_SCHEME}{name}" not in needed]
        for name in gone:
            (folder / name).unlink(missing_ok=True)
    return len(gone)


def _is_old(entry: os.DirEntry[str], timestamp_s: float) -> bool:
    try:
        return entry.is_file(follow_symlinks=False) and entry.stat().st_mtime < timestamp_s
    except FileNotFoundError:  # a draft that was moved in
        return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes and threads."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
