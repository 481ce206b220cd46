"""Signing in: each mechanism, access tokens, and a wrong password that is not tried for ever."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from postroom.account import Account
from postroom.credentials import Credentials
from postroom.errors import Misconfigured
from postroom.messages import MailSent
from postroom.secret import Secrets
from postroom.secret_box import SecretBox, new_key
from postroom.store import Store
from postroom_sender.opening import Opening, Refused, Timeouts
from postroom_sender.patience import Patience
from postroom_sender.probe import probe
from postroom_sender.session import open_session
from tests.integration.sender.scripted import friendly, scripted
from tests.integration.sender.sendroom import Sendroom, approval, entry
from tests.servers.aiosmtpd import Behaviour, SmtpServer
from tests.tables import migrate

LOGIN = ("releases", "a right pässword")
USER = "releases@example.com"
TIMEOUTS = Timeouts(connect_s=10.0, opening_s=10.0)
CLIENT_SUBMISSION = b"550 5.7.30 Basic authentication is not supported for Client Submission\r\n"
NO_SMTP = b"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.\r\n"
LONG = "x" * 1500  # such as Microsoft's tokens, which do not fit into one line of a command


class Wallet:
    """Tokens to be given out, one after the other; the last one stays."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.refusals: list[str] = []

    def access_token(self, account: Account) -> str:
        """The token that is next."""
        return self.tokens[0]

    def refused(self, account: Account, token: str) -> None:
        """Go on to the next."""
        self.refusals.append(token)
        if len(self.tokens) > 1:
            self.tokens.remove(token)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    store = Store(f"sqlite:///{tmp_path}/store")
    migrate(store)
    yield store
    store.close()


def credentials(store: Store, wallet: Wallet) -> Credentials:
    return Credentials(Secrets(store, SecretBox((new_key(),))), wallet)


def sign_in(store: Store, account: Account, wallet: Wallet) -> None:
    """Open a session of the account, and close it."""
    open_session(account, TIMEOUTS, credentials(store, wallet)).close()


def with_password(port: int, folder: Path, **smtp: Any) -> Account:
    (folder / "password").write_text(f"{LOGIN[1]}\n")
    login = {"user": LOGIN[0], "password": f"file:{folder}/password"}
    return Account.model_validate(entry("releases", port, smtp={**login, **smtp}))


def with_token(port: int, **smtp: Any) -> Account:
    oauth = {
        "client_id": "postroom",
        "token_url": "https://login.example.com/token",
        "device_url": "https://login.example.com/device",
        "scopes": ["mail"],
    }
    return Account.model_validate(entry("releases", port, type="oauth2", oauth=oauth, smtp=smtp))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_password_goes_by_the_mechanism_that_is_set(store: Store, tmp_path: Path, mechanism: str) -> None:
    behaviour = Behaviour(login=LOGIN, mechanisms=("PLAIN", "LOGIN", "CRAM-MD5"))
    with SmtpServer(behaviour) as server:
        account = with_password(server.port, tmp_path, auth=mechanism.lower())
        sign_in(store, account, Wallet("none"))
    (found,) = server.sign_ins()
    assert (found.mechanism, found.taken) == (mechanism, True)


def test_a_password_goes_by_the_only_mechanism_that_is_offered(store: Store, tmp_path: Path) -> None:
    with SmtpServer(Behaviour(login=LOGIN, mechanisms=("CRAM-MD5",))) as server:
        sign_in(store, with_password(server.port, tmp_path), Wallet("none"))
    assert server.sign_ins()[0].taken


def test_a_mechanism_that_is_not_offered_is_named_with_those_that_are(store: Store, tmp_path: Path) -> None:
    with SmtpServer(Behaviour(login=LOGIN)) as server:
        account = with_password(server.port, tmp_path, auth="cram-md5")
        with pytest.raises(Misconfigured, match=r"not offer CRAM-MD5 .* but LOGIN, PLAIN") as found:
            open_session(account, TIMEOUTS, credentials(store, Wallet("none")))
    assert found.value.reason_code == "auth_method"
    assert server.sign_ins() == []


