"""One watched mailbox: a turn of work, then a rest until the server says something or the time has come.

A watch has no thread of its own. `turn` is called by one thread at a time and returns when to call it again.
"""

import logging
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from postroom.account import Account
from postroom.account_reason import reason, waits_for_change
from postroom.account_servers import Imap
from postroom.clock import Clock, utc_now
from postroom.errors import Misconfigured, PostroomError, Transient
from postroom.messages import FolderRole
from postroom.store.account_status import Report, settings_digest
from postroom_fetcher.berth import InLine
from postroom_fetcher.fault import Refused, Unavailable
from postroom_fetcher.intake import Intake, Looked, Visit
from postroom_fetcher.lease import Fenced, Lease
from postroom_fetcher.mailbox import shortcoming
from postroom_fetcher.pause import pause_s
from postroom_fetcher.push import Push
from postroom_fetcher.sent_visit import SentVisits
from postroom_fetcher.session import Connect, Session
from postroom_fetcher.status import StatusBoard, green

logger = logging.getLogger(__name__)

IDLE_AGAIN_S = 540.0
"""Servers may end an IDLE after 30 minutes (RFC 2177), and routers forget silent connections after ten."""
KEEP_OPEN_S = 600.0
"""Between polls further apart than this the connection is closed."""

PROVIDER_PATIENCE = 10
"""A provider that gives out no tokens turns the mailbox red after so many tries, about 10 minutes."""
STOPPED = "Nothing is tried until the account or its secret changes"

_NETWORK = ("disconnected", "protocol_error")

Trouble = Literal["", "mailbox", "host"]
"""What could not be reached or used at the last try; a mailbox that was never read counts as in trouble."""


@dataclass(frozen=True)
class Rest:
    """Rest until `until` (monotonic seconds, or infinite), or until `fileno`, if given, is readable."""

    until: float
    fileno: int | None = None


@dataclass(frozen=True)
class Tools:
    """What all watches share.

    `wake` makes the mailbox of an account take its turn soon. `leave` says that a mailbox does not wait for
    a connection any more.
    """

    connect: Connect
    intake: Intake
    board: StatusBoard
    lose: Callable[[Lease], None]
    wake: Callable[[str], None] = lambda _account: None
    leave: Callable[[Account], None] = lambda _account: None
    clock: Clock = utc_now
    jitter: Callable[[], float] = random.random


