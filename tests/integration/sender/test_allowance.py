"""How many mails an account hands over in a window, on both databases and over several senders."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from postroom import topology
from postroom.messages import MailSent
from postroom.send_rate import parse_rate
from postroom.store import Store
from postroom_sender.allowance import opened, pause, paused, take
from tests.integration.sender.scripted import friendly, scripted
from tests.integration.sender.sendroom import QUICK, Sendroom, entry, plain

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RATE = parse_rate("10 per 1m")
PUT_OFF = 20


def test_a_window_is_exact_however_many_take_from_it_at_once(store: Store) -> None:
    def take_two(_number: int) -> int:
        with store.write() as connection:
            return take(connection, "releases", RATE, "transactional", 2, NOW).count

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(take_two, range(12))) == 10
    with store.write() as connection:
        later = NOW + timedelta(seconds=45)
        assert take(connection, "releases", RATE, "transactional", 1, later).wait_s == 15
        assert take(connection, "releases", RATE, "transactional", 3, NOW + timedelta(minutes=1)).count == 3


def test_bulk_leaves_a_fifth_of_a_window_to_other_mail(store: Store) -> None:
    with store.write() as connection:
        assert take(connection, "releases", RATE, "bulk", 20, NOW).count == 8
        assert take(connection, "releases", RATE, "transactional", 20, NOW).count == 2
        assert take(connection, "releases", RATE, "bulk", 1, NOW).count == 0


@pytest.mark.parametrize(
    ("moved", "window"),
    [
        (timedelta(seconds=59), (NOW, 7)),
        (timedelta(seconds=60), (NOW + timedelta(seconds=60), 0)),
        (timedelta(seconds=-59), (NOW, 7)),
        (timedelta(days=-1), (NOW - timedelta(days=1), 7)),
    ],
)
def test_a_clock_that_jumps_back_opens_no_window(moved: timedelta, window: tuple[datetime, int]) -> None:
    assert opened(RATE, NOW, 7, NOW + moved) == window


def test_a_pause_lasts_as_long_as_was_asked_for_and_no_longer(store: Store) -> None:
    with store.write() as connection:
        pause(connection, "releases", NOW + timedelta(minutes=5), "421 later", NOW)
        assert paused(connection, ["releases"], NOW + timedelta(minutes=1)) == {"releases": 240}
        assert paused(connection, ["releases"], NOW - timedelta(days=1)) == {"releases": 300}
        assert paused(connection, ["releases"], NOW + timedelta(minutes=5)) == {}


@pytest.mark.parametrize("is_own", [True, False])
def test_a_pause_ends_with_the_settings_that_it_was_found_with(room: Sendroom, is_own: bool) -> None:
    def write(port: int) -> None:
        smtp = {"host": "127.0.0.1", "port": port, "security": "none"}
        if is_own:
            room.write_accounts(entry("ops", port))
        else:
            account = {key: value for key, value in entry("ops", port).items() if key != "smtp"}
            room.write_accounts({**account, "use_system_smtp": True}, system_smtp=smtp)

    def is_paused() -> bool:
        with room.store.read() as connection:
            return bool(paused(connection, ["ops"], NOW))

    write(2525)
    with room.store.write() as connection:
        pause(connection, "ops", NOW + timedelta(hours=1), "421", NOW)
    write(2525)
    assert is_paused()
    write(2526)
    assert not is_paused()


def test_a_rate_holds_over_several_senders_and_their_lives(room: Sendroom) -> None:
    with scripted(friendly) as server:
        room.write_accounts(entry("releases", server.port, smtp={"rate": "3 per 1h"}))
        room.order(*[plain(number) for number in range(6)])
        with room.sender(), room.sender():
            room.wait_for(MailSent, 3)
            room.wait_until(lambda: list(room.states().values()).count("retrying") == 3, "3 to wait")
        with room.sender():
            room.order(plain(6))
            assert "3 per 1h" in room.wait_for_state("build-6", "retrying").detail
    assert len(server.contents) == 3


def test_a_server_that_wants_a_pause_gets_it_from_all_senders(room: Sendroom) -> None:
    def script(command: str, before: int) -> bytes | None:
        wait = b"421 4.7.0 Too many mails, try again in 5 minutes\r\n"
        return wait if command == "MAIL" else friendly(command, before)

    with scripted(script) as server:
        room.write_accounts(entry("releases", server.port))
        room.order(plain(1))
        with room.sender():
            room.wait_for_state("build-1", "retrying")
        with room.sender():
            room.order(plain(2))
            room.wait_for_retries(2)
    assert server.connections == 1
    assert topology.retry_delay(300) == 60


@pytest.mark.parametrize("command", ["RCPT", "dot"])
def test_a_mail_comes_not_again_before_the_server_wants_it(room: Sendroom, command: str) -> None:
    """There is a delay queue of one second, and none of three."""
    asked: list[float] = []

    def script(said: str, before: int) -> bytes | None:
        if said != command:
            return friendly(said, before)
        asked.append(time.monotonic())
        return friendly(said, before) if before else b"451 4.7.1 Greylisted, try again in 3 seconds\r\n"

    with scripted(script) as server:
        room.write_accounts(entry("releases", server.port))
        with room.sender():
            room.order(plain(1))
            (sent,) = room.wait_for(MailSent)
    assert asked[1] - asked[0] >= 3
    assert sent.attempts == 2


def test_mails_that_were_put_off_together_do_not_come_back_together(room: Sendroom) -> None:
    asked: list[float] = []

    def script(said: str, before: int) -> bytes | None:
        if said == "RCPT":
            asked.append(time.monotonic())
        return b"450 4.2.1 later\r\n" if said == "RCPT" and before < PUT_OFF else friendly(said, before)

    with scripted(script) as server:
        room.write_accounts(entry("releases", server.port))
        with room.sender(replace(QUICK, mail_delays_s=(4,))):
            room.order(*[plain(number) for number in range(PUT_OFF)])
            room.wait_for(MailSent, PUT_OFF)
    again = asked[PUT_OFF:]
    assert max(again) - min(again) > 0.8
