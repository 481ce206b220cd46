"""One signed-in SMTP session of an account: opened, used for many mails, closed.

The steps of a mail are told apart, since they mean different things when the connection breaks: before the
final dot nothing was sent, after it nobody knows (RFC 5321 section 4.1.1.4, RFC 1047).
"""

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from postroom.account import Account
from postroom.account_servers import Smtp
from postroom.credentials import Credentials, Password
from postroom.errors import Misconfigured, PostroomError, Transient
from postroom_sender.compose import Composed
from postroom_sender.dialogue import Dialogue, Lost, explained
from postroom_sender.outcome import Outcome, Reply, Result, Stage, judge
from postroom_sender.sign_in import sign_in
from postroom_sender.tls import tls_context

MAX_MAILS = 100
IDLE_CHECK_S = 30.0
ONE_WRITE_BYTES = 16_000  # of content that goes out together with its dot: one TLS record
_EQUALS = re.compile(r"(?<=^AUTH)=")  # an old way to write it that some servers still have


@dataclass(frozen=True)
class Timeouts:
    """How long is waited for what (seconds). RFC 5321 section 4.5.3.2 wants ten minutes for the dot."""

    connect_s: float = 10.0
    command_s: float = 60.0
    dot_s: float = 600.0
    quit_s: float = 2.0


class Refused(PostroomError):
    """The server did not let us in; `outcome` says why and what it means for the account."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.sentence)
        self.outcome = outcome


class Session:
    """An open session. Not for several threads at once."""

    def __init__(
        self, account: Account, dialogue: Dialogue, timeouts: Timeouts, credentials: Credentials
    ) -> None:
        self.account = account
        self._credentials = credentials
        self.mails = 0
        self.open = True
        self._dialogue = dialogue
        self._timeouts = timeouts
        self._extensions: Mapping[str, str] = {}
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

    # Opening

    def greet(self) -> None:
        """Greeting, EHLO, STARTTLS where wanted, sign-in. Raises Refused, Misconfigured, Lost."""
        smtp = _smtp(self.account)
        self._expect("greeting", self._dialogue.reply(self._timeouts.command_s))
        self._hello()
        if smtp.security == "starttls":
            self._start_tls(smtp)
            self._hello()
        credential = self._credentials.of(self.account, smtp)
        if credential is not None:
            assert isinstance(credential, Password)
            self._sign_in(smtp, credential)

    def _hello(self) -> None:
        self._dialogue.write(f"EHLO {_own_name(self.account)}\r\n".encode(), self._timeouts.command_s)
        reply, lines = self._dialogue.lines(self._timeouts.command_s)
        self._expect("greeting", reply)
        # What was offered before TLS counts no more after it (RFC 3207 section 4.2): the table is made anew.
        words = [
            _EQUALS.sub(" ", line[4:].decode("ascii", "replace").upper()).partition(" ") for line in lines[1:]
        ]
        self._extensions = {name: value for name, _, value in words}

    def _start_tls(self, smtp: Smtp) -> None:
        if "STARTTLS" not in self._extensions:
            raise Misconfigured(
                "no_starttls",
                f"{smtp.host}:{smtp.port} offers no STARTTLS, so nothing is sent there: use its TLS port "
                "(security: tls, usually 465)",
            )
        self._expect("starttls", self._dialogue.ask("STARTTLS", self._timeouts.command_s))
        context = tls_context(self.account.ca_file, verify=self.account.verify_certificate)
        with _tls_errors(smtp):
            self._dialogue.start_tls(context, smtp.host, self._timeouts.connect_s)

    def _sign_in(self, smtp: Smtp, credential: Password) -> None:
        # The order of steps sees to it; this line is there for those who change the order.
        assert self._dialogue.encrypted or smtp.security == "none"
        offered = frozenset(self._extensions.get("AUTH", "").split())
        if not offered:
            raise Misconfigured("no_auth", f"{smtp.host}:{smtp.port} does not offer to sign in here")
        reply = sign_in(
            lambda line: self._dialogue.ask(line, self._timeouts.command_s),
            offered,
            credential.user,
            credential.password,
        )
        self._expect("auth", reply)

    def _expect(self, stage: Stage, reply: Reply) -> None:
        if not 200 <= reply.code < 300:
            raise Refused(judge(stage, reply))

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
            ("rcpt", f"RCPT TO:<{mail.recipient}>\r\n"),
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
    smtp = _smtp(account)
    try:
        sock = socket.create_connection((smtp.host, smtp.port), timeouts.connect_s)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise Transient(f"the name {smtp.host} cannot be looked up now") from error
        raise Misconfigured("unknown_host", f"there is no host {smtp.host}: {explained(error)}") from error
    except UnicodeError as error:
        raise Misconfigured("unknown_host", f"{smtp.host} is no name of a host") from error
    except OSError as error:
        raise Transient(f"{smtp.host}:{smtp.port} is not reachable: {explained(error)}") from error
    # Small writes go out at once, instead of waiting for the other side's acknowledgement (Nagle).
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    dialogue = Dialogue(sock)
    session = Session(account, dialogue, timeouts, credentials)
    try:
        if smtp.security == "tls":
            context = tls_context(account.ca_file, verify=account.verify_certificate)
            with _tls_errors(smtp):
                dialogue.start_tls(context, smtp.host, timeouts.connect_s)
        session.greet()
    except BaseException:
        dialogue.close()
        raise
    return session


def stuffed(content: bytes) -> bytes:
    """The content with dots at line starts doubled (RFC 5321 section 4.5.2), ended by CRLF."""
    content = content.replace(b"\r\n.", b"\r\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def _refusal(stage: Stage, reply: Reply) -> Outcome | None:
    taken = reply.code == 354 if stage == "data" else 200 <= reply.code < 300
    return None if taken else judge(stage, reply)


def _smtp(account: Account) -> Smtp:
    assert account.smtp is not None, "the account does not send"
    return account.smtp


def _own_name(account: Account) -> str:
    """Our name for EHLO: this machine's where it is a domain name, else the domain we send from."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else account.address.rpartition("@")[2]


@contextmanager
def _tls_errors(smtp: Smtp) -> Iterator[None]:
    """Turn what a handshake raises into our errors."""
    where = f"{smtp.host}:{smtp.port}"
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        sentence = f"the certificate of {where} is not trusted: {error.verify_message}"
        raise Misconfigured("certificate", sentence) from error
    except ssl.SSLError as error:
        sentence = f"{where} does not speak TLS as we do ({error.reason}); is security or port right?"
        raise Misconfigured("tls", sentence) from error
    except OSError as error:
        raise Transient(f"{where} broke off while TLS was set up: {explained(error)}") from error
