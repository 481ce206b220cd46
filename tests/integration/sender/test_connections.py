"""How connections are used: reused after RSET, asked with NOOP, counted, and written to in one go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from postroom.credentials import Credentials
from postroom.messages import MailFailed, MailSent, MailUncertain
from postroom.oauth.tokens import Tokens
from postroom.secret import Secrets
from postroom.store.schema import send_recipients
from postroom_sender.connections import CLOSE_AFTER_S, Connections
from postroom_sender.opening import Timeouts
from postroom_sender.session import IDLE_CHECK_S
from tests.integration.sender.scripted import Answer, Script, Scripted, friendly, scripted
from tests.integration.sender.sendroom import QUICK, Sendroom, entry, plain
from tests.integration.sender.test_slow_servers import MovedClock
from tests.unit.sender.commands import account

# A mail or an account that is put off is not tried again within a test.
ONCE = replace(QUICK, mail_delays_s=(3600,), account_delays_s=(3600,))
ENVELOPE = b"DATA\r\n"


class Strict:
    """A server that takes MAIL only where no other envelope lies; the first recipient is refused."""

    def __init__(self) -> None:
        self._is_open = False

    def __call__(self, command: str, before: int) -> Answer:
        if command == "MAIL":
            if self._is_open:
                return b"503 5.5.1 nested MAIL\r\n"
            self._is_open = True
        if command in ("RSET", "dot", "greeting"):
            self._is_open = False
        if command == "RCPT" and not before:
            return b"550 5.1.1 who\r\n"
        return b"554 5.5.1 nobody\r\n" if command == "DATA" and not before else friendly(command, before)


def only(command: str, number: int, answer: Answer) -> Script:
    """A server that answers like this to one command, the first having the number 0."""

    def script(asked: str, before: int) -> Answer:
        return answer if (asked, before) == (command, number) else friendly(asked, before)

    return script


def one_line(port: int, **smtp: object) -> dict[str, object]:
    """An account with one connection at a time."""
    return entry("releases", port, smtp={"max_connections": 1, **smtp})


def refused_then_sent(room: Sendroom, server: Scripted) -> None:
    """Send a mail that fails, and then one that does not, on one line."""
    room.write_accounts(one_line(server.port))
    with room.sender(ONCE):
        room.order(plain(1))
        room.wait_for(MailFailed)
        room.order(plain(2))
        room.wait_for(MailSent)


def test_after_a_refusal_the_connection_is_used_again_after_rset(room: Sendroom) -> None:
    with scripted(Strict()) as server:
        refused_then_sent(room, server)
    assert server.connections == 1
    assert server.commands.count("RSET") == 1
    assert len(server.contents) == 1


@pytest.mark.parametrize("answer", [b"550 5.5.1 no\r\n", b"502 5.5.1 what\r\n", None])
def test_a_refused_rset_says_nothing_about_the_mail(room: Sendroom, answer: bytes | None) -> None:
    def script(command: str, before: int) -> Answer:
        return answer if command == "RSET" else strict(command, before)

    strict = Strict()
    with scripted(script) as server:
        refused_then_sent(room, server)
    assert server.connections == 2
    assert len(server.contents) == 1


@pytest.mark.parametrize("answer", [b"250 2.0.0 ok\r\n", b"421 4.4.2 too long\r\n"])
def test_a_connection_that_rested_is_asked_with_noop(room: Sendroom, answer: bytes) -> None:
    clock = MovedClock()
    with scripted(only("NOOP", 0, answer)) as server:
        room.write_accounts(one_line(server.port))
        with room.sender(ONCE, Timeouts(now=clock)):
            room.order(plain(1))
            room.wait_for(MailSent)
            room.order(plain(2))
            room.wait_for(MailSent, 2)
            assert "NOOP" not in server.commands, "it was used just now"
            clock.moved_s = IDLE_CHECK_S + 1
            room.order(plain(3))
            room.wait_for(MailSent, 3)
    assert server.commands.count("NOOP") == 1
    assert server.connections == (1 if answer.startswith(b"250") else 2)
    assert len(server.contents) == 3


def test_a_connection_that_rests_for_long_is_closed(room: Sendroom) -> None:
    clock = MovedClock()
    box = room.settings.read_secret_box()
    secrets = Secrets(room.store, box)
    credentials = Credentials(secrets, Tokens(room.store, box, secrets, "test"))
    with scripted(friendly) as server:
        releases = account(smtp={"host": "127.0.0.1", "port": server.port, "security": "none"})
        connections = Connections(credentials, Timeouts(now=clock))
        connections.give_back(connections.open(releases))
        connections.close_idle()
        assert "QUIT" not in server.commands
        clock.moved_s = CLOSE_AFTER_S + 1
        connections.close_idle()
        room.wait_until(lambda: "QUIT" in server.commands, "the connection to be closed")
        assert connections.reuse(releases) is None


def test_a_connection_carries_as_many_mails_as_the_account_says(room: Sendroom) -> None:
    with scripted(friendly) as server:
        room.write_accounts(one_line(server.port, mails_per_connection=2))
        with room.sender(ONCE):
            room.order(*[plain(number) for number in range(5)])
            room.wait_for(MailSent, 5)
    assert server.connections == 3
    assert len(server.contents) == 5


@pytest.mark.parametrize("offered", [True, False])
def test_the_envelope_goes_in_one_write_where_that_is_offered(room: Sendroom, offered: bool) -> None:
    def script(command: str, before: int) -> Answer:
        return b"250 scripted\r\n" if command == "EHLO" and not offered else friendly(command, before)

    with scripted(script) as server:
        room.write_accounts(one_line(server.port))
        with room.sender(ONCE):
            room.order(plain(1, cc=("anna@example.net",)))
            room.wait_for(MailSent, 2)
    (last,) = [read for read in server.reads if read.endswith(ENVELOPE)]
    assert last.count(b"\r\n") == (4 if offered else 1)


def test_a_server_that_hangs_up_between_two_mails_costs_no_delay_and_pauses_nobody(room: Sendroom) -> None:
    with scripted(only("dot", 0, b"250 2.0.0 ok\r\n421 4.4.2 timeout exceeded\r\n")) as server:
        room.write_accounts(one_line(server.port))
        with room.sender(ONCE):
            room.order(plain(1))
            room.wait_for(MailSent)
            room.order(plain(2))
            room.wait_for(MailSent, 2)
    assert (server.connections, len(server.contents)) == (2, 2)


def test_who_was_refused_before_the_connection_broke_is_not_asked_about_again(room: Sendroom) -> None:
    answers: dict[int, Answer] = {1: b"550 5.1.1 who\r\n", 2: None}

    def script(command: str, before: int) -> Answer:
        return answers[before] if command == "RCPT" and before in answers else friendly(command, before)

    with scripted(script) as server:
        room.write_accounts(one_line(server.port))
        with room.sender():
            room.order(plain(1))
            room.wait_for(MailSent)
            room.order(plain(2, cc=("anna@example.net",)))
            room.wait_for(MailFailed)
            room.wait_for(MailSent, 2)
    with room.store.read() as connection:
        rows = {row.recipient: row.state for row in connection.execute(select(send_recipients))}
    assert rows == {"boss-2@example.net": "failed", "anna@example.net": "sent"}
    assert len(server.contents) == 2


@pytest.mark.parametrize("command", ["MAIL", "dot"])
def test_a_server_out_of_step_gets_no_second_mail_over_the_same_connection(
    room: Sendroom, command: str
) -> None:
    """Neither a mail without content, nor the next mail's commands as content."""
    refusals: dict[str, Answer] = {"MAIL": b"451 4.3.0 no\r\n", "dot": b"354 go ahead\r\n"}
    with scripted(only(command, 0, refusals[command])) as server:
        room.write_accounts(one_line(server.port))
        with room.sender():
            room.order(plain(1))
            ended: Callable[[], object] = {
                "MAIL": lambda: room.wait_for(MailSent),
                "dot": lambda: room.wait_for(MailUncertain),
            }[command]
            ended()
            room.order(plain(2))
            room.wait_for(MailSent, 2 if command == "MAIL" else 1)
    assert len(server.contents) == 2
    assert server.commands.count("dot") == 2
    assert server.connections == 2