@pytest.mark.parametrize("token", ["short", LONG])
@pytest.mark.parametrize(
    ("auth", "offered", "used"),
    [
        ("auto", ("XOAUTH2", "OAUTHBEARER"), "XOAUTH2"),
        ("auto", ("OAUTHBEARER",), "OAUTHBEARER"),
        ("xoauth2", ("XOAUTH2", "OAUTHBEARER"), "XOAUTH2"),
        ("oauthbearer", ("XOAUTH2", "OAUTHBEARER"), "OAUTHBEARER"),
    ],
)
def test_an_access_token_signs_in(
    store: Store, auth: str, offered: tuple[str, ...], used: str, token: str
) -> None:
    behaviour = Behaviour(takes_token=lambda *given: given == (USER, token), mechanisms=offered)
    with SmtpServer(behaviour) as server:
        sign_in(store, with_token(server.port, auth=auth), Wallet(token))
    assert [(each.mechanism, each.user, each.taken) for each in server.sign_ins()] == [(used, USER, True)]


def test_a_user_with_commas_signs_in_by_oauthbearer(store: Store) -> None:
    user = "a=b,c@example.com"
    behaviour = Behaviour(takes_token=lambda *given: given == (user, "good"), mechanisms=("OAUTHBEARER",))
    with SmtpServer(behaviour) as server:
        sign_in(store, with_token(server.port, user=user), Wallet("good"))


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_refused_token_is_replaced_by_a_fresh_one_at_once(store: Store, mechanism: str) -> None:
    wallet = Wallet("stale", "fresh")
    behaviour = Behaviour(takes_token=lambda _, token: token == "fresh", mechanisms=(mechanism,))
    with SmtpServer(behaviour) as server:
        sign_in(store, with_token(server.port), wallet)
    assert [each.taken for each in server.sign_ins()] == [False, True]
    assert wallet.refusals == ["stale"]


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_token_refused_twice_is_a_refusal_that_names_the_status_and_not_the_token(
    store: Store, mechanism: str
) -> None:
    behaviour = Behaviour(takes_token=lambda *_: False, mechanisms=(mechanism,))
    with SmtpServer(behaviour) as server, pytest.raises(Refused) as found:
        open_session(with_token(server.port), TIMEOUTS, credentials(store, Wallet("sesame", "tahini")))
    outcome = found.value.outcome
    assert outcome.reason_code == "token_refused"
    assert "invalid_token" in outcome.sentence
    assert "sesame" not in outcome.sentence
    assert "tahini" not in outcome.sentence
    assert len(server.sign_ins()) == 2


@pytest.mark.parametrize(
    ("answer", "reason_code"),
    [
        (
            b"550 5.7.30 Basic authentication is not supported for Client Submission\r\n",
            "basic_auth_disabled",
        ),
        (
            NO_SMTP,
            "smtp_auth_disabled",
        ),
        (
            b"535 5.7.139 Authentication unsuccessful, basic authentication is disabled.\r\n",
            "basic_auth_disabled",
        ),
    ],
)
def test_microsofts_refusals_of_passwords_are_told_apart(
    room: Sendroom, answer: bytes, reason_code: str
) -> None:
    def script(command: str, before: int) -> bytes | None:
        if command == "EHLO":
            return b"250-scripted\r\n250 AUTH LOGIN PLAIN\r\n"
        return answer if command == "AUTH" else friendly(command, before)

    with scripted(script) as server:
        smtp = {"user": "releases", "password": room.password}
        room.write_accounts(entry("releases", server.port, smtp=smtp))
        room.order(approval(1))
        with room.sender():
            assert room.wait_for_status("releases", "red").reason_code == reason_code


