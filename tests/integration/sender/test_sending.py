"""What becomes of a mail, by what the server says and does."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta

import pytest

from postroom.clock import utc_now
from postroom.messages import MailFailed, MailSent, MailUncertain
from postroom.own_mail import content_sha256
from postroom_sender.patience import Patience
from tests.integration.sender.scripted import friendly, scripted
from tests.integration.sender.sendroom import QUICK, TOKEN, Post, Sendroom, approval, entry
from tests.servers.aiosmtpd import Behaviour, SmtpServer
from tests.servers.nodes import Nodes


def test_a_request_arrives_as_it_was_written(post: Post) -> None:
    with SmtpServer() as server:
        post.has_account(server.port, from_name="Release gate")
        post.order(post.approval(1))
        (sent,) = post.wait_for(MailSent)
    (mail,) = server.mails()
    read = email.message_from_bytes(mail.content, policy=email.policy.default)
    text = read.get_body(("plain",))
    assert text is not None
    assert (mail.sender, mail.recipients) == (f"{post.name}@example.com", ("boss-1@example.net",))
    assert read["Reply-To"] == f"{post.name}+{TOKEN}@example.com"
    assert "> ." in text.get_content().splitlines()
    assert sent.message_id == read["Message-ID"]
    assert (sent.attempts, sent.send_id) == (1, post.approval(1).id)
    row = post.row(post.approval(1).id)
    assert (row.state, row.message_id, row.content_sha256) == (
        "sent",
        read["Message-ID"],
        content_sha256(b"Received: here\r\n" + mail.content),
    )


def test_a_connection_is_used_for_many_mails(post: Post) -> None:
    with scripted(friendly) as server:
        post.has_account(server.port)
        post.order(*[post.approval(number) for number in range(30)])
        post.wait_for(MailSent, 30)
    assert len(server.contents) == 30
    assert server.connections <= 4  # one for each worker at most
    assert "RSET" not in server.commands


def test_a_mail_put_off_is_sent_later(post: Post) -> None:
    def script(command: str, before: int) -> bytes | None:
        return b"450 4.2.1 greylisted\r\n" if command == "RCPT" and not before else friendly(command, before)

    with scripted(script) as server:
        post.has_account(server.port)
        post.order(post.approval(1))
        (sent,) = post.wait_for(MailSent)
    assert sent.attempts == 2
    assert len(server.contents) == 1


def test_a_mail_refused_for_good_fails_with_the_servers_words(post: Post) -> None:
    refused = {"boss-1@example.net": "550 5.1.1 no such user"}
    with SmtpServer(Behaviour(refused=refused)) as server:
        post.has_account(server.port)
        post.order(post.approval(1), post.approval(2))
        (failed,) = post.wait_for(MailFailed)
        post.wait_for(MailSent)
    assert failed.reason_code == "unknown_recipient"
    assert "no such user" in failed.reason
    assert [mail.recipients for mail in server.mails()] == [("boss-2@example.net",)]


def test_after_a_refusal_the_same_connection_goes_on(post: Post) -> None:
    def script(command: str, before: int) -> bytes | None:
        return b"550 5.1.1 no\r\n" if command == "RCPT" and before % 2 else friendly(command, before)

    with scripted(script) as server:
        post.has_account(server.port)
        post.order(*[post.approval(number) for number in range(10)])
        post.wait_for(MailSent, 5)
        post.wait_for(MailFailed, 5)
    assert len(server.contents) == 5


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_a_connection_lost_before_the_dot_sends_exactly_once(post: Post, step: str) -> None:
    def script(command: str, before: int) -> bytes | None:
        return None if command == step and not before else friendly(command, before)

    with scripted(script) as server:
        post.has_account(server.port)
        post.order(post.plain(1))
        post.wait_for(MailSent)
    assert len(server.contents) == 1
    assert not post.events(MailUncertain)


def test_a_reused_connection_that_was_closed_costs_no_delay(room: Sendroom) -> None:
    def script(command: str, before: int) -> bytes | None:
        return None if command == "MAIL" and before == 1 else friendly(command, before)

    with scripted(script) as server:
        room.write_accounts(entry("releases", server.port))
        with room.sender(Patience(mail_delays_s=(3600,))):
            room.order(approval(1))
            room.wait_for(MailSent, 1)
            room.order(approval(2), approval(3))
            room.wait_for(MailSent, 3)
    assert len(server.contents) == 3


def test_a_plain_mail_lost_after_the_dot_is_uncertain_and_not_sent_again(post: Post) -> None:
    with scripted(lambda command, before: None if command == "dot" else friendly(command, before)) as server:
        post.has_account(server.port)
        post.order(post.plain(1))
        (uncertain,) = post.wait_for(MailUncertain)
        post.order(post.plain(1), post.plain(2))
        post.wait_for(MailUncertain, 2)
    assert uncertain.send_id == post.plain(1).id
    assert "after the mail was handed over" in uncertain.reason
    assert len(server.contents) == 2
    assert post.states() == {post.plain(1).id: "uncertain", post.plain(2).id: "uncertain"}


def test_a_request_lost_after_the_dot_is_sent_again_byte_for_byte(post: Post) -> None:
    def script(command: str, before: int) -> bytes | None:
        return None if command == "dot" and not before else friendly(command, before)

    with scripted(script) as server:
        post.has_account(server.port)
        post.order(post.approval(1))
        (sent,) = post.wait_for(MailSent)
    assert sent.attempts == 2
    assert len(server.contents) == 2
    assert len(set(server.contents)) == 1


@pytest.mark.needs("postfix")
def test_a_request_that_is_lost_after_the_dot_each_time_ends_uncertain(post: Post, nodes: Nodes) -> None:
    sink = nodes.smtp_sink("-q", ".", keep=False)
    post.has_account(sink.port)
    post.order(post.approval(1))
    post.wait_for(MailUncertain)
    assert post.row(post.approval(1).id).attempts == QUICK.blind_tries


def test_a_refusal_in_the_middle_of_the_content_is_heeded(post: Post) -> None:
    def script(command: str, before: int) -> bytes | None:
        if command == "DATA":
            return b"354 go ahead\r\n552 5.3.4 too large\r\n"
        return friendly(command, before)

    with scripted(script) as server:
        post.has_account(server.port)
        post.order(post.plain(1))
        (failed,) = post.wait_for(MailFailed)
    assert failed.reason_code == "too_large"
    assert server.contents == []


def test_a_mail_is_given_up_when_its_time_is_over(post: Post) -> None:
    with SmtpServer(Behaviour(refused={"boss-1@example.net": "450 4.2.0 not now"})) as server:
        post.has_account(server.port)
        post.order(post.approval(1, written_at=utc_now() - timedelta(hours=49)))
        (failed,) = post.wait_for(MailFailed)
    assert failed.reason_code == "expired"
    assert "not now" in failed.reason


def test_a_command_that_comes_again_is_not_mailed_again(room: Sendroom) -> None:
    with SmtpServer() as server:
        room.write_accounts(entry("releases", server.port))
        with room.sender():
            room.order(approval(1))
            room.wait_for(MailSent)
            room.order(approval(1), approval(2))
            room.wait_for(MailSent, 2)
        with room.sender():
            room.order(approval(1), approval(3))
            room.wait_for(MailSent, 3)
    assert [mail.recipients[0] for mail in server.mails()] == [
        f"boss-{number}@example.net" for number in (1, 2, 3)
    ]


def test_a_command_twice_in_one_batch_is_mailed_once(post: Post) -> None:
    with SmtpServer() as server:
        post.has_account(server.port)
        post.order(post.approval(1), post.approval(1), post.approval(2))
        post.wait_for(MailSent, 2)
    assert len(server.mails()) == 2


@pytest.mark.parametrize(
    ("account", "reason_code"),
    [("nobody", "unknown_account"), ("mute", "sending_disabled"), ("off", "sending_disabled")],
)
def test_an_account_that_cannot_send_fails_its_mails(room: Sendroom, account: str, reason_code: str) -> None:
    mute = entry("mute", 1, imap={"host": "127.0.0.1", "user": "u", "password": "env:NONE"})
    del mute["smtp"]
    room.write_accounts(mute, entry("off", 1, enabled=False))
    with room.sender():
        room.order(approval(1, account))
        (failed,) = room.wait_for(MailFailed)
    assert failed.reason_code == reason_code
    assert account in failed.reason


def test_an_account_that_was_applied_before_the_order_is_known(room: Sendroom) -> None:
    with SmtpServer() as server, room.sender(without="accounts"):
        room.write_accounts(entry("new", server.port))
        room.order(approval(1, "new"))
        room.wait_for_any(1)
    assert [each.account for each in room.events(MailSent)] == ["new"]


def test_an_address_that_the_server_cannot_take_fails(post: Post) -> None:
    with scripted(friendly) as server:
        post.has_account(server.port)
        post.order(post.approval(1, recipient="jürgen@example.net"))
        (failed,) = post.wait_for(MailFailed)
    assert failed.reason_code == "smtputf8"
    assert "letters beyond ASCII" in failed.reason
    assert "MAIL" not in server.commands


def test_a_mail_that_is_larger_than_the_server_says_is_not_handed_over(post: Post) -> None:
    def script(command: str, before: int) -> bytes | None:
        return b"250-scripted\r\n250 SIZE 100\r\n" if command == "EHLO" else friendly(command, before)

    with scripted(script) as server:
        post.has_account(server.port)
        post.order(post.approval(1))
        (failed,) = post.wait_for(MailFailed)
    assert failed.reason_code == "too_large"
    assert "the mail server takes 100 at most" in failed.reason
    assert "MAIL" not in server.commands


def test_an_address_beyond_ascii_is_sent_where_the_server_has_smtputf8(post: Post) -> None:
    with SmtpServer() as server:
        post.has_account(server.port)
        post.order(post.approval(1, recipient="jürgen@example.net"))
        post.wait_for(MailSent)
    assert server.mails()[0].recipients == ("jürgen@example.net",)


def test_bulk_has_its_own_workers(post: Post) -> None:
    with SmtpServer() as server:
        post.has_account(server.port)
        post.order(post.plain(1, lane="bulk"), post.approval(2))
        post.wait_for(MailSent, 2)
    assert len(server.mails()) == 2


def test_an_account_added_while_the_sender_runs_sends(room: Sendroom) -> None:
    with SmtpServer() as server:
        room.write_accounts(entry("other", server.port))
        with room.sender():
            room.write_accounts(entry("other", server.port), entry("releases", server.port))
            room.order(approval(1, "other"))
            room.wait_for(MailSent)
            # The accounts file is looked at every two seconds.
            for number in range(2, 100):
                room.order(approval(number))
                failed, sent = len(room.events(MailFailed)), len(room.events(MailSent))
                room.wait_for_any(failed + sent + 1)
                if len(room.events(MailSent)) > sent:
                    break
    assert len(server.mails()) == 2
