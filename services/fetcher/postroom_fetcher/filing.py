"""Puts mails into a folder, each Message-ID once: all are looked for together, and go in together.

Where the server takes several mails in one command (MULTIAPPEND, RFC 3502) without being asked for leave
(LITERAL+, RFC 7888), a group of them costs one round trip. Cut off at any point, everything may be repeated:
what is there already is found by its Message-ID.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from email.utils import parsedate_to_datetime

from postroom.clock import utc_now
from postroom.errors import Misconfigured, Permanent, Transient
from postroom.spool import Spool
from postroom_fetcher.fault import Refused, Unavailable
from postroom_fetcher.mailbox import has_message_id, into_folder
from postroom_fetcher.session import Session

SMALL_BYTES = 64 * 1024
"""Larger mails go in alone, and in parts."""
GROUP_BYTES = 1024 * 1024
SEARCHED_AT_ONCE = 20
"""Message-IDs in one search: its line stays far below the 8,000 octets that servers take (RFC 2683, section
3.2.1.5)."""
SEARCHED_CHARS = 4_000
CLOCKS_DIFFER = timedelta(days=3)
"""A mail is not looked for among those that came to the folder so long before its date: a search for a header
reads every mail of a large folder."""
FIRST_YEAR = 1970
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_DATE = re.compile(rb"^Date:[ \t]*([^\r\n]{1,100})", re.IGNORECASE | re.MULTILINE)

Filed = bool | Refused | Permanent | Transient
"""Whether a mail was there already; or why it is not filed, though others may be."""


def file(
    session: Session, folder: str, mails: Mapping[str, str], flags: Sequence[str], spool: Spool
) -> dict[str, Filed]:
    """Put the mails into the folder, which is created if it is missing.

    Args:
        session: A connection.
        folder: Where to.
        mails: References into the spool, by Message-ID.
        flags: Which each of them gets.
        spool: Where the mails lie.

    Returns:
        What became of each, by Message-ID.

    Raises:
        Refused: The folder can neither be opened nor created; nothing is filed.
        Unavailable: The connection broke; some of it may be done, and repeating it does no harm.
    """
    loaded, found = _loaded(mails, spool)
    into_folder(session, folder, lambda: _must_select(session, folder))
    there = _there(session, list(loaded), _earliest(loaded.values(), utc_now().date()))
    found |= dict.fromkeys(there, True)
    small: dict[str, bytes] = {}
    for message_id, mail in loaded.items():
        if message_id in there:
            continue
        if mail.is_whole:
            small[message_id] = mail.start
        else:
            found[message_id] = _append_large(session, folder, mails[message_id], flags, spool)
    for group in _groups(small):
        found |= _append(session, folder, group, flags)
    return found


@dataclass(frozen=True)
class _Mail:
    """A mail, or of a large one its beginning."""

    start: bytes
    is_whole: bool

    @property
    def date(self) -> date | None:
        """Of its header Date; None if there is none that is understood."""
        header = _HEADER_END.split(self.start, maxsplit=1)[0]
        match = _DATE.search(header)
        try:
            return parsedate_to_datetime(match[1].decode("ascii")).date() if match else None
        except ValueError:
            return None


def _loaded(mails: Mapping[str, str], spool: Spool) -> tuple[dict[str, _Mail], dict[str, Filed]]:
    """What the spool has of the mails, and what is wrong with the others."""
    loaded: dict[str, _Mail] = {}
    wrong: dict[str, Filed] = {}
    for message_id, dataref in mails.items():
        try:
            start = spool.head(dataref, SMALL_BYTES + 1)
            is_whole = len(start) <= SMALL_BYTES
            loaded[message_id] = _Mail(spool.get(dataref) if is_whole else start, is_whole)
        except (Permanent, Transient) as error:
            wrong[message_id] = error
    return loaded, wrong


def _earliest(mails: Iterable[_Mail], today: date) -> date | None:
    """The day before which none of the mails can have been filed; None: it is not known."""
    dates = {mail.date or date.min for mail in mails}
    plausible = dates and min(dates).year >= FIRST_YEAR and max(dates) <= today
    return min(dates) - CLOCKS_DIFFER if plausible else None


def _must_select(session: Session, folder: str) -> None:
    try:
        session.select(folder)
    except Misconfigured as error:
        raise Refused(str(error), "NONEXISTENT") from error


def _there(session: Session, message_ids: Sequence[str], since: date | None) -> set[str]:
    """Those that the open folder has; mostly it has none of them, which one search tells."""
    there: set[str] = set()
    for some in _searchable(message_ids):
        if len(some) == 1 or _may_have(session, some, since):
            there |= {each for each in some if has_message_id(session, each, since)}
    return there


def _may_have(session: Session, message_ids: Sequence[str], since: date | None) -> bool:
    try:
        return bool(session.search_message_ids(message_ids, since))
    except Refused:
        return True  # a server that takes no search of so many terms takes each alone


def _searchable(message_ids: Sequence[str]) -> Iterator[list[str]]:
    some: list[str] = []
    for each in message_ids:
        if some and (len(some) >= SEARCHED_AT_ONCE or sum(map(len, (*some, each))) > SEARCHED_CHARS):
            yield some
            some = []
        some.append(each)
    if some:
        yield some


def _groups(mails: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    group: dict[str, bytes] = {}
    for message_id, content in mails.items():
        if group and sum(map(len, group.values())) + len(content) > GROUP_BYTES:
            yield group
            group = {}
        group[message_id] = content
    if group:
        yield group


def _append(
    session: Session, folder: str, mails: Mapping[str, bytes], flags: Sequence[str]
) -> dict[str, Filed]:
    if len(mails) > 1 and session.has("MULTIAPPEND") and session.has("LITERAL+"):
        try:
            session.append_all(folder, list(mails.values()), flags)
        except Refused:
            # All or none: none of them is there, and each shall have its own answer.
            pass
        else:
            return dict.fromkeys(mails, False)
    return {each: _append_one(session, folder, content, flags) for each, content in mails.items()}


def _append_large(session: Session, folder: str, dataref: str, flags: Sequence[str], spool: Spool) -> Filed:
    try:
        with spool.reading(dataref) as (size_bytes, parts):
            session.append(folder, size_bytes, parts, flags)
    except Refused as error:
        return error
    except Unavailable:
        raise
    except (Permanent, Transient) as error:  # the spool's
        return error
    return False


def _append_one(session: Session, folder: str, content: bytes, flags: Sequence[str]) -> Filed:
    try:
        session.append(folder, len(content), [content], flags)
    except Refused as error:
        return error
    return False
