"""Accounts whose servers want TLS, a sign-in, or cannot be worked with."""

from __future__ import annotations

import pytest

from postroom.messages import MailSent, SendEvent
from tests.integration.sender.scripted import friendly, scripted
from tests.integration.sender.sendroom import Post, Sendroom, approval, entry
from tests.servers.aiosmtpd import Behaviour, SmtpServer
from tests.servers.certificates import Authority, Certificate
from tests.servers.process import free_port

LOGIN = ("releases", "a right pässword")


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    """A server's certificate for this machine."""
    return authority.issue("server")


def _login(post: Post, password: str = LOGIN[1]) -> dict[str, str]:
    (post.room.folder / f"{post.name}-password").write_text(f"{password}\n")
    return {"user": LOGIN[0], "password": f"file:{post.room.folder}/{post.name}-password"}


def _sends(post: Post, number: int = 1) -> None:
    post.order(post.approval(number))
    post.wait_for(MailSent, number)


def _turns_red(post: Post, reason_code: str) -> str:
    post.order(post.approval(1))
    row = post.room.wait_for_status(post.name, "red")
    assert row.reason_code == reason_code
    assert row.next_try_at is not None
    post.room.wait_to_be_told(post.name, "red", reason_code)
    # The mail waits; nothing became of it.
    post.room.wait_for_state(post.approval(1).id, "retrying")
    assert post.events(SendEvent) == []
    return str(row.sentence)


def test_mail_goes_over_implicit_tls_with_a_sign_in(
    post: Post, authority: Authority, certificate: Certificate
) -> None:
    behaviour = Behaviour(login=LOGIN, implicit_tls=certificate.server_context())
    with SmtpServer(behaviour) as server:
        smtp = {"security": "tls", **_login(post)}
        post.has_account(server.port, smtp=smtp, ca_file=str(authority.certificate))
        _sends(post)
    assert post.room.wait_for_status(post.name, "green").reason_code == "ok"


def test_mail_goes_over_starttls_with_a_sign_in(
    post: Post, authority: Authority, certificate: Certificate
) -> None:
    with SmtpServer(Behaviour(login=LOGIN, starttls=certificate.server_context())) as server:
        smtp = {"security": "starttls", **_login(post)}
        post.has_account(server.port, smtp=smtp, ca_file=str(authority.certificate))
        _sends(post)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_that_nobody_vouches_for_is_not_accepted(
    post: Post, certificate: Certificate, security: str
) -> None:
    context = certificate.server_context()
    behaviour = Behaviour(implicit_tls=context) if security == "tls" else Behaviour(starttls=context)
    with SmtpServer(behaviour) as server:
        post.has_account(server.port, smtp={"security": security})
        assert "not trusted" in _turns_red(post, "certificate")
    assert server.mails() == []


def test_a_certificate_of_another_host_is_not_accepted(post: Post, authority: Authority) -> None:
    other = authority.issue("other", ["mail.example.com"])
    with SmtpServer(Behaviour(implicit_tls=other.server_context())) as server:
        post.has_account(server.port, smtp={"security": "tls"}, ca_file=str(authority.certificate))
        assert "IP address mismatch" in _turns_red(post, "certificate")
    assert server.mails() == []


def test_a_certificate_is_not_checked_where_the_account_says_so(post: Post, certificate: Certificate) -> None:
    with SmtpServer(Behaviour(implicit_tls=certificate.server_context())) as server:
        post.has_account(server.port, smtp={"security": "tls"}, verify_certificate=False)
        _sends(post)


def test_without_starttls_nothing_is_said_to_the_server(post: Post) -> None:
    with scripted(friendly) as server:
        post.has_account(server.port, smtp={"security": "starttls", **_login(post)})
        sentence = _turns_red(post, "starttls_missing")
    assert "security: tls" in sentence
    assert set(server.commands) <= {"greeting", "EHLO"}


def test_what_was_sent_before_tls_is_not_taken_as_said_under_it(post: Post) -> None:
    def script(command: str, before: int) -> bytes | None:
        if command == "EHLO":
            return b"250-scripted\r\n250 STARTTLS\r\n"
        return b"220 go ahead\r\n250 injected\r\n" if command == "STARTTLS" else friendly(command, before)

    with scripted(script) as server:
        post.has_account(server.port, smtp={"security": "starttls"})
        assert "before TLS" in _turns_red(post, "protocol_error")


