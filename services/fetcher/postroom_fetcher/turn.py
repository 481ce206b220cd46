"""The order in which one look reads a folder: what is late, replies among the new, then the rest.

1. Mail that appeared in a gap of the cursor.
2. Newcomers: when they are more than one chunk, their headers alone are read first, and replies go ahead.
3. The headers of a backlog, the newest first, for so long at a time; replies go ahead.
4. All other mail from the cursor on, as much as the interval's count leaves, until newcomers are told of.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Protocol

from postroom.reply_token import bears_token
from postroom_fetcher import cursor as cursors
from postroom_fetcher import gaps, response
from postroom_fetcher.cursor import Chunk, Cursor, Limits, Selected, Start
from postroom_fetcher.doubts import Doubts
from postroom_fetcher.download import must_be_gone
from postroom_fetcher.fault import Refused, Unavailable
from postroom_fetcher.hand_on import Visit
from postroom_fetcher.response import Answer, Metadata
from postroom_fetcher.session import Session
from postroom_fetcher.window import Window, ascending, descending

METADATA_AT_ONCE = 500
MAX_NEWCOMERS_UIDS = 20_000
"""Where there are more, they are a backlog, whose headers are read from the newest on."""
TURN_MAILS = 2_000
TURN_S = 1.5
"""After so many mails or so long other mailboxes have their turn, and newcomers are looked for."""
SCAN_S = 2.5
"""Headers of a backlog are read for so long before other mail has its turn."""


@dataclass(frozen=True)
class Looked:
    """How a look ended. `more`: there is more to do now. `again_in_s`: there will be, then.

    `set_aside` says which mails the server does not give; empty if there are none.
    """

    more: bool
    again_in_s: float | None = None
    set_aside: str = ""


class Hands(Protocol):
    """What takes mails away from a turn."""

    def known(self, uids: Sequence[int]) -> set[int]:
        """Which of the UIDs were handed on."""

    def has_given(self) -> bool:
        """Whether a mail of the folder was ever handed on under its UIDVALIDITY."""

    def take(self, chunk: Chunk, after: Cursor, *, counts: bool) -> None:
        """Hand the mails of the chunk on, then record the cursor after them."""

    def room(self) -> int:
        """How many more mails that count may be taken in this interval."""

    def room_again_in_s(self) -> float:
        """When there will be more room, in seconds."""


class Turn:
    """One look into one folder. `cursor` is where it stands."""

    def __init__(
        self,
        session: Session,
        visit: Visit,
        start: Start,
        selected: Selected,
        hands: Hands,
        doubts: Doubts,
        limits: Limits,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._visit = visit
        self._since = start.since
        self._selected = selected
        self._highest = selected.uidnext - 1
        self._hands = hands
        self._doubts = doubts
        self._limits = limits
        self._monotonic = monotonic
        self._taken = 0
        self._until = 0.0
        self._few: tuple[Window, list[int]] | None = None
        self._late_left = False
        self.cursor = start.cursor

    def run(self) -> Looked:
        """Read the folder. Raises as `Intake.look`."""
        ahead = [step() for step in (self._late, self._newcomers, self._backlog)]
        rest = self._rest()
        self._doubtful()
        return Looked(rest.more or not all(ahead), rest.again_in_s)

    def settle(self, now: datetime) -> None:
        """After a look: close the gaps that have been open for long enough."""
        if not self._late_left:
            self.cursor = gaps.settled(self.cursor, self._selected.uidnext, now)

    # Each step returns whether it is done; if not, the next look goes on with it.

    def _late(self) -> bool:
        if not self.cursor.gaps:
            return True
        late = gaps.within(self.cursor, self._search(gaps.written(self.cursor.gaps)))
        for uids in _groups(late, METADATA_AT_ONCE):
            others = self._replies_first(uids)
            while others and (room := self._hands.room()) and not self._visit.stopped():
                chunk = next(self._chunks(others[:room]))
                others = others[len(chunk.mails) :]
                self._take(chunk, gaps.appeared(self.cursor, _uids(chunk.mails)), counts=True)
            # Those gone meanwhile as well.
            self.cursor = gaps.appeared(self.cursor, set(uids) - set(_uids(others)))
            if others:
                self._late_left = True
                return not self._visit.stopped()
        return True

    def _newcomers(self) -> bool:
        first = self.cursor.scanned_uid + 1
        if self._visit.role != "inbox" or first > self._highest:
            return True
        if self._highest - first >= MAX_NEWCOMERS_UIDS:
            self.cursor = replace(self.cursor, scanned_after_uid=self._highest, scanned_uid=self._highest)
            return True
        window = first, self._highest
        found = self._search_window(window)
        waiting = self.cursor.last_uid < self.cursor.scanned_uid
        if not waiting and len(found) <= min(self._limits.chunk_mails, self._hands.room()):
            self._few = window, found
            return True
        for uids in _groups(found, METADATA_AT_ONCE):
            if self._visit.stopped():
                return False
            self._replies_first(uids)
            self.cursor = replace(self.cursor, scanned_uid=uids[-1])
        self.cursor = replace(self.cursor, scanned_uid=self._highest)
        return True

    def _backlog(self) -> bool:
        first, last = self.cursor.last_uid + 1, self.cursor.scanned_after_uid
        if self._visit.role != "inbox" or first > last:
            return True
        until = self._monotonic() + SCAN_S
        for window in descending(first, last, self._selected.exists, self._session.uid_of):
            for uids in reversed(list(_groups(self._search_window(window), METADATA_AT_ONCE))):
                self._replies_first(uids)
                self.cursor = replace(self.cursor, scanned_after_uid=uids[0] - 1)
                if self._is_over(until):
                    return False
            self.cursor = replace(self.cursor, scanned_after_uid=window[0] - 1)
        return True

    def _rest(self) -> Looked:
        if self.cursor.last_uid >= self._highest:
            return Looked(more=False)
        self._until = self._monotonic() + TURN_S
        self._taken = 0
        for window, found in self._found():
            for uids in _groups(found, METADATA_AT_ONCE):
                ended = self._ordinary(uids, found)
                if ended is not None:
                    return ended
                self.cursor = gaps.passed(self.cursor, uids[-1], found)
            self.cursor = gaps.passed(self.cursor, window[1], found)
        return Looked(more=False)

    def _ordinary(self, uids: list[int], found: Sequence[int]) -> Looked | None:
        """Hand these on; returns how the look ends, unless it goes on."""
        if not self._hands.room():
            return Looked(more=False, again_in_s=self._hands.room_again_in_s())
        mails, _answer = self._asked(uids, response.METADATA_ITEMS)
        if uids[-1] > self.cursor.scanned_after_uid:
            known = self._hands.known(uids)
            mails = [mail for mail in mails if mail.uid not in known]
        while mails:
            if self._visit.stopped() or (self._taken and self._is_over(self._until)):
                return Looked(more=True)
            room = self._hands.room()
            if not room:
                return Looked(more=False, again_in_s=self._hands.room_again_in_s())
            chunk = next(self._chunks(mails[:room]))
            mails = mails[len(chunk.mails) :]
            self._take(chunk, gaps.passed(self.cursor, chunk.mails[-1].uid, found), counts=True)
            self._taken += len(chunk.mails)
        return None

    def _is_over(self, until_s: float) -> bool:
        return (
            self._visit.stopped()
            or self._session.has_news
            or self._taken >= TURN_MAILS
            or self._monotonic() >= until_s
        )

    def _found(self) -> Iterator[tuple[Window, list[int]]]:
        """What there is after the cursor, window by window."""
        if self._few is not None:
            yield self._few
            return
        first, exists = self.cursor.last_uid + 1, self._selected.exists
        for window in ascending(first, self._highest, exists, self._session.uid_of):
            yield window, self._search_window(window)

    # Towards the server

    def _search_window(self, window: Window) -> list[int]:
        return cursors.within(self._search(f"{window[0]}:{window[1]}"), window)

    def _search(self, uids: str) -> list[int]:
        return self._session.search(cursors.criteria(self._visit.imap, uids, self._since))

    def _replies_first(self, uids: list[int]) -> list[Metadata]:
        """Hand those on that bear a reply token; returns the others."""
        mails, answer = self._asked(uids, response.ADDRESSING_ITEMS)
        bearing = {uid for uid in uids if bears_token(response.read_fields(answer, uid))}
        if bearing:
            known = self._hands.known(sorted(bearing))
            replies = [mail for mail in mails if mail.uid in bearing - known]
            for chunk in self._chunks(replies):
                self._take(chunk, self.cursor, counts=False)
        return [mail for mail in mails if mail.uid not in bearing]

    def _asked(self, uids: Sequence[int], items: Sequence[str]) -> tuple[list[Metadata], Answer]:
        """What the server says of those that are not passed over; who failed before is asked for alone."""
        sound = self._doubts.sound(uids)
        suspects = [uid for uid in sound if uid in self._doubts.suspects]
        groups = [[uid for uid in sound if uid not in self._doubts.suspects], *([uid] for uid in suspects)]
        answer: dict[int, response.Items] = {}
        for group in groups:
            if group:
                answer.update(self._fetch(group, items))
        mails = response.read_metadata(answer, sound)
        must_be_gone(self._session, sorted(set(sound) - set(_uids(mails))))
        return mails, answer

    def _fetch(self, uids: Sequence[int], items: Sequence[str]) -> Answer:
        """The items; where the server refuses them together, those of one half after the other."""
        try:
            return self._session.fetch(uids, items)
        except Refused as error:
            if len(uids) == 1:
                error.uids = frozenset(uids)
                raise
            half = len(uids) // 2
            return {**self._fetch(uids[:half], items), **self._fetch(uids[half:], items)}
        except Unavailable as error:
            error.uids = error.uids or frozenset(uids)
            raise

    def _chunks(self, mails: Sequence[Metadata]) -> Iterator[Chunk]:
        return cursors.chunks(mails, self._limits, self._doubts.suspects)

    # Mails that the server did not give

    def _doubtful(self) -> None:
        """See what becomes of mails that were passed over, and try those again that are due."""
        if left := self._doubts.unproven():
            if self._hands.has_given():
                self._doubts.proven()
            else:
                # Nothing came whole from here, ever: nothing shows that it is not the server.
                self._again(left)
        for uid in self._doubts.due():
            try:
                self._again([uid])
            except Unavailable as error:
                if error.reason_code not in ("incomplete_answer", "refused"):
                    raise
                self._doubts.blame(error)

    def _again(self, uids: Sequence[int]) -> None:
        known = self._hands.known(uids)
        for uid in uids:
            if self._visit.stopped():
                return
            mails = (
                []
                if uid in known
                else response.read_metadata(self._fetch([uid], response.METADATA_ITEMS), [uid])
            )
            if not mails:
                must_be_gone(self._session, [uid] if uid not in known else [])
                self._doubts.healed([uid])
            for chunk in cursors.chunks(mails, self._limits):
                self._take(chunk, self.cursor, counts=False)

    def _take(self, chunk: Chunk, after: Cursor, *, counts: bool) -> None:
        self._hands.take(chunk, after, counts=counts)
        self.cursor = after


def _uids(mails: Iterable[Metadata]) -> list[int]:
    return [mail.uid for mail in mails]


def _groups(uids: Iterable[int], size: int) -> Iterator[list[int]]:
    rest = iter(uids)
    while group := list(islice(rest, size)):
        yield group
