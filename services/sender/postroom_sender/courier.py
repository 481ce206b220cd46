"""Carries one mail to its account's server: over an open session, or a new one."""

import logging
from dataclasses import replace

from postroom.account import Account
from postroom.errors import Misconfigured, Transient
from postroom_sender.compose import Composed
from postroom_sender.connections import Connections
from postroom_sender.opening import Refused
from postroom_sender.outcome import Outcome, Result, Scope
from postroom_sender.session import Session
from postroom_sender.standing import Standing, Standings
from postroom_sender.transaction import CONNECTION_LOST, Handover

logger = logging.getLogger(__name__)

MAX_DROPS = 3
"""After so many broken connections in a row the server is left alone, not connected to for each mail."""
_NO_SYSTEM_SMTP = Outcome(
    Result.RETRY,
    "system_smtp",
    "the account sends through system_smtp, which is not set or does not allow this account",
    Scope.RED,
)


class Courier:
    """Carries the mails of one account, one after the other, and draws the conclusions about the account."""

    def __init__(self, account: Account, connections: Connections, standings: Standings) -> None:
        self._account = account
        self._connections = connections
        self._standings = standings
        self._drops = 0
        self._news: Standing | None = None

    def carry(self, mail: Composed) -> Handover:
        """Send the mail; whatever goes wrong is in the outcome."""
        while True:
            session = self._session()
            if isinstance(session, Outcome):
                return Handover(session)
            was_used = session.mails > 0
            found = session.send(mail)
            self._connections.give_back(session)
            # A server may close a session between two mails; that says nothing about this mail or the server.
            if session.open or not was_used or not _before_the_dot(found):
                return self._concluded(found)

    def take_news(self) -> Standing | None:
        """What is to be told about the account since the last call."""
        news, self._news = self._news, None
        return news

    def left_alone(self) -> Outcome | None:
        """What becomes of a mail while the account's server is left alone; None if it is not."""
        if not self._standings.rests(self._account):
            return None
        sentence = self._standings.sentence(self._account)
        return Outcome(Result.RETRY, "account_waits", f"the mail server is left alone: {sentence}")

    def _session(self) -> Session | Outcome:
        session = self._connections.reuse(self._account)
        if session is not None:
            return session
        with self._standings.opening(self._account):
            self._standings.consult(self._account)
            return self.left_alone() or self._opened()

    def _opened(self) -> Session | Outcome:
        if self._account.smtp is None:
            return self._heeded(_NO_SYSTEM_SMTP)
        try:
            return self._connections.open(self._account)
        except Refused as error:
            outcome = error.outcome
        except Misconfigured as error:
            outcome = Outcome(Result.RETRY, error.reason_code, str(error), Scope.RED)
        except Transient as error:
            reason_code = getattr(error, "reason_code", "unreachable")
            outcome = Outcome(Result.RETRY, reason_code, str(error), Scope.RED)
        return self._heeded(outcome)

    def _concluded(self, found: Handover) -> Handover:
        outcome = self._weighed(found.outcome)
        found = Handover(outcome, found.refused)
        self._heeded(found.about_account)
        return found

    def _heeded(self, outcome: Outcome) -> Outcome:
        """Draw the conclusions about the account."""
        if outcome.scope is not Scope.MAIL:
            news = self._standings.failed(self._account, outcome)
            logger.warning(
                "the account's mail server is left alone",
                extra={"account": self._account.name, "reason": outcome.sentence},
            )
        elif outcome.code is not None:
            news = self._standings.worked(self._account)
        else:
            return outcome
        self._news = news or self._news
        return outcome

    def _weighed(self, outcome: Outcome) -> Outcome:
        if outcome.reason_code != CONNECTION_LOST:
            self._drops = 0
            return outcome
        self._drops += 1
        if self._drops < MAX_DROPS:
            return outcome
        return replace(outcome, scope=Scope.PAUSE)


def _before_the_dot(found: Handover) -> bool:
    """Whether nobody has got the mail, and nobody was refused."""
    outcome = found.outcome
    is_about_connection = outcome.reason_code in (CONNECTION_LOST, "connection_full")
    return outcome.result is Result.RETRY and is_about_connection and not found.refused
