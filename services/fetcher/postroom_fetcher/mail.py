"""A fetched mail as the event `mail.received` (pure)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from postroom.broker.outgoing import Outgoing, outgoing
from postroom.envelope import envelop
from postroom.messages import FolderRole, Lane, MailReceived, mail_id
from postroom.reply_token import bears_token
from postroom_fetcher.fingerprint import header_sha256
from postroom_fetcher.progress import Box, Entry
from postroom_fetcher.response import Metadata, header_block

SOURCE = "postroom/fetcher"


@dataclass(frozen=True)
class Mail:
    """A mail as it came from the server: inside (`content`) or in the spool (`dataref`).

    `header` is the raw header block, or as much of it as was read.
    """

    metadata: Metadata
    header: bytes
    sha256: str
    content: bytes | None
    dataref: str | None = None
    truncated: bool = False


def small_mail(metadata: Metadata, content: bytes) -> Mail:
    """A mail that travels inside its message. Its own length counts, not what the server said."""
    actual = Metadata(metadata.uid, len(content), metadata.arrived_at)
    return Mail(actual, header_block(content), hashlib.sha256(content).hexdigest(), content)


def entry(mail: Mail, box: Box, uidvalidity: int) -> Entry:
    """What the ledger keeps. Its id follows from where the mail lies, so a repeat is the same."""
    metadata = mail.metadata
    own_id = mail_id(box.account, box.folder, uidvalidity, metadata.uid)
    return Entry(
        own_id,
        metadata.uid,
        mail.sha256,
        metadata.size_bytes,
        mail.truncated,
        metadata.arrived_at,
        header_sha256(mail.header),
    )


def received(
    mail: Mail, own_id: str, box: Box, role: FolderRole, uidvalidity: int, now: datetime, shards: int
) -> Outgoing:
    """The event with this id, ready to be published."""
    event = MailReceived(
        account=box.account,
        folder=box.folder,
        role=role,
        uidvalidity=uidvalidity,
        uid=mail.metadata.uid,
        size_bytes=mail.metadata.size_bytes,
        sha256=mail.sha256,
        arrived_at=mail.metadata.arrived_at or now,
        lane=lane(mail, role),
        truncated=mail.truncated,
        content=mail.content,
        dataref=mail.dataref,
    )
    return outgoing(envelop(event, source=SOURCE, now=now, message_id=own_id), shards)


def lane(mail: Mail, role: FolderRole) -> Lane:
    """`replies` if a header shows something like one of our tokens (unproven), else `inbox`.

    In the folder for sent mail it is our own requests that bear them.
    """
    return "replies" if role == "inbox" and bears_token(mail.header) else "inbox"
