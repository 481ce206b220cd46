"""The spool: mail too large for a message, stored under the hash of its content.

A file is written aside, synced and renamed, so it is there whole or not at all; it is read back against its
hash, so what was damaged is never used. The same content is stored once.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from postroom.errors import Permanent, Transient

_REFERENCE = re.compile(r"spool:sha256:([0-9a-f]{64})")


class Spool:
    """A folder of content-addressed files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, chunks: Iterable[bytes]) -> str:
        """Store the content durably and return its reference.

        Raises:
            Transient: the disk is full or gone.
        """
        draft = self._folder / f".draft-{os.getpid()}-{secrets.token_hex(8)}"
        digest = hashlib.sha256()
        try:
            with draft.open("xb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            path = self._path(digest.hexdigest())
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.rename(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise Transient(f"the spool {self._folder} cannot be written: {error.strerror}") from error
        finally:
            draft.unlink(missing_ok=True)
        return f"spool:sha256:{digest.hexdigest()}"

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
            raise Transient(f"the spool {self._folder} cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Permanent(f"{reference} is damaged: its content has another hash")
        return content

    def remove(self, reference: str) -> None:
        """Forget a content; nothing happens if it is not there."""
        self._path(_sha256_of(reference)).unlink(missing_ok=True)

    def remove_before(self, timestamp_s: float) -> int:
        """Forget what was last stored before a time (seconds since the epoch); returns how many."""
        old = [
            path for path in self._folder.rglob("*") if path.is_file() and path.stat().st_mtime < timestamp_s
        ]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256


def _sha256_of(reference: str) -> str:
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise Permanent(f"{reference[:100]!r} is no reference into the spool")
    return match.group(1)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