def test_a_port_that_speaks_no_tls_is_named_as_such(post: Post) -> None:
    with scripted(friendly) as server:
        post.has_account(server.port, smtp={"security": "tls"})
        assert "security or port" in _turns_red(post, "tls_failed")


def test_a_server_that_speaks_something_else_is_named_as_such(post: Post) -> None:
    with scripted(lambda *_: b"SSH-2.0-OpenSSH_9.2\r\n") as server:
        post.has_account(server.port)
        assert "does not speak SMTP" in _turns_red(post, "protocol_error")


def test_a_server_that_does_not_want_us_turns_the_account_red(post: Post) -> None:
    with scripted(lambda *_: b"554 5.7.1 go away\x1b[2J\r\n") as server:
        post.has_account(server.port)
        sentence = _turns_red(post, "refused_us")
    assert "go away" in sentence
    assert "\x1b" not in sentence


@pytest.mark.parametrize(("file", "reason_code"), [("missing.pem", "ca_file"), ("password.pem", "ca_file")])
def test_a_ca_file_that_cannot_be_used_turns_the_account_red(post: Post, file: str, reason_code: str) -> None:
    (post.room.folder / "password.pem").write_text("no certificate\n")
    with scripted(friendly) as server:
        post.has_account(server.port, smtp={"security": "tls"}, ca_file=str(post.room.folder / file))
        assert file in _turns_red(post, reason_code)


def test_a_missing_password_turns_the_account_red(post: Post) -> None:
    with SmtpServer(Behaviour(login=LOGIN)) as server:
        smtp = {"user": "releases", "password": "file:/nowhere/password"}
        post.has_account(server.port, smtp=smtp)
        assert "/nowhere/password" in _turns_red(post, "secret_missing")


def test_a_wrong_password_turns_one_account_red_and_the_others_go_on(post: Post) -> None:
    with SmtpServer(Behaviour(login=LOGIN)) as server, SmtpServer() as other:
        post.has_account(server.port, smtp=_login(post, "a wrong one"))
        neighbour = Post(post.room, f"{post.name}-neighbour", post.accounts, post.entries)
        neighbour.has_account(other.port)
        orders = [each.approval(number) for number in range(1, 6) for each in (post, neighbour)]
        post.order(*orders)
        neighbour.wait_for(MailSent, 5)
        row = post.room.wait_for_status(post.name, "red")
        assert row.reason_code == "auth_failed"
        assert "wrong one" not in row.sentence
        # It heals by itself once the password is right; the mails were waiting.
        _login(post)
        post.wait_for(MailSent, 5)
        post.room.wait_for_status(post.name, "green")
    assert len(server.mails()) == 5


def test_an_unreachable_server_is_tried_again_until_it_is_there(post: Post) -> None:
    with scripted(friendly) as server:
        port = server.port
    post.has_account(port)
    assert "refused" in _turns_red(post, "unreachable")
    post.order(*[post.approval(number) for number in range(2, 11)])
    with SmtpServer() as server_there:
        post.has_account(server_there.port)
        post.wait_for(MailSent, 10)


def test_a_red_account_is_tried_at_once_with_other_settings(post: Post) -> None:
    post.has_account(free_port())
    _turns_red(post, "unreachable")
    with SmtpServer() as server:
        post.has_account(server.port)
        _sends(post)
    assert len(server.mails()) == 1


def test_a_server_that_is_away_is_not_connected_to_for_each_mail(room: Sendroom) -> None:
    with scripted(lambda *_: b"421 4.3.2 closing\r\n") as server, SmtpServer() as other:
        room.write_accounts(entry("releases", server.port), entry("other", other.port))
        room.order(*[approval(number) for number in range(40)], approval(100, "other"))
        with room.sender():
            room.wait_for(MailSent)
            room.wait_for_status("releases", "red")
            room.wait_for_state("deploy-39:ask:0", "retrying")
    # Each of the four workers may have been on its way; after that the server is left alone for its time.
    assert server.connections <= 8
