"""Carries one mail to its account's server: over an open session, or a new one."""

from postroom.account import Account
from postroom.errors import Misconfigured, Transient
from postroom_sender.compose import Composed
from postroom_sender.connections import Connections
from postroom_sender.opening import Refused
from postroom_sender.outcome import Outcome, Result, Scope
from postroom_sender.session import Session

MAX_DROPS = 3
"""After so many broken connections in a row the server is left alone, not connected to for each mail."""


class Courier:
    """Carries the mails of one account, one after the other."""

    def __init__(self, account: Account, connections: Connections) -> None:
        self._account = account
        self._connections = connections
        self._drops = 0

    def carry(self, mail: Composed) -> Outcome:
        """Send the mail; whatever goes wrong is in the outcome."""
        while True:
            session = self._session()
            if isinstance(session, Outcome):
                return session
            was_used = session.mails > 0
            outcome = session.send(mail)
            self._connections.give_back(session)
            # A server may close a session between two mails; that says nothing about this mail or the server.
            if session.open or not was_used or not _before_the_dot(outcome):
                return self._weighed(outcome)

    def _session(self) -> Session | Outcome:
        try:
            return self._connections.take(self._account)
        except Refused as error:
            return error.outcome
        except Misconfigured as error:
            return Outcome(Result.RETRY, error.reason_code, str(error), Scope.RED)
        except Transient as error:
            reason_code = getattr(error, "reason_code", "unreachable")
            return Outcome(Result.RETRY, reason_code, str(error), Scope.RED)

    def _weighed(self, outcome: Outcome) -> Outcome:
        if outcome.reason_code != "connection_lost":
            self._drops = 0
            return outcome
        self._drops += 1
        if self._drops < MAX_DROPS:
            return outcome
        return Outcome(outcome.result, outcome.reason_code, outcome.sentence, Scope.PAUSE, outcome.code)


def _before_the_dot(outcome: Outcome) -> bool:
    return outcome.result is Result.RETRY and outcome.reason_code == "connection_lost"
