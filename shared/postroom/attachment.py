"""Puts files into the spool, for mails to refer to."""

import mimetypes
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from postroom.errors import Permanent
from postroom.fault import sentence
from postroom.messages import Attachment
from postroom.spool import PART_BYTES, Spool

UNKNOWN = "application/octet-stream"


class BadFile(Permanent):
    """The file cannot be attached; the sentence says why."""


def attach(
    spool: Spool, path: Path, *, filename: str = "", media_type: str = "", content_id: str = ""
) -> Attachment:
    """Store the file durably in the spool and return what a mail refers to it by.

    Args:
        spool: The one that the sender reads.
        path: The file.
        filename: What recipients see; default: its own name.
        media_type: Default: what its name suggests.
        content_id: Of an image that the HTML part shows as `cid:…`.

    Raises:
        BadFile: it cannot be read, or one of these cannot be in a mail.
        Transient: the spool cannot be written.
    """
    name = filename or path.name
    kind = media_type or mimetypes.guess_type(name)[0] or UNKNOWN
    try:
        dataref = spool.put(_parts(path))
    except FileNotFoundError:
        raise BadFile(f"{path}: there is no such file") from None
    except OSError as error:
        raise BadFile(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return Attachment(dataref=dataref, filename=name, media_type=kind.lower(), content_id=content_id)
    except ValidationError as error:
        wrong = error.errors()[0]
        field = ".".join(map(str, wrong["loc"]))
        raise BadFile(f"{path}: {f'{field}: ' if field else ''}{sentence(wrong)}") from None


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            yield part
