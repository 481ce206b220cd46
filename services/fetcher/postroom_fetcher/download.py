"""Gets the mails of a chunk from the server, whole or not at all."""

from collections.abc import Iterator, Sequence

from postroom.spool import Drafts
from postroom_fetcher import response
from postroom_fetcher.cursor import Chunk, Limits
from postroom_fetcher.fault import Unavailable
from postroom_fetcher.mail import Mail, small_mail
from postroom_fetcher.response import Metadata
from postroom_fetcher.session import Session
from postroom_fetcher.uid_set import uid_sets

PART_BYTES = 256 * 1024
LARGE_BYTES = 4 * PART_BYTES
"""What a large mail needs: a part as it is read, put together and written."""
SMALL_BYTES = 8 * 1024
"""What each small one needs beside its bytes."""
_REF = "spool:sha256:"


def download(session: Session, chunk: Chunk, drafts: Drafts, limits: Limits) -> list[Mail]:
    """The mails of a chunk in its order, without those that are gone.

    Large ones are written to the drafts, which must be kept before the mails are handed on.

    Raises:
        Unavailable: The server did not give a mail that is still there.
        Transient: The spool cannot be written.
    """
    if chunk.inline:
        return _small(session, chunk.mails, drafts, limits)
    mail = _large(session, chunk.mails[0], drafts, limits)
    return [mail] if mail else []


def memory_bytes(chunk: Chunk) -> int:
    """How much memory the mails take until they are handed on. Large ones pass through in parts."""
    if not chunk.inline:
        return LARGE_BYTES
    return sum(SMALL_BYTES + mail.size_bytes for mail in chunk.mails)


def _small(session: Session, mails: Sequence[Metadata], drafts: Drafts, limits: Limits) -> list[Mail]:
    uids = [mail.uid for mail in mails]
    bodies = response.read_bodies(session.fetch(uids, response.BODY_ITEMS), uids)
    must_be_gone(session, [uid for uid in uids if uid not in bodies])
    fetched = [small_mail(mail, bodies[mail.uid]) for mail in mails if mail.uid in bodies]
    return [_spooled_if_large(mail, drafts, limits) for mail in fetched]


def must_be_gone(session: Session, uids: Sequence[int]) -> None:
    """Raises Unavailable if one of the mails, which an answer lacked, is still in the folder."""
    left = still_there(session, uids)
    if left:
        raise Unavailable(
            "incomplete_answer",
            f"the server did not give the mail with UID {min(left)}, though it is in the folder",
            uids=left,
        )


def still_there(session: Session, uids: Sequence[int]) -> set[int]:
    """Which of the UIDs are in the folder."""
    found = {uid for uid_set in uid_sets(uids) for uid in session.search(f"UID {uid_set}")}
    return found & set(uids)


def _spooled_if_large(mail: Mail, drafts: Drafts, limits: Limits) -> Mail:
    """The mail as it is, unless the server had said too small a size."""
    if mail.content is None or len(mail.content) <= limits.inline_bytes:
        return mail
    return Mail(mail.metadata, mail.header, mail.sha256, None, drafts.put([mail.content]))


class _Gone(Exception):
    """The mail vanished while it was read."""


def _large(session: Session, metadata: Metadata, drafts: Drafts, limits: Limits) -> Mail | None:
    reader = _Reader(session, metadata, limits.max_size_bytes)
    truncated = metadata.size_bytes > limits.max_size_bytes
    try:
        reference = drafts.put(reader.head() if truncated else reader.parts())
    except _Gone:
        must_be_gone(session, [metadata.uid])
        return None
    size = metadata.size_bytes if truncated else reader.read_bytes
    actual = Metadata(metadata.uid, size, metadata.arrived_at)
    sha256 = reference.removeprefix(_REF)
    return Mail(actual, reader.header, sha256, None, reference, truncated or reader.cut)


class _Reader:
    """Reads one mail part by part; remembers its header, its length and whether it was cut off."""

    def __init__(self, session: Session, metadata: Metadata, max_size_bytes: int) -> None:
        self._session = session
        self._metadata = metadata
        self._max_size_bytes = max_size_bytes
        self.header = b""
        self.read_bytes = 0
        self.cut = False

    def head(self) -> Iterator[bytes]:
        """The first part of the headers and of the text."""
        answer = self._session.fetch([self._metadata.uid], response.head_items(PART_BYTES))
        content = response.read_head(answer, self._metadata.uid)
        if content is None:
            raise _Gone
        self._note(content)
        yield content

    def parts(self) -> Iterator[bytes]:
        """The whole mail. Its end is where the server has no more, whatever size it had said."""
        while not self.cut:
            part = self._part()
            if not part:
                return
            self._note(part)
            yield part
            if len(part) < PART_BYTES and self.read_bytes >= self._metadata.size_bytes:
                return
            # A server that had said less could go on for ever.
            self.cut = self.read_bytes > self._max_size_bytes

    def _part(self) -> bytes:
        items = response.part_items(self.read_bytes, PART_BYTES)
        uid = self._metadata.uid
        part = response.read_part(self._session.fetch([uid], items), uid, self.read_bytes)
        if part is None:
            raise _Gone
        return part

    def _note(self, content: bytes) -> None:
        if not self.read_bytes:
            self.header = response.header_block(content)
        self.read_bytes += len(content)
