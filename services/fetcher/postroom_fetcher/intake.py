"""Looks into folders and hands on what is new: search, fetch, publish with confirms, then the cursor.

In which order a look reads is in `turn`, how mails are handed on in `hand_on`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Self

from postroom import metrics
from postroom.clock import Clock, utc_now
from postroom.errors import PostroomError
from postroom.spool import Drafts, Spool
from postroom_fetcher import cursor as cursors
from postroom_fetcher.allowance import UNLIMITED, Allowance
from postroom_fetcher.budget import Budget, Reserved, kept_on_success
from postroom_fetcher.cursor import Chunk, Cursor, Limits, Selected, Start
from postroom_fetcher.doubts import Doubts
from postroom_fetcher.download import download, memory_bytes, still_there
from postroom_fetcher.fault import Unavailable
from postroom_fetcher.hand_on import HandOn, Publish, Visit, restored
from postroom_fetcher.mail import Mail
from postroom_fetcher.progress import Box, Progress
from postroom_fetcher.session import Session
from postroom_fetcher.trouble_list import TroubleList
from postroom_fetcher.turn import Looked, Turn

__all__ = ["Intake", "Looked", "Publish", "Visit"]

BUDGET_BYTES = 4 * 1024 * 1024


class Intake:
    """Looks into folders. Threads may share it."""

    def __init__(
        self,
        progress: Progress,
        troubles: TroubleList,
        publish: Publish,
        spool: Spool,
        executor: Executor,
        *,
        limits: Limits,
        shards: int,
        budget: Budget | None = None,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress
        self._troubles = troubles
        self._publish = publish
        self._spool = spool
        self._executor = executor
        self._limits = limits
        self._shards = shards
        self._budget = budget or Budget(BUDGET_BYTES)
        self._clock = clock
        self._monotonic = monotonic
        self._allowances = _Allowances(monotonic)
        self._doubtful: set[Box] = set()

    def look(self, session: Session, visit: Visit) -> Looked:
        """Hand on what is new; returns when there will be more.

        Raises:
            Unavailable, Misconfigured: The mailbox cannot be read.
            Transient: Broker, store or spool do not take it.
            Fenced: The lease is over.
        """
        selected = session.examine(visit.folder)
        start = self._start(visit, selected)
        if start.fresh:
            self._progress.advance(visit.lease, visit.box, start.cursor)
            self._troubles.forget_others(visit.lease, visit.box, selected.uidvalidity)
        doubts = Doubts(self._troubles, visit, selected.uidvalidity, self._clock)
        try:
            return replace(self._look(session, visit, start, selected, doubts), set_aside=doubts.told())
        except Unavailable as error:
            doubts.blame(error)
            raise
        finally:
            self._gauge(visit, len(doubts.set_aside))

    def _look(
        self, session: Session, visit: Visit, start: Start, selected: Selected, doubts: Doubts
    ) -> Looked:
        hand_on = HandOn(
            self._progress,
            self._publish,
            visit,
            relink=self._progress.has_other_past(visit.box, selected.uidvalidity),
            last_uid=start.cursor.last_uid,
            shards=self._shards,
            clock=self._clock,
        )
        with _OneAhead(self._executor) as ahead:
            hands = _Hands(self, session, visit, hand_on, ahead, doubts, start.cursor)
            turn = Turn(
                session, visit, start, selected, hands, doubts, self._limits, monotonic=self._monotonic
            )
            looked = turn.run()
        turn.settle(self._clock())
        if turn.cursor != hands.recorded:
            moved = hands.taken and turn.cursor.last_uid > start.cursor.last_uid
            written_at = self._clock() if moved else turn.cursor.updated_at
            self._progress.advance(visit.lease, visit.box, replace(turn.cursor, updated_at=written_at))
        return looked

    def _start(self, visit: Visit, selected: Selected) -> Start:
        stored = self._progress.cursor(visit.box)
        waiting_since = None
        if stored is not None and stored.uidvalidity != selected.uidvalidity:
            waiting_since = min(self._waiting(visit.box, stored), default=None)
        return cursors.start(visit.imap, selected, stored, self._clock(), waiting_since)

    def _waiting(self, box: Box, stored: Cursor) -> Iterator[datetime]:
        """Since when at least those have been there that were not handed on under the former UIDVALIDITY."""
        if stored.last_uid < stored.scanned_uid:
            arrived_at = self._progress.last_arrival(box, stored)
            yield from (arrived_at,) if arrived_at is not None else ()
        yield from (each.first_at for each in self._troubles.of(box, stored.uidvalidity).values())

    def _gauge(self, visit: Visit, set_aside: int) -> None:
        # Most accounts never have any, and so no series of their own.
        if set_aside or visit.box in self._doubtful:
            self._doubtful.add(visit.box)
            metrics.mails_set_aside.labels(account=visit.account.name, role=visit.role).set(set_aside)


class _Hands:
    """Takes mails from a turn: download, then hand on while the next ones are downloaded."""

    def __init__(
        self,
        intake: Intake,
        session: Session,
        visit: Visit,
        hand_on: HandOn,
        ahead: "_OneAhead",
        doubts: Doubts,
        cursor: Cursor,
    ) -> None:
        self._intake = intake
        self._session = session
        self._visit = visit
        self._hand_on = hand_on
        self._ahead = ahead
        self._doubts = doubts
        self._uncounted = 0
        self.recorded = cursor
        self.taken = False

    def known(self, uids: Sequence[int]) -> set[int]:
        # What is being handed on is not in the ledger yet.
        self._ahead.wait()
        return self._intake._progress.handed_on(self._visit.box, self.recorded.uidvalidity, uids)

    def has_given(self) -> bool:
        self._ahead.wait()
        return self._intake._progress.has_given(self._visit.box, self.recorded.uidvalidity)

    def take(self, chunk: Chunk, after: Cursor, *, counts: bool) -> None:
        drafts = self._intake._spool.drafts()
        reserved = _Held(self._intake._budget.reserve(memory_bytes(chunk)), drafts)
        with kept_on_success(reserved):
            mails = self._download(chunk, drafts)
            if mails:
                self._doubts.proven()
            uids = [mail.uid for mail in chunk.mails]
            if not mails and self._doubts.unproven():
                # The cursor has gone past what is not set aside yet; it is recorded at the end of the look.
                self._doubts.healed(uids)
                reserved.release()
                return
            again = self._restored(mails)
            step = partial(self._step, mails, again, after, counts, uids, drafts, reserved)
            self._ahead.submit(step)
        self._uncounted = len(mails) if counts else 0
        self.recorded, self.taken = after, True

    def room(self) -> int:
        room = self._room() - self._uncounted
        if room <= 0 and self._uncounted:
            # Not all of them need have been new.
            self._ahead.wait()
            self._uncounted = 0
            room = self._room()
        return max(0, room)

    def room_again_in_s(self) -> float:
        return self._intake._allowances.ends_in_s(self._visit)

    def _room(self) -> int:
        return self._intake._allowances.room(self._visit)

    def _download(self, chunk: Chunk, drafts: Drafts) -> list[Mail]:
        try:
            return download(self._session, chunk, drafts, self._intake._limits)
        except Unavailable as error:
            error.uids = error.uids or frozenset(mail.uid for mail in chunk.mails)
            raise

    def _restored(self, mails: Sequence[Mail]) -> frozenset[int]:
        hashes = {mail.sha256 for mail in mails}
        twins = self._intake._progress.same_contents(self._visit.box, self.recorded.uidvalidity, hashes)
        return restored(mails, twins, partial(still_there, self._session)) if twins else frozenset()

    def _step(
        self,
        mails: Sequence[Mail],
        again: frozenset[int],
        after: Cursor,
        counts: bool,
        uids: Sequence[int],
        drafts: Drafts,
        reserved: Reserved,
    ) -> None:
        try:
            # Here, where the next mails are read meanwhile: the disk takes longer than the server.
            drafts.keep()
            new = self._hand_on(mails, again, after)
            self._doubts.healed(uids)
            if counts:
                self._intake._allowances.take(self._visit, new)
        finally:
            reserved.release()


class _Held:
    """The bytes and the drafts of one chunk, given back together."""

    def __init__(self, reserved: Reserved, drafts: Drafts) -> None:
        self._reserved = reserved
        self._drafts = drafts

    def release(self) -> None:
        try:
            self._drafts.drop()
        finally:
            self._reserved.release()


class _Allowances:
    """How much each folder may still hand on. Threads share it.

    Only the inbox has a limit: mail in the folder for sent mail is not processed.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._by_box: dict[Box, Allowance] = {}

    def room(self, visit: Visit) -> int:
        return self._now(visit).room if visit.role == "inbox" else UNLIMITED

    def take(self, visit: Visit, count: int) -> None:
        with self._lock:
            self._by_box[visit.box] = self._now(visit).taken(count)

    def ends_in_s(self, visit: Visit) -> float:
        return self._now(visit).ends_in_s(self._monotonic())

    def _now(self, visit: Visit) -> Allowance:
        now_s, imap = self._monotonic(), visit.imap
        known = self._by_box.get(visit.box, Allowance(imap.count, imap.interval_s, now_s))
        return known.at(now_s, imap.count, imap.interval_s)


class _OneAhead:
    """Runs one step in another thread while the next is prepared; steps never overtake each other.

    An error of a step comes out at the next `submit` or `wait`, or at the end. At the end no step is running.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._running: Future[None] | None = None

    def submit(self, step: Callable[[], None]) -> None:
        """Wait for the step before, then begin this one."""
        self.wait()
        self._running = self._executor.submit(step)

    def wait(self) -> None:
        """Wait for the step that was begun last."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            self.wait()
        except PostroomError:
            if error is None:
                raise
            # What ended the fetching is reported; what was not recorded comes again.
