"""What servers say on the way to a session, written down, and what becomes of it."""

from __future__ import annotations

import base64
import socket
import socketserver
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from postroom.account import Account
from postroom.credentials import AccessToken, Credential, Credentials, Password
from postroom.errors import Misconfigured, PostroomError
from postroom.trust import TRUST
from postroom_fetcher.deadline import Patience
from postroom_fetcher.fault import Unavailable
from postroom_fetcher.opening import Tools, connector
from tests.servers.certificates import Authority, Certificate
from tests.servers.imap_script import Answer, Drip, ImapScript

USER, SECRET = "team@example.org", "the-secret-of-this-test"

Script = Sequence[tuple[str, str]]
"""Pairs: how a line of the client's begins (after its tag), and the answer; `TAG` stands for the tag."""

CAPABILITIES = ("CAPABILITY", "* CAPABILITY IMAP4rev1 {0}\r\nTAG OK done")


def _capable(of: str) -> tuple[str, str]:
    return CAPABILITIES[0], CAPABILITIES[1].format(of)


class _FixedCredentials(Credentials):
    """Credentials that need no store; each refused one is replaced by the next."""

    def __init__(self, *found: Credential) -> None:
        self._found = list(found)

    def of(self, _account: object, _server: object) -> Credential:
        return self._found[0]

    def refused(self, _account: object, _credential: object) -> None:
        if len(self._found) > 1:
            del self._found[0]


@contextmanager
def _serving(
    greeting: str, script: Script, certificate: Certificate | None = None
) -> Iterator[tuple[int, list[str]]]:
    """A server that follows the script and writes down what it hears; STARTTLS shows the certificate."""
    heard: list[str] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with ExitStack() as stack:
                self._converse(self.request, stack)

        def _converse(self, peer: socket.socket, stack: ExitStack) -> None:
            peer.sendall(f"{greeting}\r\n".encode())
            lines, tag = stack.enter_context(peer.makefile("rb")), ""
            while raw := lines.readline():
                line = raw.decode().rstrip("\r\n")
                heard.append(line)
                first, _, rest = line.partition(" ")
                tag, said = (first, rest) if rest else (tag, line)
                answer = next((answer for begin, answer in script if said.startswith(begin)), "TAG BAD what")
                peer.sendall(answer.replace("TAG", tag).encode() + b"\r\n")
                if certificate is not None and said == "STARTTLS":
                    context = certificate.server_context()
                    peer = stack.enter_context(context.wrap_socket(peer, server_side=True))
                    lines = stack.enter_context(peer.makefile("rb"))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1], heard
        finally:
            server.shutdown()
            thread.join()


def _fault(
    greeting: str,
    script: Script,
    *credentials: Credential,
    security: str = "none",
    host: str = "127.0.0.1",
    authority: Authority | None = None,
) -> tuple[PostroomError, list[str]]:
    """How connecting failed, and what the server heard."""
    certificate = authority.issue("server") if authority else None
    with _serving(greeting, script, certificate) as (port, heard):
        account = Account.model_validate(
            {
                "name": "team",
                "address": USER,
                "ca_file": str(authority.certificate) if authority else None,
                "imap": {
                    "host": host,
                    "port": port,
                    "security": security,
                    "user": USER,
                    "password": "env:UNUSED",
                },
            }
        )
        found = _FixedCredentials(*(credentials or (Password(USER, SECRET),)))
        connect = connector(Tools(TRUST, found))
        with pytest.raises(PostroomError) as caught:
            connect(account)
    assert SECRET not in str(caught.value)
    return caught.value, heard


