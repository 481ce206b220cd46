"""Looks into the folder for sent mail, on the connection of the inbox, each time its interval has passed.

No connection and no thread of its own: mail that was sent from elsewhere may join its conversation an
interval later. STATUS tells whether anything changed, so a visit costs one short command as a rule. What goes
wrong here is logged and tried less and less often; it does not make the inbox red.
"""

import logging
import time
from collections.abc import Callable
from typing import Literal

from postroom.account_servers import Imap
from postroom.errors import Misconfigured
from postroom_fetcher.fault import Refused, Unavailable
from postroom_fetcher.sent_folder import sent_folder
from postroom_fetcher.session import Session
from postroom_fetcher.turn import Looked

logger = logging.getLogger(__name__)

LONGEST_REST_S = 3600.0
"""A mailbox without a folder for sent mail is asked again so often, as is one whose folder cannot be read."""

Outcome = Literal["not opened", "opened", "broken"]
"""What became of the connection: the inbox is open still; another folder is; it is of no more use."""


class SentVisits:
    """The visits to one mailbox's folder for sent mail.

    `look` hands on what is new in a folder.
    """

    def __init__(
        self,
        account: str,
        imap: Imap,
        look: Callable[[Session, str], Looked],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._account = account
        self._imap = imap
        self._look = look
        self._monotonic = monotonic
        self._folder: str | None = None
        self._seen: tuple[int, ...] = ()
        self._due = 0.0
        self._failures = 0

    def forget_folder(self) -> None:
        """The connection is another one: the folder is looked up again."""
        self._folder = None

    def visit(self, session: Session) -> Outcome:
        """Look into the folder if it is time. Raises what is wrong with broker, store or lease."""
        now = self._monotonic()
        if not self._imap.watch_sent or now < self._due:
            return "not opened"
        self._due = now + self._imap.interval_s
        try:
            outcome = self._visited(session)
        except (Unavailable, Misconfigured) as error:
            return self._failed(error, now)
        self._failures = 0
        return outcome

    def _visited(self, session: Session) -> Outcome:
        if self._folder is None:
            self._folder, _rule = sent_folder(session.folders(), self._imap.sent_folder)
        if self._folder is None or self._folder == self._imap.folder:
            self._folder, self._due = None, self._monotonic() + LONGEST_REST_S
            return "not opened"
        status = session.status(self._folder)
        if status and status == self._seen:
            return "not opened"
        looked = self._look(session, self._folder)
        if looked.more:
            self._due = self._monotonic()
        elif looked.again_in_s is not None:
            self._due = self._monotonic() + looked.again_in_s
        else:
            # From before the look: what has come since then is seen by the next visit.
            self._seen = status
        return "opened"

    def _failed(self, error: Unavailable | Misconfigured, now: float) -> Outcome:
        self._folder, self._seen = None, ()
        self._failures += 1
        rest_s = min(LONGEST_REST_S, self._imap.interval_s * 2.0 ** min(self._failures, 12))
        wished_s = (error.retry_after_s or 0.0) if isinstance(error, Unavailable) else 0.0
        self._due = now + max(rest_s, wished_s)
        logger.warning(
            "sent mail is not read", extra={"account": self._account, "error": str(error), "rest_s": rest_s}
        )
        return "opened" if isinstance(error, Refused | Misconfigured) else "broken"