def test_a_password_that_the_server_repeats_is_not_in_our_sentence(store: Store, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2-hunter2\n")

    def script(command: str, before: int) -> bytes | None:
        if command == "EHLO":
            return b"250-scripted\r\n250 AUTH PLAIN\r\n"
        if command == "AUTH":
            return b"535 5.7.8 hunter2-hunter2 is not the password of releases\r\n"
        return friendly(command, before)

    with scripted(script) as server, pytest.raises(Refused) as refusal:
        login = {"user": "releases", "password": f"file:{tmp_path}/password"}
        sign_in(store, Account.model_validate(entry("releases", server.port, smtp=login)), Wallet("none"))
    assert refusal.value.outcome.reason_code == "auth_failed"
    assert "is not the password" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("mechanism", "answer"),
    [
        ("plain", "535 5.7.8 no: {line}"),
        ("plain", "501 5.5.2 cannot decode {word}"),
        ("login", "535 5.7.8 no: {line}"),
        ("plain", "535 5.7.8 a right pässword is not it"),
        ("plain", "535 5.7.8 " + 176 * "x" + " a right pässword"),
        ("plain", "535 5.7.8 " + 176 * "x" + " {word}"),
        ("plain", "535-5.7.8 your line was\r\n535 5.7.8 {line}"),
    ],
)
def test_a_sign_in_that_the_server_repeats_in_any_form_is_not_in_our_sentence(
    store: Store, tmp_path: Path, mechanism: str, answer: str
) -> None:
    with repeating(answer) as port, pytest.raises(Refused) as refusal:
        sign_in(store, with_password(port, tmp_path, auth=mechanism), Wallet("none"))
    told = str(refusal.value)
    assert "…" in told
    encoded = (f"\0{LOGIN[0]}\0{LOGIN[1]}", LOGIN[1])
    for form in (*(base64.b64encode(each.encode()).decode() for each in encoded), "a right"):
        assert form[:6] not in told


@contextmanager
def repeating(answer: str) -> Iterator[int]:
    """The port of a server that refuses a sign-in and repeats its line, or the line's last word."""

    def serve() -> None:
        sock, _ = listener.accept()
        with sock, sock.makefile("rwb") as lines:
            lines.write(b"220 repeating\r\n")
            for said in (b"250-repeating\r\n250 AUTH PLAIN LOGIN\r\n", b"334 \r\n", b"334 \r\n", b""):
                lines.flush()
                line = lines.readline().decode().strip()
                if not said or line.startswith("AUTH PLAIN"):
                    lines.write(f"{answer.format(line=line, word=line.split()[-1])}\r\n".encode())
                    break
                lines.write(said)
            lines.flush()
            lines.readline()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(10)


def test_what_a_server_offers_is_told_without_what_could_harm_a_terminal(
    store: Store, tmp_path: Path
) -> None:
    def script(command: str, before: int) -> bytes | None:
        if command == "EHLO":
            return b"250-\x1b[2J\r\n250 AUTH \x1b]0;owned\x07 \x9b2J GSSAPI\xe2\x80\xa8\r\n"
        return friendly(command, before)

    with scripted(script) as server, pytest.raises(Misconfigured) as found:
        sign_in(store, with_password(server.port, tmp_path), Wallet("none"))
    assert "GSSAPI" in str(found.value)
    assert str(found.value).isprintable()
    assert str(found.value).isascii()


def test_nobody_signs_in_before_tls_even_if_the_steps_come_in_another_order(
    store: Store, tmp_path: Path
) -> None:
    def script(command: str, before: int) -> bytes | None:
        return b"250-x\r\n250 AUTH PLAIN\r\n" if command == "EHLO" else friendly(command, before)

    with scripted(script) as server:
        account = with_password(server.port, tmp_path, security="starttls")
        opening = Opening(account, TIMEOUTS, credentials(store, Wallet("none")))
        opening.resolve()
        opening.connect()
        with pytest.raises(Misconfigured, match="before the connection is encrypted"):
            opening.authenticate()
        opening.close()
    assert "AUTH" not in server.commands


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"smtp": {"security": "none"}}, "set smtp.security to tls or starttls"),
        ({"verify_certificate": False}, "need verified certificates"),
    ],
)
def test_a_confidential_account_without_verified_tls_is_not_even_connected(
    store: Store, changes: dict[str, Any], said: str
) -> None:
    """However it came to be so: settings as they are read refuse it, too."""
    with scripted(friendly) as server:
        smtp = {"security": "starttls", **changes.pop("smtp", {})}
        open_account = Account.model_validate(entry("clinic", server.port, smtp=smtp, **changes))
        account = open_account.model_copy(update={"confidential": True})
        with pytest.raises(Misconfigured, match=said) as found:
            open_session(account, TIMEOUTS, credentials(store, Wallet("none")))
        (stage,) = (each for each in probe(account, credentials(store, Wallet("none"))) if each.reason_code)
    assert found.value.reason_code == "invalid_settings"
    assert (stage.name, stage.reason_code, stage.detail) == ("connect", "invalid_settings", str(found.value))
    assert server.connections == 0


