"""Hands on what is new in a folder: search, fetch, publish with confirms, and only then the cursor.

A crash at any point repeats at most what was published and not recorded, under the same message ids.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Literal, Protocol, Self

from postroom import metrics
from postroom.account import Account
from postroom.account_servers import Imap
from postroom.broker.publisher import Outgoing
from postroom.clock import Clock, utc_now
from postroom.errors import Misconfigured, Permanent, PostroomError, Transient
from postroom.spool import Spool
from postroom_fetcher import cursor as cursors
from postroom_fetcher import response
from postroom_fetcher.cursor import Chunk, Cursor, Limits, Start
from postroom_fetcher.download import download, must_be_gone
from postroom_fetcher.lease import Lease
from postroom_fetcher.mail import Mail, entry, lane, received
from postroom_fetcher.progress import Box, Progress
from postroom_fetcher.session import Session

logger = logging.getLogger(__name__)

Role = Literal["inbox", "sent"]

METADATA_AT_ONCE = 500
TURN_MAILS = 2_000
"""After so many mails other mailboxes have their turn."""


class Publish(Protocol):
    """Publishes and returns when all is confirmed; `Publisher.publish`."""

    def __call__(self, messages: Sequence[Outgoing], /) -> object:
        """Raises Transient if a message was not confirmed."""


@dataclass(frozen=True)
class Visit:
    """One look into one folder: the inbox, or that of sent mail. `stopped` says that it shall end early."""

    account: Account
    imap: Imap
    lease: Lease
    stopped: Callable[[], bool]
    folder: str
    role: Role = "inbox"

    @property
    def box(self) -> Box:
        """The folder that is read."""
        return Box(self.account.name, self.folder)


class Intake:
    """Looks into folders. Threads may share it."""

    def __init__(
        self,
        progress: Progress,
        publish: Publish,
        spool: Spool,
        executor: Executor,
        *,
        limits: Limits,
        shards: int,
        clock: Clock = utc_now,
    ) -> None:
        self._progress = progress
        self._publish = publish
        self._spool = spool
        self._executor = executor
        self._limits = limits
        self._shards = shards
        self._clock = clock

    def look(self, session: Session, visit: Visit) -> bool:
        """Hand on what is new; returns whether there may be more.

        Raises:
            Unavailable, Misconfigured: The mailbox cannot be read.
            Transient: Broker, store or spool do not take it.
            Fenced: The lease is over.
        """
        selected = session.examine(visit.folder)
        start = cursors.start(visit.imap, selected, self._progress.cursor(visit.box), self._clock())
        if start.fresh:
            self._progress.advance(visit.lease, visit.box, start.cursor)
        # What UIDVALIDITY made look new, and was handed on before.
        relink = self._progress.has_other_past(visit.box, selected.uidvalidity)
        taken = 0
        with _OneAhead(self._executor) as ahead:
            for chunk in self._chunks(session, visit, start, selected.uidnext):
                if taken >= TURN_MAILS or visit.stopped():
                    return True
                mails = download(session, chunk, self._spool, self._limits)
                after = replace(start.cursor, last_uid=chunk.mails[-1].uid)
                ahead.submit(partial(self._hand_on, visit, mails, after, relink))
                taken += len(mails)
        return False

    def _chunks(self, session: Session, visit: Visit, start: Start, uidnext: int) -> Iterator[Chunk]:
        for window in cursors.windows(start.cursor.last_uid, uidnext):
            found = session.search(cursors.criteria(visit.imap, window, start.since))
            for uids in _groups(cursors.within(found, window), METADATA_AT_ONCE):
                answer = session.fetch(uids, response.METADATA_ITEMS)
                metadata = response.read_metadata(answer, uids)
                must_be_gone(session, sorted(set(uids) - {mail.uid for mail in metadata}))
                yield from cursors.chunks(metadata, self._limits)

    def _hand_on(self, visit: Visit, mails: Sequence[Mail], after: Cursor, relink: bool) -> None:
        try:
            self._publish_and_record(visit, mails, after, relink)
        except (Misconfigured, Permanent) as error:
            # The broker's or the store's fault, not that of the account whose mail it is.
            raise Transient(f"mail cannot be handed on: {error}") from error

    def _publish_and_record(self, visit: Visit, mails: Sequence[Mail], after: Cursor, relink: bool) -> None:
        now = self._clock()
        new = self._new(visit.box, mails, after.uidvalidity) if relink else mails
        with metrics.stage_duration.labels(stage="fetcher.hand_on").time():
            entries = {id(mail): entry(mail, visit.box, after.uidvalidity) for mail in mails}
            if new:
                self._publish(
                    [
                        received(
                            mail, entries[id(mail)].mail_id, visit.box, after.uidvalidity, now, self._shards
                        )
                        for mail in new
                    ]
                )
            now_at = replace(after, updated_at=now)
            self._progress.advance(visit.lease, visit.box, now_at, list(entries.values()))
        for mail in new:
            metrics.mails_fetched.labels(lane=lane(mail)).inc()
        if new:
            # A journey begins here: the mail's id is the correlation id of everything that follows from it.
            logger.info(
                "mails handed on",
                extra={
                    "account": visit.account.name,
                    "folder": visit.box.folder,
                    "correlation_ids": [entries[id(mail)].mail_id for mail in new],
                },
            )

    def _new(self, box: Box, mails: Sequence[Mail], uidvalidity: int) -> list[Mail]:
        known = self._progress.known_from_before(box, uidvalidity, (mail.sha256 for mail in mails))
        new = []
        for mail in mails:
            if known[mail.sha256] > 0:
                known[mail.sha256] -= 1
            else:
                new.append(mail)
        if len(new) < len(mails):
            logger.info("mails found again under another UIDVALIDITY", extra={"mails": len(mails) - len(new)})
        return new


class _OneAhead:
    """Runs one step in another thread while the next is prepared; steps never overtake each other.

    An error of a step comes out at the next `submit` or at the end. At the end no step is running.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._running: Future[None] | None = None

    def submit(self, step: Callable[[], None]) -> None:
        """Wait for the step before, then begin this one."""
        self._wait()
        self._running = self._executor.submit(step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            self._wait()
        except PostroomError:
            if error is None:
                raise
            # What ended the fetching is reported; what was not recorded comes again.

    def _wait(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.result()


def _groups(uids: Iterable[int], size: int) -> Iterator[list[int]]:
    rest = iter(uids)
    while group := list(islice(rest, size)):
        yield group
