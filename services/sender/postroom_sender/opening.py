"""The way into an account's server, step by step: resolve, connect, TLS, authenticate."""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from postroom.account import Account, unprotected
from postroom.account_servers import Smtp
from postroom.credentials import AccessToken, Credential, Credentials, Password, without
from postroom.errors import Misconfigured, PostroomError, Transient
from postroom.names import NAMES, Address, Names
from postroom.trust import TRUST
from postroom_sender.dialogue import Dialogue, Lost, explained
from postroom_sender.judging import judge
from postroom_sender.outcome import Outcome, Reply, Stage, harmless
from postroom_sender.sign_in import Kind, Login, SignedIn, choose

_EQUALS = re.compile(r"(?<=^AUTH)=")  # an old way to write it that some servers still have


@dataclass(frozen=True)
class Timeouts:
    """How long is waited for what (seconds).

    RFC 5321 section 4.5.3.2 wants five minutes for the commands of a mail, and ten for the dot. It wants five
    for the greeting too, but a port that says nothing is mostly a wrong one, and its account shall say so.

    Attributes:
        connect_s: For looking up a name, and again for all its addresses together.
        opening_s: For each answer until a mail may go, and for a sign of life.
        command_s: For each answer about a mail before the dot.
        dot_s: For the answer to that.
        quit_s: For a farewell.
        now: The clock of the conversation.
    """

    connect_s: float = 10.0
    opening_s: float = 60.0
    command_s: float = 300.0
    dot_s: float = 600.0
    quit_s: float = 2.0
    now: Callable[[], float] = time.monotonic


