"""A server that takes its ten minutes after the final dot (RFC 5321 section 4.5.3.2.6) holds up nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from postroom import topology
from postroom.messages import MailSent, MailUncertain, SendEvent
from postroom_sender.app import WORKERS
from postroom_sender.opening import Timeouts
from tests.integration.sender.scripted import Answer, Script, Scripted, friendly, scripted
from tests.integration.sender.sendroom import QUICK, Sendroom, entry, open_sendroom, plain

# No sender dies here: on a busy machine one may be silent for seconds and live.
IMPATIENT = replace(QUICK, hold_s=0.3, silence=timedelta(minutes=1))
MINUTE_S = 60.0


class MovedClock:
    """A clock that is set forward by hand."""

    def __init__(self) -> None:
        self.moved_s = 0.0
        self.asked = 0

    def __call__(self) -> float:
        """The time, in seconds from anywhere."""
        self.asked += 1
        return time.monotonic() + self.moved_s


def _looked_at(clock: MovedClock, times: int) -> bool:
    return clock.asked >= times


def _first_dot_waits_for(event: threading.Event) -> Script:
    def script(command: str, before: int) -> bytes | None:
        if command == "dot" and not before:
            event.wait(30)
        return friendly(command, before)

    return script


def _has(server: Scripted, count: int) -> bool:
    return len(server.contents) == count


@pytest.mark.parametrize("senders", [1, 2])
def test_the_others_go_over_another_connection_and_it_is_sent_once(room: Sendroom, senders: int) -> None:
    answer = threading.Event()
    with scripted(_first_dot_waits_for(answer)) as server:
        room.write_accounts(entry("releases", server.port, smtp={"max_connections": 2}))
        with room.sender(IMPATIENT):
            room.order(plain(0))
            room.wait_until(lambda: len(server.contents) == 1, "the mail to be handed over")
            room.order(*[plain(number) for number in range(1, 6)])
            room.wait_for(MailSent, 5)
            assert room.row("build-0").state == "in_data"
            if senders == 2:
                # The command lies in the broker, and comes to another sender, which leaves it alone.
                with room.sender(IMPATIENT):
                    room.wait_for_retries(2)
            room.wait_for_retries(1)
            assert room.row("build-0").state == "in_data"
            answer.set()
            room.wait_for(MailSent, 6)
            room.wait_for_state("build-0", "sent")
    assert len(server.contents) == 6
    assert room.events(MailUncertain) == []


def test_mails_of_one_batch_go_over_several_connections_at_a_time(tmp_path: Path) -> None:
    at_the_dot = threading.Semaphore(0)
    all_there = threading.Event()

    def script(command: str, before: int) -> Answer:
        if command == "dot":
            at_the_dot.release()
            all_there.wait(30)
        return friendly(command, before)

    with open_sendroom(tmp_path, batch_wait_ms=1000) as room, scripted(script) as server:
        room.write_accounts(entry("releases", server.port, smtp={"max_connections": 3}))
        room.order(*[plain(number) for number in range(3)])
        with room.sender(replace(IMPATIENT, hold_s=60)):
            try:
                there = [at_the_dot.acquire(timeout=20) for _ in range(3)]
            finally:
                all_there.set()
            room.wait_for(MailSent, 3)
    assert there == [True] * 3
    assert server.connections == 3


def test_an_account_with_all_its_connections_held_delays_no_other(room: Sendroom) -> None:
    answer = threading.Event()
    with scripted(_first_dot_waits_for(answer)) as slow, scripted(friendly) as quick:
        room.write_accounts(
            entry("releases", slow.port, smtp={"max_connections": 1}), entry("other", quick.port)
        )
        with room.sender(IMPATIENT):
            room.order(plain(0))
            room.wait_until(lambda: len(slow.contents) == 1, "the mail to be handed over")
            room.order(*[plain(number) for number in range(1, 20)], plain(100, "other"))
            room.wait_for(MailSent, 1)
            answer.set()
            room.wait_for(MailSent, 21)
    assert (len(slow.contents), len(quick.contents)) == (20, 1)


def test_bulk_mail_that_holds_all_its_workers_delays_no_other(room: Sendroom) -> None:
    answer = threading.Event()

    def slow_script(command: str, before: int) -> Answer:
        if command == "dot":
            answer.wait(30)
        return friendly(command, before)

    with scripted(slow_script) as slow, scripted(friendly) as quick:
        names = [f"news{number}" for number in range(8)]
        room.write_accounts(*[entry(name, slow.port) for name in names], entry("releases", quick.port))
        with room.sender(replace(IMPATIENT, hold_s=60)):
            for number, name in enumerate(names):
                room.order(plain(number, name, lane="bulk"))
                if number < WORKERS[topology.SENDER_BULK]:
                    room.wait_until(partial(_has, slow, number + 1), "the mail to be handed over")
            room.order(plain(100))
            room.wait_for(MailSent)
            assert len(slow.contents) == WORKERS[topology.SENDER_BULK]
            answer.set()
            room.wait_for(MailSent, 9)
    assert (len(slow.contents), len(quick.contents)) == (8, 1)


@pytest.mark.parametrize(
    ("command", "state", "event"),
    [("greeting", "sent", MailSent), ("MAIL", "sent", MailSent), ("dot", "uncertain", MailUncertain)],
)
def test_a_server_that_says_a_byte_a_minute_is_not_heard_out(
    room: Sendroom, command: str, state: str, event: type[MailSent] | type[MailUncertain]
) -> None:
    clock, never = MovedClock(), threading.Event()

    def bytes_by_the_minute() -> Iterator[bytes]:
        """Until we hang up."""
        while not never.wait(0.01):
            clock.moved_s += MINUTE_S
            yield b"2"

    def script(asked: str, before: int) -> Answer:
        return bytes_by_the_minute() if asked == command and not before else friendly(asked, before)

    with scripted(script) as server:
        room.write_accounts(entry("releases", server.port))
        with room.sender(IMPATIENT, Timeouts(now=clock)):
            room.order(plain(0))
            room.wait_for(event)
            room.wait_for_state("build-0", state)
    assert len(server.contents) == 1
    assert len(room.events(SendEvent)) == 1


@pytest.mark.parametrize(("minutes", "event"), [(9, MailSent), (11, MailUncertain)])
def test_ten_minutes_are_waited_for_the_answer_and_no_eleven(
    room: Sendroom, minutes: int, event: type[MailSent] | type[MailUncertain]
) -> None:
    answer, clock = threading.Event(), MovedClock()
    with scripted(_first_dot_waits_for(answer)) as server:
        room.write_accounts(entry("releases", server.port))
        with room.sender(IMPATIENT, Timeouts(now=clock)):
            room.order(plain(0))
            room.wait_until(lambda: len(server.contents) == 1, "the mail to be handed over")
            clock.moved_s = minutes * MINUTE_S
            asked = clock.asked
            room.wait_until(lambda: clock.asked >= asked + 2, "the clock to be looked at")
            if event is MailUncertain:
                room.wait_for(event)
            answer.set()
            room.wait_for(event)
            room.wait_for_state("build-0", "sent" if event is MailSent else "uncertain")
    assert len(server.contents) == 1


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_four_minutes_are_waited_for_an_answer_about_a_mail(room: Sendroom, command: str) -> None:
    asked_for, answer, clock = threading.Event(), threading.Event(), MovedClock()

    def script(asked: str, before: int) -> bytes | None:
        if asked == command:
            asked_for.set()
            answer.wait(30)
        return friendly(asked, before)

    with scripted(script) as server:
        room.write_accounts(entry("releases", server.port))
        with room.sender(IMPATIENT, Timeouts(now=clock)):
            room.order(plain(0))
            assert asked_for.wait(20)
            for moved_s in (0.0, 4 * MINUTE_S):  # not before the answer is waited for
                clock.moved_s, looked = moved_s, clock.asked
                room.wait_until(partial(_looked_at, clock, looked + 3), "the clock to be looked at")
            answer.set()
            room.wait_for(MailSent)
    assert server.commands.count(command) == 1
