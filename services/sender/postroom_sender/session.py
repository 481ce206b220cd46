"""One signed-in SMTP session of an account: opened, used for many mails, closed.

The steps of a mail are told apart, since they mean different things when the connection breaks: before the
final dot nothing was sent, after it nobody knows (RFC 5321 section 4.1.1.4, RFC 1047).
"""

from collections.abc import Sequence
from contextlib import suppress

from postroom.account import Account
from postroom.credentials import Credentials
from postroom_sender.compose import Composed
from postroom_sender.dialogue import Lost
from postroom_sender.judging import judge
from postroom_sender.opening import Opening, Timeouts
from postroom_sender.outcome import Outcome, Reply, Result
from postroom_sender.transaction import CONNECTION_LOST, Handover, Step, Transaction, steps

IDLE_CHECK_S = 30.0
ONE_WRITE_BYTES = 16_000  # of content that goes out together with its dot: one TLS record


class Session:
    """An open session. Not for several threads at once."""

    def __init__(self, opening: Opening) -> None:
        self.account = opening.account
        self.mails = 0
        self.open = True
        self._dialogue = opening.dialogue
        self._timeouts = opening.timeouts
        self._extensions = opening.extensions
        assert opening.account.smtp is not None
        self._most_mails = opening.account.smtp.mails_per_connection
        self._unclean = False
        self._now = opening.timeouts.now
        self._used_at = self._now()

    @property
    def idle_s(self) -> float:
        """Seconds since it was last used."""
        return self._now() - self._used_at

    def usable_for(self, account: Account) -> bool:
        """Whether it can take a mail of this account with these settings; asks the server after a rest."""
        if not self.open or self.account != account or self.mails >= self._most_mails:
            return False
        # Unasked a server says 421 and hangs up (RFC 5321 section 3.8), which is no answer to a mail.
        if self._dialogue.spoke_early():
            return False
        if self.idle_s < IDLE_CHECK_S:
            return True
        try:
            return self._dialogue.ask("NOOP", self._timeouts.opening_s).accepted
        except Lost:
            return False

    def send(self, mail: Composed) -> Handover:
        """Send one mail to all its recipients; what breaks is an outcome, too.

        The session is closed when it is in doubt (`open` tells).
        """
        refusal = self._cannot_take(mail)
        if refusal:
            return Handover(refusal)
        transaction = Transaction()
        try:
            self._envelope(mail, transaction)
            outcome = transaction.ended or self._content(mail)
        except Lost as lost:
            self._abandon()
            # A server that refuses may hang up before it has answered what was written behind.
            outcome = transaction.ended or Outcome(Result.RETRY, CONNECTION_LOST, str(lost))
            return Handover(outcome, transaction.refused)
        if outcome is None:
            outcome = self._final_answer()
        self.mails += 1
        self._used_at = self._now()
        if outcome.code == 421 or outcome.reason_code == CONNECTION_LOST:
            self._abandon()
        return Handover(outcome, transaction.refused)

    def close(self) -> None:
        """Say goodbye, and close whatever the answer is."""
        if self.open:
            with suppress(Lost):
                self._dialogue.ask("QUIT", self._timeouts.quit_s)
        self._abandon()

    def _abandon(self) -> None:
        self.open = False
        self._dialogue.close()

    # Sending

    def _cannot_take(self, mail: Composed) -> Outcome | None:
        if mail.international and "SMTPUTF8" not in self._extensions:
            sentence = "the mail server cannot take addresses with letters beyond ASCII (no SMTPUTF8)"
            return Outcome(Result.FAILED, "smtputf8", sentence)
        limit = self._extensions.get("SIZE", "")
        if limit.isdecimal() and 0 < int(limit) < len(mail.content):
            sentence = (
                f"the mail has {len(mail.content)} bytes, and the mail server takes {int(limit)} at most"
            )
            return Outcome(Result.FAILED, "too_large", sentence)
        return None

    def _envelope(self, mail: Composed, transaction: Transaction) -> None:
        """MAIL, RCPT and DATA, in one write where offered (RFC 2920)."""
        plan = steps(mail.sender, mail.recipients, international=mail.international, reset=self._unclean)
        # Until the dot is answered, this mail's envelope lies at the server.
        self._unclean = True
        if "PIPELINING" in self._extensions:
            return self._pipelined(plan, transaction)
        for step in plan:
            if transaction.ended or (step.stage == "data" and transaction.nobody_left()):
                return None
            self._write(step.line)
            transaction.take(step, self._dialogue.reply(self._timeouts.command_s))
        return None

    def _pipelined(self, plan: Sequence[Step], transaction: Transaction) -> None:
        self._write("".join(step.line for step in plan))
        for step in plan:
            reply = self._dialogue.reply(self._timeouts.command_s)
            transaction.take(step, reply)
            if reply.code == 421:
                return
        if transaction.open_content and transaction.has_recipients:
            # A dot would hand over a mail without content.
            self._abandon()
        elif transaction.open_content:
            # The server waits for content though every recipient was refused: none.
            self._write(".\r\n")
            self._dialogue.reply(self._timeouts.dot_s)

    def _content(self, mail: Composed) -> Outcome | None:
        """The content and the final dot. Raises Lost: then the server cannot have got the dot."""
        content = stuffed(mail.content)
        if len(content) > ONE_WRITE_BYTES:
            self._dialogue.write(content, self._timeouts.dot_s)
            content = b""
        # The server may have closed, or refuse what it has seen so far: then there is no dot.
        if not self._dialogue.spoke_early():
            self._dialogue.write(content + b".\r\n", self._timeouts.dot_s)
            return None
        reply = self._dialogue.reply(self._timeouts.command_s)
        self._abandon()
        if reply.accepted:
            raise Lost("the server answered before the mail was complete")
        return self._judged(reply)

    def _final_answer(self) -> Outcome:
        try:
            reply = self._dialogue.reply(self._timeouts.dot_s)
        except Lost as lost:
            self._abandon()
            return Outcome(Result.UNCERTAIN, CONNECTION_LOST, f"after the mail was handed over, {lost}")
        self._unclean = False
        outcome = self._judged(reply)
        if outcome.result is Result.UNCERTAIN:
            # Out of step with us: it might take the next mail's commands for content.
            self._abandon()
        return outcome

    def _judged(self, reply: Reply) -> Outcome:
        """What the answer to the content comes to; a refusal may quote that, so D9 leaves its words out."""
        is_quotable = not self.account.confidential or reply.accepted
        return judge("dot", reply, shown=reply if is_quotable else Reply(reply.code, reply.enhanced))

    def _write(self, text: str) -> None:
        self._dialogue.write(text.encode(), self._timeouts.command_s)


def open_session(account: Account, timeouts: Timeouts, credentials: Credentials) -> Session:
    """Connect and sign in.

    Raises:
        Refused: the server said no.
        Misconfigured: it cannot work with these settings.
        Transient: the server is not reachable or broke off.
    """
    opening = Opening(account, timeouts, credentials)
    try:
        for step in opening.steps():
            step()
    except BaseException:
        opening.close()
        raise
    return Session(opening)


def stuffed(content: bytes) -> bytes:
    """The content with dots at line starts doubled (RFC 5321 section 4.5.2), ended by CRLF."""
    content = content.replace(b"\r\n.", b"\r\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content if content.endswith(b"\r\n") else content + b"\r\n"