class Refused(PostroomError):
    """The server did not let us in; `outcome` says why and what it means for the account."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.sentence)
        self.outcome = outcome


class Unavailable(Transient):
    """Not now; `reason_code` is of `postroom.account_reason`."""

    def __init__(self, reason_code: str, sentence: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(sentence, retry_after_s=retry_after_s)
        self.reason_code = reason_code


class Opening:
    """A connection that is being opened. The steps are called in their order; each returns what it found.

    Each raises:
        Refused: the server said no.
        Misconfigured: it cannot work with these settings.
        Transient: the server is not reachable or broke off (Lost, Unavailable).
    """

    def __init__(
        self, account: Account, timeouts: Timeouts, credentials: Credentials, names: Names = NAMES
    ) -> None:
        assert account.smtp is not None, "the account does not send"
        self.account = account
        self.timeouts = timeouts
        self.extensions: Mapping[str, str] = {}
        self._smtp: Smtp = account.smtp
        self._credentials = credentials
        self._names = names
        self._addresses: Sequence[Address] = ()
        self._dialogue: Dialogue | None = None
        self._token_was_refused = False

    @property
    def dialogue(self) -> Dialogue:
        """The connection."""
        assert self._dialogue is not None, "the step connect comes first"
        return self._dialogue

    def steps(self) -> tuple[Callable[[], str], ...]:
        """All steps in their order."""
        return self.resolve, self.connect, self.start_tls, self.authenticate

    def close(self) -> None:
        """Hang up, if there is a connection."""
        if self._dialogue is not None:
            self._dialogue.close()

    def hang_up(self) -> None:
        """Say goodbye, and close whatever the answer is."""
        if self._dialogue is not None:
            with suppress(Lost):
                self._dialogue.ask("QUIT", self.timeouts.quit_s)
            self._dialogue.close()

    def resolve(self) -> str:
        """Look the host's name up; the addresses found."""
        host, port = self._smtp.host, self._smtp.port
        try:
            self._addresses = self._names.addresses(host, port, self.timeouts.connect_s)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                why = explained(error)
                raise Unavailable("unreachable", f"the name {host} cannot be looked up now: {why}") from error
            raise Misconfigured("unknown_host", f"there is no host {host}: {explained(error)}") from error
        except UnicodeError as error:
            raise Misconfigured("unknown_host", f"{host} is no name of a host") from error
        return ", ".join(str(address[0]) for _, address in self._addresses)

    def connect(self) -> str:
        """Connect and, unless TLS comes first, be greeted; the address that answered."""
        # Settings that are read refuse this too; the wire is where it must hold, however they came about.
        if fault := unprotected(self.account):
            raise Misconfigured("invalid_settings", fault)
        sock, where = self._connected()
        # Small writes go out at once, instead of waiting for the other side's acknowledgement (Nagle).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._dialogue = Dialogue(sock, self.timeouts.now)
        if self._smtp.security != "tls":
            self._be_greeted()
        return where

    def start_tls(self) -> str:
        """Encrypt as the account says, and greet under it; version and cipher, empty without TLS."""
        if self._smtp.security == "none":
            return ""
        if self._smtp.security == "starttls":
            self._ask_for_tls()
        context = TRUST.context(self.account)
        with _tls_errors(self._smtp):
            self.dialogue.start_tls(context, self._smtp.host, self.timeouts.connect_s)
        if self._smtp.security == "tls":
            self._be_greeted()
        else:
            self._hello()
        return self.dialogue.cipher()

    def authenticate(self) -> str:
        """Sign in as the account says; mechanism and user, empty if nobody signs in.

        A token that the server refuses is replaced by a fresh one, once, over a new connection.
        """
        try:
            return self._sign_in()
        except _TokenRefused:
            self.close()
            for step in (self.connect, self.start_tls):
                step()
        return self._sign_in()

    # Connecting

    def _connected(self) -> tuple[socket.socket, str]:
        deadline = time.monotonic() + self.timeouts.connect_s
        faults: list[str] = []
        for number, (family, address) in enumerate(self._addresses):
            # One that does not answer leaves the others their part of the time.
            left_s = (deadline - time.monotonic()) / (len(self._addresses) - number)
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(max(left_s, 0.1))
                sock.connect(address)
            except OSError as error:
                sock.close()
                faults.append(f"{address[0]}: {explained(error)}")
            else:
                return sock, f"{address[0]}, port {self._smtp.port}"
        where = f"{self._smtp.host}:{self._smtp.port}"
        raise Unavailable("unreachable", f"{where} is not reachable: {'; '.join(faults)}")

    def _be_greeted(self) -> None:
        self._expect("greeting", self.dialogue.reply(self.timeouts.opening_s))
        self._hello()

    def _hello(self) -> None:
        self.dialogue.write(f"EHLO {_own_name(self.account)}\r\n".encode(), self.timeouts.opening_s)
        reply, lines = self.dialogue.lines(self.timeouts.opening_s)
        self._expect("greeting", reply)
        # What was offered before TLS counts no more after it (RFC 3207 section 4.2): the table is made anew.
        words = [_EQUALS.sub(" ", harmless(line[4:]).upper()).partition(" ") for line in lines[1:]]
        self.extensions = {name: value for name, _, value in words}

    def _ask_for_tls(self) -> None:
        if "STARTTLS" not in self.extensions:
            raise Misconfigured(
                "starttls_missing",
                f"{self._smtp.host}:{self._smtp.port} offers no STARTTLS, so nothing is sent there: use its "
                "TLS port (security: tls, usually 465)",
            )
        self._expect("starttls", self.dialogue.ask("STARTTLS", self.timeouts.opening_s))

    # Signing in

    def _sign_in(self) -> str:
        credential = self._credential()
        if credential is None:
            return ""
        # The order of steps sees to it; this is there for those who change the order.
        if not self.dialogue.encrypted and self._smtp.security != "none":
            raise Misconfigured("login_disabled", "nobody signs in before the connection is encrypted")
        offered = frozenset(self.extensions.get("AUTH", "").split())
        if not offered:
            where = f"{self._smtp.host}:{self._smtp.port}"
            raise Misconfigured("login_disabled", f"{where} does not offer to sign in here")
        stage, takes, secret = _told_apart(credential)
        mechanism = choose(self._smtp.auth, takes, offered)
        said: list[str] = []

        def ask(line: str) -> Reply:
            said.append(line.removeprefix(f"AUTH {mechanism.name}").strip())
            return self.dialogue.ask(line, self.timeouts.opening_s)

        signed_in = mechanism.run(ask, Login(credential.user, secret, self._smtp.host, self._smtp.port))
        if not 200 <= signed_in.reply.code < 300:
            self._not_let_in(credential, _judged(stage, _hidden(secret, said, signed_in)))
        return f"{mechanism.name} as {credential.user}"

    def _credential(self) -> Credential | None:
        try:
            return self._credentials.of(self.account, self._smtp)
        except Transient as error:
            if self.account.uses_oauth(self._smtp):
                raise Unavailable(
                    "oauth_unavailable", str(error), retry_after_s=error.retry_after_s
                ) from error
            raise

    def _not_let_in(self, credential: Credential, outcome: Outcome) -> None:
        if outcome.reason_code == "token_refused" and not self._token_was_refused:
            self._token_was_refused = True
            self._credentials.refused(self.account, credential)
            raise _TokenRefused(outcome)
        raise Refused(outcome)

    def _expect(self, stage: Stage, reply: Reply) -> None:
        if not 200 <= reply.code < 300:
            raise Refused(judge(stage, reply))


class _TokenRefused(Refused):
    """The first token was of no use; perhaps another one is."""


def _told_apart(credential: Credential) -> tuple[Stage, Kind, str]:
    if isinstance(credential, Password):
        return "auth", "password", credential.password
    assert isinstance(credential, AccessToken)
    return "token", "token", credential.token


def _hidden(secret: str, said: Sequence[str], signed_in: SignedIn) -> SignedIn:
    """The server's word without the secret: as an answer shows it, and as it was said (base64)."""
    reply, text, status = signed_in.reply, signed_in.reply.text, signed_in.status
    for form in (harmless(secret.encode()), *said):
        text, status = without(form, text), without(form, status)
    return SignedIn(Reply(reply.code, reply.enhanced, text), status)


def _judged(stage: Stage, signed_in: SignedIn) -> Outcome:
    """What a refusal comes to; with what the server said about the token before."""
    # After an error about the token, the last word is about the token, whatever its code (RFC 7628, 3.2.3).
    final = signed_in.reply
    if signed_in.status and final.code >= 500:
        final = Reply(535, final.enhanced, final.text)
    outcome = judge(stage, final)
    if not signed_in.status:
        return outcome
    sentence = f"{outcome.sentence}; about the token it says: {signed_in.status}"
    return Outcome(outcome.result, outcome.reason_code, sentence, outcome.scope, signed_in.reply.code)


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
        raise Misconfigured("tls_failed", sentence) from error
    except OSError as error:
        raise Lost(f"{where} broke off while TLS was set up: {explained(error)}") from error