@pytest.mark.parametrize(
    ("greeting", "script", "security", "code"),
    [
        ("* PREAUTH welcome", [_capable("")], "none", "preauth"),
        ("* BYE too many connections", [], "none", "throttled"),
        ("220 mail.example.org ESMTP", [_capable("")], "none", "protocol_error"),
        ("* OK hello", [_capable("LOGINDISABLED")], "none", "login_disabled"),
        ("* OK hello", [_capable("LOGINDISABLED AUTH=GSSAPI")], "none", "login_disabled"),
        ("* OK hello", [_capable("")], "starttls", "starttls_missing"),
        ("* OK hello", [_capable("STARTTLS"), ("STARTTLS", "TAG NO not now")], "starttls", "refused"),
    ],
    ids=["preauth", "bye", "smtp", "login disabled", "other mechanism", "no tls", "tls refused"],
)
def test_no_secret_leaves_before_the_server_has_shown_what_it_must(
    greeting: str, script: Script, security: str, code: str
) -> None:
    error, heard = _fault(greeting, script, security=security)
    assert isinstance(error, Misconfigured | Unavailable)
    assert error.reason_code == code
    assert not any("LOGIN" in line or "AUTHENTICATE" in line for line in heard)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("NO AUTHENTICATE failed. BasicAuthBlocked", "basic_auth_disabled"),
        ("NO [ALERT] Application-specific password required (Failure)", "app_password"),
        ("NO [AUTHENTICATIONFAILED] Invalid credentials", "auth_failed"),
        ("NO [UNAVAILABLE] Temporary authentication failure.", "throttled"),
        ("NO [EXPIRED] Old password", "password_change"),
        (f"NO wrong password {SECRET}", "auth_failed"),
        ("BAD Invalid characters in atom", "auth_failed"),
    ],
)
@pytest.mark.parametrize("offered", ["AUTH=PLAIN", ""])
def test_the_words_of_a_refusal_are_understood(answer: str, code: str, offered: str) -> None:
    script = [
        _capable(offered),
        ("AUTHENTICATE", "+ "),
        ("LOGIN", f"TAG {answer}"),
        (base64.b64encode(f"\0{USER}\0{SECRET}".encode()).decode(), f"TAG {answer}"),
    ]
    error, _heard = _fault("* OK hello", script)
    assert isinstance(error, Misconfigured | Unavailable)
    assert error.reason_code == code


@pytest.mark.parametrize(
    ("mechanism", "farewell"), [("XOAUTH2", ""), ("OAUTHBEARER", base64.b64encode(b"\1").decode())]
)
def test_the_error_of_a_token_is_answered_and_a_fresh_token_is_tried_once(
    mechanism: str, farewell: str
) -> None:
    challenge = base64.b64encode(b'{"status":"invalid_token","scope":"mail"}').decode()
    script: Script = [
        _capable(f"AUTH={mechanism}"),
        ("AUTHENTICATE", "+ "),
        ("dXNlcj", f"+ {challenge}"),
        ("bixh", f"+ {challenge}"),
        (farewell or "\0", "TAG NO [AUTHENTICATIONFAILED] no such token"),
        ("", "TAG NO [AUTHENTICATIONFAILED] no such token"),
    ]
    tokens = [AccessToken(USER, f"{SECRET}-{number}") for number in (1, 2, 3)]
    error, heard = _fault("* OK hello", script, *tokens)
    assert isinstance(error, Misconfigured)
    assert error.reason_code == "token_refused"
    assert "status invalid_token" in str(error)
    responses = [base64.b64decode(line) for line in heard if line.startswith(("dXNlcj", "bixh"))]
    assert [f"{SECRET}-{number}".encode() in each for number, each in enumerate(responses, 1)] == [True, True]
    assert heard.count(farewell) == 2


def test_what_came_before_tls_is_not_believed_after_it(tmp_path: Path) -> None:
    injected = "* CAPABILITY IMAP4rev1 LOGINDISABLED"
    script = [
        _capable("STARTTLS AUTH=PLAIN"),
        ("STARTTLS", f"TAG OK go\r\n{injected}"),
        ("AUTHENTICATE PLAIN", "+ "),
        ("", "TAG NO [AUTHENTICATIONFAILED] no"),
    ]
    authority = Authority.create(tmp_path / "authority")
    error, _heard = _fault(f"* OK hello\r\n{injected}", script, security="starttls", authority=authority)
    assert isinstance(error, Misconfigured)
    assert error.reason_code == "auth_failed"


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_tls_handshake_that_drips_is_cut_off_though_the_server_is_never_silent(security: str) -> None:
    # The beginning of a record of 16 KiB, which is a handshake's.
    drip = Drip(b"\x16\x03\x03\x40\x00\x02" + bytes(16_000), bytes_per_s=1)
    patience = Patience(silence_s=60, connect_s=60, opening_s=1.5)
    with ImapScript(also=["STARTTLS"]) as server:
        if security == "tls":
            server.script(drip)
        server.on("STARTTLS", Answer("OK begin"), drip)
        imap = {"host": server.host, "port": server.port, "user": USER, "password": "env:UNUSED"}
        account = Account.model_validate(
            {"name": "team", "address": USER, "imap": {**imap, "security": security}}
        )
        connect = connector(Tools(TRUST, _FixedCredentials(Password(USER, SECRET)), patience))
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            connect(account)
        assert time.monotonic() - began < 15
    assert caught.value.reason_code == "too_slow"
    assert server.commands("LOGIN") + server.commands("AUTHENTICATE") == 0


def test_every_address_of_the_name_is_tried() -> None:
    # A machine with IPv6 has ::1 first under this name, where nobody listens.
    error, heard = _fault("* OK hello", [_capable("LOGINDISABLED")], host="localhost")
    assert isinstance(error, Misconfigured)
    assert heard