def test_basic_authentication_refused_at_mail_from_is_configuration_too(room: Sendroom) -> None:
    with scripted(
        lambda command, n: CLIENT_SUBMISSION if command == "MAIL" else friendly(command, n)
    ) as server:
        room.write_accounts(entry("releases", server.port))
        room.order(approval(1))
        with room.sender():
            assert room.wait_for_status("releases", "red").reason_code == "basic_auth_disabled"
            assert room.wait_for_state("deploy-1:ask:0", "retrying")


def test_a_wrong_password_is_tried_three_times_and_no_fourth_until_it_is_corrected(room: Sendroom) -> None:
    with SmtpServer(Behaviour(login=LOGIN)) as server:
        smtp = {"user": LOGIN[0], "password": room.password}
        room.write_accounts(entry("releases", server.port, smtp=smtp), password="a wrong one")
        room.order(*[approval(number) for number in range(1, 21)])
        with room.sender():
            row = room.wait_for_stop("releases")
            assert (row.reason_code, row.failures) == ("auth_failed", 3)
            assert "until its settings or secrets change" in row.sentence
            # Each mail has asked at least once more whether it may go.
            room.order(approval(100))
            room.wait_for_retries(2)
            assert len(server.sign_ins()) == 3
        # Neither its next life nor another sender tries.
        with room.sender(), room.sender():
            room.order(approval(101))
            room.wait_for_retries(2)
            assert len(server.sign_ins()) == 3
            (room.folder / "password").write_text(f"{LOGIN[1]}\n")
            room.wait_for(MailSent, 22)
            assert room.wait_for_status("releases", "green").failures == 0
    assert [each.taken for each in server.sign_ins()[:4]] == [False, False, False, True]


def test_an_outage_does_not_stop_the_tries(room: Sendroom) -> None:
    with scripted(lambda *_: b"421 4.3.2 closing\r\n") as server:
        room.write_accounts(entry("releases", server.port))
        room.order(approval(1))
        quick = Patience(mail_delays_s=(1,), account_delays_s=(0.1,), resting_delays_s=(1,))
        with room.sender(quick):
            room.wait_until(lambda: server.connections >= 4, "a fourth try")
            assert room.wait_for_status("releases", "red").next_try_at is not None


def test_mails_wait_for_the_system_smtp_that_is_missing(room: Sendroom) -> None:
    account = {"name": "releases", "address": USER, "use_system_smtp": True}
    with SmtpServer() as server:
        system = {"host": "127.0.0.1", "port": server.port, "security": "none"}
        room.write_accounts(account, system_smtp=system)
        room.take_away_system_smtp()
        room.order(approval(1))
        with room.sender():
            assert room.wait_for_status("releases", "red").reason_code == "system_smtp"
            room.write_accounts(account, system_smtp=system)
            room.wait_for(MailSent)
            room.wait_for_status("releases", "green")


def test_a_disabled_account_is_grey(room: Sendroom) -> None:
    with SmtpServer() as server, ExitStack() as stack:
        room.write_accounts(entry("releases", server.port))
        room.order(approval(1))
        stack.enter_context(room.sender())
        room.wait_for(MailSent)
        room.wait_for_status("releases", "green")
        room.write_accounts(entry("releases", server.port, enabled=False))
        assert room.wait_for_status("releases", "grey").reason_code == "disabled"
        room.write_accounts(entry("other", 1))
        room.wait_until(lambda: room.status("releases") is None, "no status of an account that is gone")
