"""Hands mails on: published with confirms, then recorded in the ledger together with the cursor.

A crash at any point repeats at most what was published and not recorded, under the same message ids.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from postroom import metrics
from postroom.account import Account
from postroom.account_servers import Imap
from postroom.broker.publisher import Outgoing
from postroom.clock import Clock
from postroom.errors import Misconfigured, Permanent, Transient
from postroom.messages import FolderRole
from postroom_fetcher.cursor import Cursor
from postroom_fetcher.lease import Lease
from postroom_fetcher.mail import Mail, entry, lane, received
from postroom_fetcher.progress import Box, Progress, Twin

logger = logging.getLogger(__name__)


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
    role: FolderRole = "inbox"

    @property
    def box(self) -> Box:
        """The folder that is read."""
        return Box(self.account.name, self.folder)


class HandOn:
    """Publishes and records the mails of one visit. Called by one thread at a time.

    Args:
        relink: The folder has mails in the ledger under another UIDVALIDITY, which look new and are not.
        last_uid: Of the cursor at the beginning of the visit.
    """

    def __init__(
        self,
        progress: Progress,
        publish: Publish,
        visit: Visit,
        *,
        relink: bool,
        last_uid: int,
        shards: int,
        clock: Clock,
    ) -> None:
        self._progress = progress
        self._publish = publish
        self._visit = visit
        self._relink = relink
        self._last_uid = last_uid
        self._shards = shards
        self._clock = clock

    def __call__(self, mails: Sequence[Mail], restored: frozenset[int], after: Cursor) -> int:
        """Hand these on, and record the cursor after them; returns how many were new.

        `restored` are the UIDs of those that were handed on before under another UID.

        Raises:
            Transient: Broker or store do not take them.
            Fenced: The lease is over.
        """
        try:
            return self._publish_and_record(mails, restored, after)
        except (Misconfigured, Permanent) as error:
            # The broker's or the store's fault, not that of the account whose mail it is.
            raise Transient(f"mail cannot be handed on: {error}") from error

    def _publish_and_record(self, mails: Sequence[Mail], restored: frozenset[int], after: Cursor) -> int:
        now, visit = self._clock(), self._visit
        new = [mail for mail in mails if mail.metadata.uid not in restored]
        new = self._unknown(new, after.uidvalidity) if self._relink else new
        with metrics.stage_duration.labels(stage="fetcher.hand_on").time():
            entries = {id(mail): entry(mail, visit.box, after.uidvalidity) for mail in mails}
            ids = [entries[id(mail)].mail_id for mail in new]
            if new:
                self._publish(
                    [
                        received(mail, own_id, visit.box, visit.role, after.uidvalidity, now, self._shards)
                        for mail, own_id in zip(new, ids, strict=True)
                    ]
                )
            now_at = replace(after, updated_at=now) if after.last_uid > self._last_uid else after
            self._progress.advance(visit.lease, visit.box, now_at, list(entries.values()))
        self._tell(new, ids)
        return len(new)

    def _tell(self, new: Sequence[Mail], ids: Sequence[str]) -> None:
        visit = self._visit
        for mail in new:
            metrics.mails_fetched.labels(lane=lane(mail, visit.role)).inc()
        if new:
            # A journey begins here: the mail's id is the correlation id of everything that follows from it.
            logger.info(
                "mails handed on",
                extra={
                    "account": visit.account.name,
                    "folder": visit.box.folder,
                    "correlation_ids": ids,
                },
            )

    def _unknown(self, mails: Sequence[Mail], uidvalidity: int) -> list[Mail]:
        """Those that were not handed on under another UIDVALIDITY."""
        known = self._progress.known_from_before(
            self._visit.box, uidvalidity, (mail.sha256 for mail in mails)
        )
        new = []
        for mail in mails:
            if known[mail.sha256] > 0:
                known[mail.sha256] -= 1
            else:
                new.append(mail)
        if len(new) < len(mails):
            logger.info("mails found again under another UIDVALIDITY", extra={"mails": len(mails) - len(new)})
        return new


def restored(
    mails: Iterable[Mail], twins: Sequence[Twin], left: Callable[[Sequence[int]], set[int]]
) -> frozenset[int]:
    """The UIDs of mails that another client took out of the folder and put back, under a new UID.

    Such a mail has the bytes and the date of arrival of one in the ledger, which is not in the folder any
    more. Two mails that are there at the same time are two, though they be equal.

    Args:
        mails: What was fetched.
        twins: The mails in the ledger with the same contents.
        left: Which of some UIDs are still in the folder.
    """
    known: dict[tuple[str, datetime | None], set[int]] = {}
    for twin in twins:
        known.setdefault((twin.sha256, twin.arrived_at), set()).add(twin.uid)
    before = {
        metadata.uid: known.get((mail.sha256, metadata.arrived_at), set()) - {metadata.uid}
        for mail in mails
        if (metadata := mail.metadata).arrived_at is not None
    }
    asked = sorted(set().union(*before.values()))
    there = left(asked) if asked else set()
    return frozenset(uid for uid, uids in before.items() if uids - there)
