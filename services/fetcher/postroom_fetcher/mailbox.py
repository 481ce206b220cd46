"""What can be done to mails in a folder: each action for many mails at once, each idempotent.

Never EXPUNGE and never CLOSE: both remove what somebody else marked as deleted. What removes a mail from its
folder is done only to those that are recognised as the ones that were handed on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

from postroom.account import Account
from postroom.errors import Misconfigured
from postroom.messages import MailboxCommand, MailboxDelete, MailboxMove
from postroom_fetcher import recognition
from postroom_fetcher.fault import Refused
from postroom_fetcher.fingerprint import Fingerprint
from postroom_fetcher.recognition import Look
from postroom_fetcher.response import MESSAGE_ID_ITEMS, read_message_id
from postroom_fetcher.session import Session
from postroom_fetcher.uid_set import uid_sets

SEEN, DELETED = "\\Seen", "\\Deleted"
NO_UIDPLUS = "the server has no UIDPLUS (RFC 4315): the mails are flagged \\Deleted, and stay for now"
MOST_SAME_ID = 50


@dataclass(frozen=True)
class Past:
    """What the ledger knows of the mails.

    `known`: by what each is recognised. `moving`: those that a try before began to copy. `begin_move` records
    that mails are about to be copied.
    """

    known: Mapping[int, Fingerprint] = field(default_factory=dict)
    moving: frozenset[int] = frozenset()
    begin_move: Callable[[Sequence[int]], None] = lambda _uids: None


@dataclass(frozen=True)
class Effect:
    """What became of the mails.

    Done; gone already; left alone since the UID holds another mail than the one handed on (`changed`) or one
    that the ledger does not know (`unknown`). `refused`: a sentence, and nothing is done.
    """

    done: frozenset[int] = frozenset()
    vanished: frozenset[int] = frozenset()
    changed: frozenset[int] = frozenset()
    unknown: frozenset[int] = frozenset()
    refused: str = ""


def removes(command: MailboxCommand) -> bool:
    """Whether the command takes mails out of their folder."""
    return isinstance(command, MailboxDelete | MailboxMove)


def act(session: Session, command: MailboxCommand, uids: Sequence[int], past: Past) -> Effect:
    """Carry out a command for these mails of its folder.

    Raises:
        Unavailable: The connection broke; some of it may be done, and repeating it does no harm.
        Misconfigured: There is no such folder.
    """
    if isinstance(command, MailboxMove) and _same_folder(command.folder, command.target):
        return Effect(refused=f"the mails are in {command.target!r} already: nothing was done")
    refused = _open(session, command)
    if refused:
        return Effect(refused=refused)
    if not removes(command):
        return _mark_read(session, uids)
    sorted_ = recognition.sort(session, uids, past.known)
    effect = Effect(vanished=sorted_.gone, changed=sorted_.changed, unknown=sorted_.unknown)
    if not sorted_.same:
        return effect
    refused = _REMOVALS[type(command)](session, command, sorted_.same, past)
    return replace(effect, refused=refused) if refused else replace(effect, done=frozenset(sorted_.same))


def _open(session: Session, command: MailboxCommand) -> str:
    """Open the command's folder; why nothing can be done, or nothing."""
    selected = session.select(command.folder)
    if selected.uidvalidity == command.uidvalidity:
        return ""
    change = f"{command.uidvalidity}, now {selected.uidvalidity}"
    return f"UIDVALIDITY changed ({change}): nothing was done"


def _same_folder(name: str, other: str) -> bool:
    # RFC 9051, section 5.1: only INBOX is the same in every case.
    return name == other or name.upper() == other.upper() == "INBOX"


def _mark_read(session: Session, uids: Sequence[int]) -> Effect:
    found = {uid for uid_set in uid_sets(uids) for uid in session.search(f"UID {uid_set}")}
    present = frozenset(uids) & found
    for uid_set in uid_sets(present):
        session.add_flag(uid_set, SEEN)
    return Effect(present, frozenset(uids) - present)


def _delete(session: Session, _command: MailboxCommand, mails: Mapping[int, Look], _past: Past) -> str:
    for uid_set in uid_sets(mails):
        session.add_flag(uid_set, DELETED)
        if session.has("UIDPLUS"):
            session.expunge(uid_set)
    return "" if session.has("UIDPLUS") else NO_UIDPLUS


def _move(session: Session, command: MailboxCommand, mails: Mapping[int, Look], past: Past) -> str:
    assert isinstance(command, MailboxMove)
    if not session.has("MOVE"):
        return _copy(session, command, mails, past) or _delete(session, command, mails, past)
    for uid_set in uid_sets(mails):
        into_folder(session, command.target, partial(session.move, uid_set, command.target))
    return ""


def _copy(session: Session, command: MailboxMove, mails: Mapping[int, Look], past: Past) -> str:
    """Copy those that an earlier try, cut off before it deleted them, did not copy."""
    begun = {uid: look for uid, look in mails.items() if uid in past.moving}
    copied = _copied(session, command.target, begun) if begun else frozenset()
    if begun and (refused := _open(session, command)):
        return refused
    rest = sorted(mails.keys() - copied)
    past.begin_move(rest)
    for uid_set in uid_sets(rest):
        into_folder(session, command.target, partial(session.copy, uid_set, command.target))
    return ""


def _copied(session: Session, target: str, begun: Mapping[int, Look]) -> frozenset[int]:
    try:
        session.examine(target)
    except Misconfigured:
        return frozenset()
    return recognition.copies(session, begun)


_Removal = Callable[[Session, MailboxCommand, Mapping[int, Look], Past], str]
_REMOVALS: Mapping[type[MailboxCommand], _Removal] = {MailboxDelete: _delete, MailboxMove: _move}


def shortcoming(session: Session, account: Account) -> str:
    """What the server cannot do of what the account wants after processing; empty if nothing."""
    after = account.after_processing
    if after not in ("delete", "move") or session.has("UIDPLUS") or (after == "move" and session.has("MOVE")):
        return ""
    return "the server has no UIDPLUS (RFC 4315), so deleted mails are only flagged, and stay"


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


def has_message_id(session: Session, message_id: str, since: date | None = None) -> bool:
    """Whether the open folder has a mail of exactly this Message-ID (a search finds parts of it as well).

    `since`: that came to it on this day or later.
    """
    uids = session.search_message_ids([message_id], since)[-MOST_SAME_ID:]
    answer = session.fetch(uids, MESSAGE_ID_ITEMS) if uids else {}
    wanted = "".join(message_id.split())
    return any(read_message_id(answer, uid) == wanted for uid in uids)
