"""One signed-in SMTP session of an account: opened, used for many mails, closed.

The steps of a mail are told apart, since they mean different things when the connection breaks: before the
final dot nothing was sent, after it nobody knows (RFC 5321 section 4.1.1.4, RFC 1047).
"""

import time
from contextlib import suppress

from postroom.account import Account
from postroom.credentials import Credentials
from postroom_sender.compose import Composed
from postroom_sender.dialogue import Lost
from postroom_sender.opening import Opening, Timeouts
from postroom_sender.outcome import Outcome, Reply, Result, Stage, judge

MAX_MAILS = 100
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
        self._unclean = False
        self._used_at = time.monotonic()

    @property
    def idle_s(self) -> float:
        """Seconds since it was last used."""
        return time.monotonic() - self._used_at

    def usable_for(self, account: Account) -> bool:
        """Whether it can take a mail of this account with these settings; asks the server after a rest."""
        if not self.open or self.account != account or self.mails >= MAX_MAILS:
            return False
        if self.idle_s < IDLE_CHECK_S:
            return True
        try:
            return self._dialogue.ask("NOOP", self._timeouts.command_s).accepted
        except Lost:
            return False

    def send(self, mail: Composed) -> Outcome:
        """Send one mail; what breaks is an outcome, too.

        The session is closed when it is in doubt (`open` tells).
        """
        refusal = self._cannot_take(mail)
        if refusal:
            return refusal
        try:
            outcome = self._envelope(mail) or self._content(mail)
        except Lost as lost:
            self._abandon()
            return Outcome(Result.RETRY, "connection_lost", str(lost))
        if outcome is None:
            outcome = self._final_answer()
        self.mails += 1
        self._used_at = time.monotonic()
        if outcome.code == 421:
            self._abandon()
        return outcome

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

    def _envelope(self, mail: Composed) -> Outcome | None:
        """MAIL, RCPT and DATA, in one write where offered (RFC 2920); None when all were taken."""
        options = " SMTPUTF8 BODY=8BITMIME" if mail.international else ""
        steps: list[tuple[Stage, str]] = [
            ("mail", f"MAIL FROM:<{mail.sender}>{options}\r\n"),
            ("rcpt", f"RCPT TO:<{mail.recipients[0]}>\r\n"),
            ("data", "DATA\r\n"),
        ]
        if self._unclean:
            steps.insert(0, ("mail", "RSET\r\n"))
        # Until the dot is answered, this mail's envelope lies at the server.
        self._unclean = True
        if "PIPELINING" in self._extensions:
            return self._pipelined(steps)
        for stage, line in steps:
            self._write(line)
            outcome = _refusal(stage, self._dialogue.reply(self._timeouts.command_s))
            if outcome:
                return outcome
        return None

    def _pipelined(self, steps: list[tuple[Stage, str]]) -> Outcome | None:
        self._write("".join(line for _, line in steps))
        first: Outcome | None = None
        for stage, _ in steps:
            reply = self._dialogue.reply(self._timeouts.command_s)
            first = first or _refusal(stage, reply)
            if reply.code == 421:
                return first
        if first and reply.code == 354:
            # The server waits for content though the recipient was refused (RFC 2920 section 3.1): none.
            self._write(".\r\n")
            self._dialogue.reply(self._timeouts.dot_s)
        return first

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
        return judge("dot", reply)

    def _final_answer(self) -> Outcome:
        try:
            reply = self._dialogue.reply(self._timeouts.dot_s)
        except Lost as lost:
            self._abandon()
            return Outcome(Result.UNCERTAIN, "connection_lost", f"after the mail was handed over, {lost}")
        self._unclean = False
        return judge("dot", reply)

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


def _refusal(stage: Stage, reply: Reply) -> Outcome | None:
    taken = reply.code == 354 if stage == "data" else 200 <= reply.code < 300
    return None if taken else judge(stage, reply)