class Watch:
    """The watch of one account's folder, and of that for its sent mail, under one lease."""

    def __init__(self, account: Account, lease: Lease, tools: Tools) -> None:
        assert account.imap is not None
        self.account = account
        self.lease = lease
        self._imap = account.imap
        self._tools = tools
        self._session: Session | None = None
        self._digest = settings_digest(account)
        self._begun = False
        self._next_s = float(self._imap.interval_s)
        self._owed: Report | None = None
        self._failures = 0
        self._refusals = 0
        self._house_failures = 0
        self._retired = False
        self._push = Push()
        self._sent = SentVisits(account.name, self._imap, self._look_into_sent)
        self.trouble: Trouble = "mailbox"
        self.fault = ""

    def turn(self) -> Rest:
        """Fetch what is new; returns how long to rest. Never raises: what goes wrong is reported."""
        try:
            rest = self._work() if self._may_try() else Rest(math.inf)
        except Fenced as error:
            return self._dropped(error)
        except InLine:
            return self._rest_s(self._imap.interval_s)
        except (Unavailable, Misconfigured) as error:
            return self._failed(error)
        except PostroomError as error:
            return self._held_up(error)
        except Exception as error:
            logger.exception("a mailbox failed unexpectedly", extra={"account": self.account.name})
            sentence = f"the fetcher has a fault: {type(error).__name__}, see its log"
            return self._failed(Unavailable("internal_error", sentence))
        self._house_failures, self.fault = 0, ""
        return rest

    @property
    def host(self) -> str:
        """The server that the mailbox is on."""
        return f"{self._imap.host}:{self._imap.port}"

    @property
    def retired(self) -> bool:
        """Whether this watch was asked to end."""
        return self._retired

    def retire(self) -> None:
        """Ask a turn that is under way, perhaps in another thread, to end early."""
        self._retired = True

    def interrupt(self) -> None:
        """Cut short what another thread waits for."""
        session = self._session
        if session is not None:
            session.interrupt()

    def close(self) -> None:
        """End the connection."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
        self._sent.forget_folder()
        self._tools.leave(self.account)

    def _may_try(self) -> bool:
        """Whether there is something to try. What the store did not take of a final failure is told first."""
        owed, self._owed = self._owed, None
        if owed is None:
            return self._begun or self._begin()
        self._tell(owed)
        return False

    def _begin(self) -> bool:
        """Go on where an earlier life stopped; returns whether there is something to try."""
        known = self._tools.board.known(self.account.name)
        self._begun = True
        if known is None or known.report.settings_digest != self._digest:
            return True
        if known.report.colour == "red" and reason(known.report.reason_code).kind == "credentials":
            self._refusals = known.report.failures
        if not known.stops(self._digest):
            return True
        self._tools.board.report(self.account.name, known.report, self.lease)
        return False

    def _work(self) -> Rest:
        looked = self._look()
        more, self._next_s = looked.more, min(self._imap.interval_s, looked.again_in_s or math.inf)
        self._failures = self._refusals = 0
        self.trouble = ""
        session = self._session
        if not self._retired:
            lacking = shortcoming(session, self.account) if session else ""
            report = green(self._digest, lacking, looked.set_aside)
            self._tools.board.report(self.account.name, report, self.lease)
        if session is None:
            return self._rest_s(0.0)
        if not more:
            outcome = self._sent.visit(session)
            if outcome == "broken":
                self.close()
            # IDLE tells of the folder that is open.
            more = outcome != "not opened"
        if not session.permit.keep(self._wake):
            self.close()
        return self._rest_s(0.0) if more else self._settle(looked.again_in_s)

    def _settle(self, again_in_s: float | None) -> Rest:
        """Wait for news, by IDLE where that goes, else only for the time of the next poll."""
        session = self._session
        poll_s = min(self._imap.interval_s, again_in_s if again_in_s is not None else math.inf)
        if session is not None and self._push.is_wanted(time.monotonic()):
            try:
                if session.has("IDLE"):
                    return self._idle(session, poll_s)
            except Refused as error:
                self._push.refused(time.monotonic())
                logger.info("IDLE is refused", extra={"account": self.account.name, "reason": str(error)})
            except Unavailable as error:
                # The mailbox was read, so it is not red; how often this may happen is bounded.
                self._lost(error)
                return self._rest_s(min(poll_s, pause_s(error, 1, self._tools.jitter())))
        if poll_s > KEEP_OPEN_S:
            self.close()
        return self._rest_s(poll_s)

    def _idle(self, session: Session, poll_s: float) -> Rest:
        if session.idle():
            return self._rest_s(0.0)
        self._push.begun(time.monotonic())
        return self._rest_s(min(poll_s, IDLE_AGAIN_S), session.fileno())

    def _lost(self, error: Unavailable) -> None:
        self._push.lost(time.monotonic())
        self.close()
        logger.info("connection lost", extra={"account": self.account.name, "reason": str(error)})

    def _wake(self) -> None:
        self._tools.wake(self.account.name)

    def _look(self) -> Looked:
        """One look; a connection that died while nobody looked is made anew and is not a failure yet."""
        if self._session is not None:
            try:
                self._ready(self._session)
                return self._look_into(self._session, self._imap.folder, "inbox")
            except Unavailable as error:
                if error.reason_code not in _NETWORK:
                    raise
                self._lost(error)
        self._session = self._tools.connect(self.account)
        return self._look_into(self._session, self._imap.folder, "inbox")

    def _ready(self, session: Session) -> None:
        """Have the connection ready for commands, and see that it lives."""
        session.permit.use()
        session.end_idle()
        if session.is_stale():
            session.noop()
        self._push.ended()

    def _look_into_sent(self, session: Session, folder: str) -> Looked:
        return self._look_into(session, folder, "sent")

    def _look_into(self, session: Session, folder: str, role: FolderRole) -> Looked:
        # Whoever wrote a mail has read it: nothing in the folder for sent mail is unread.
        imap = self._imap if role == "inbox" else _all_of(self._imap)
        visit = Visit(self.account, imap, self.lease, lambda: self._retired, folder, role)
        return self._tools.intake.look(session, visit)

    def _failed(self, error: Unavailable | Misconfigured) -> Rest:
        """The mailbox cannot be read: red, and again later."""
        self.close()
        if self._retired:
            return self._rest_s(0.0)
        self.trouble = "host" if reason(error.reason_code).kind == "outage" else "mailbox"
        failures = self._count(error.reason_code)
        back_off_s = pause_s(error, failures, self._tools.jitter())
        if error.reason_code == "oauth_unavailable" and failures < PROVIDER_PATIENCE:
            logger.info("no access token now", extra={"account": self.account.name, "reason": str(error)})
            return self._rest_s(back_off_s)
        stops = waits_for_change(error.reason_code, failures)
        report = Report(
            "red",
            error.reason_code,
            f"{str(error).rstrip('.')}. {STOPPED}" if stops else str(error),
            None if stops else self._tools.clock() + timedelta(seconds=back_off_s),
            failures,
            0.0 if stops else back_off_s,
            self._digest,
        )
        try:
            self._tell(report)
        except Fenced as fenced:
            return self._dropped(fenced)
        except PostroomError as held_up:
            return self._held_up(held_up)
        return Rest(math.inf) if stops else self._rest_s(back_off_s)

    def _dropped(self, error: Fenced) -> Rest:
        """The mailbox is another fetcher's now."""
        logger.warning("mailbox dropped", extra={"account": self.account.name, "error": str(error)})
        self.close()
        self._tools.lose(self.lease)
        return self._rest_s(self._imap.interval_s)

    def _tell(self, report: Report) -> None:
        try:
            self._tools.board.report(self.account.name, report, self.lease)
        except PostroomError:
            if waits_for_change(report.reason_code, report.failures):
                self._owed = report
            raise

    def _count(self, reason_code: str) -> int:
        """How many failures of this kind there are; an outage is not counted among the refused sign-ins."""
        if reason(reason_code).kind == "credentials":
            self._refusals += 1
            return self._refusals
        self._failures += 1
        return self._failures

    def _held_up(self, error: PostroomError) -> Rest:
        """Broker, store or spool do not work: not the mailbox's fault, so its colour stays."""
        # The folder may have been left in the middle of an answer.
        self.close()
        self._house_failures += 1
        self.fault = str(error)
        logger.warning("mail cannot be handed on", extra={"account": self.account.name, "error": str(error)})
        return self._rest_s(pause_s(Transient(""), self._house_failures, self._tools.jitter()))

    def _rest_s(self, seconds: float, fileno: int | None = None) -> Rest:
        return Rest(time.monotonic() + seconds, fileno)


def _all_of(imap: Imap) -> Imap:
    return imap.model_copy(update={"messages": "all"})
