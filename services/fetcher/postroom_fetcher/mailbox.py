"""What can be done to mails in a folder: each action for many mails at once, each idempotent.

Never EXPUNGE and never CLOSE: both remove what somebody else marked as deleted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from postroom.messages import MailboxCommand, MailboxDelete, MailboxMarkRead, MailboxMove
from postroom_fetcher.fault import Refused
from postroom_fetcher.response import MESSAGE_ID_ITEMS, read_message_id
from postroom_fetcher.session import Session
from postroom_fetcher.uid_set import uid_sets

SEEN, DELETED = "\\Seen", "\\Deleted"
NO_UIDPLUS = "the server has no UIDPLUS (RFC 4315): the mails are flagged \\Deleted, and stay for now"
MOST_SAME_ID = 50


@dataclass(frozen=True)
class Effect:
    """What became of the mails: done, gone already, or refused with a sentence and nothing done."""

    done: frozenset[int] = frozenset()
    vanished: frozenset[int] = frozenset()
    refused: str = ""


def act(session: Session, command: MailboxCommand, uids: Sequence[int]) -> Effect:
    """Carry out a command for these mails of its folder.

    Raises:
        Unavailable: The connection broke; some of it may be done, and repeating it does no harm.
        Misconfigured: There is no such folder.
    """
    selected = session.select(command.folder)
    if selected.uidvalidity != command.uidvalidity:
        change = f"{command.uidvalidity}, now {selected.uidvalidity}"
        return Effect(refused=f"UIDVALIDITY changed ({change}): nothing was done")
    present = _present(session, uids)
    gone = frozenset(uids) - present
    if not present:
        return Effect(vanished=gone)
    refused = _ACTIONS[type(command)](session, command, sorted(present))
    return Effect(vanished=gone, refused=refused) if refused else Effect(present, gone)


def _present(session: Session, uids: Sequence[int]) -> frozenset[int]:
    found = {uid for uid_set in uid_sets(uids) for uid in session.search(f"UID {uid_set}")}
    return frozenset(uids) & found


def _mark_read(session: Session, _command: MailboxCommand, uids: Sequence[int]) -> str:
    for uid_set in uid_sets(uids):
        session.add_flag(uid_set, SEEN)
    return ""


def _delete(session: Session, _command: MailboxCommand, uids: Sequence[int]) -> str:
    for uid_set in uid_sets(uids):
        session.add_flag(uid_set, DELETED)
        if session.has("UIDPLUS"):
            session.expunge(uid_set)
    return "" if session.has("UIDPLUS") else NO_UIDPLUS


def _move(session: Session, command: MailboxCommand, uids: Sequence[int]) -> str:
    assert isinstance(command, MailboxMove)
    transfer = session.move if session.has("MOVE") else session.copy
    for uid_set in uid_sets(uids):
        into_folder(session, command.target, partial(transfer, uid_set, command.target))
    return "" if session.has("MOVE") else _delete(session, command, uids)


_ACTIONS: Mapping[type[MailboxCommand], Callable[[Session, MailboxCommand, Sequence[int]], str]] = {
    MailboxMarkRead: _mark_read,
    MailboxDelete: _delete,
    MailboxMove: _move,
}


def into_folder(session: Session, folder: str, put: Callable[[], None]) -> None:
    """Put something into a folder, which is created if it is missing."""
    try:
        put()
    except Refused as error:
        # RFC 9051, section 6.4.7: TRYCREATE; older servers say it in words only.
        if error.code not in ("TRYCREATE", "NONEXISTENT", ""):
            raise
        session.create(folder)
        put()


def has_message_id(session: Session, message_id: str) -> bool:
    """Whether the open folder has a mail of exactly this Message-ID (a search finds parts of it as well)."""
    uids = session.search_message_id(message_id)[-MOST_SAME_ID:]
    answer = session.fetch(uids, MESSAGE_ID_ITEMS) if uids else {}
    wanted = "".join(message_id.split())
    return any(read_message_id(answer, uid) == wanted for uid in uids)
