"""Lines out and replies in, over a pair of sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from postroom_sender.dialogue import Dialogue, Lost
from postroom_sender.outcome import Reply


@pytest.fixture
def ends() -> Iterator[tuple[Dialogue, socket.socket]]:
    """A dialogue, and the server's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Dialogue(ours), theirs


def test_a_command_gets_its_answer(ends: tuple[Dialogue, socket.socket]) -> None:
    dialogue, server = ends
    server.sendall(b"250-first\r\n250 2.0.0 second\r\n")
    assert dialogue.ask("NOOP", 5) == Reply(250, "", "first 2.0.0 second")
    assert server.recv(100) == b"NOOP\r\n"


def test_answers_that_come_together_are_told_apart(ends: tuple[Dialogue, socket.socket]) -> None:
    dialogue, server = ends
    server.sendall(b"250 a\r\n354 b\r\n25")
    server.sendall(b"0 c\n")
    assert [dialogue.reply(5).code for _ in range(3)] == [250, 354, 250]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"hello\r\n", "does not speak SMTP"),
        (b"SSH-2.0-x\r\n", "does not speak SMTP"),
        (b"250-a\r\n354 b\r\n", "does not speak SMTP"),
        (b"250-a\r\n" * 200, "more than 100 lines"),
        (b"250 " + b"x" * 20_000, "more than 4096 bytes"),
    ],
)
def test_what_is_no_answer_ends_the_dialogue(
    ends: tuple[Dialogue, socket.socket], said: bytes, sentence: str
) -> None:
    dialogue, server = ends
    server.sendall(said)
    with pytest.raises(Lost, match=sentence):
        dialogue.reply(5)


def test_a_server_that_closed_is_lost(ends: tuple[Dialogue, socket.socket]) -> None:
    dialogue, server = ends
    server.close()
    assert dialogue.spoke_early()
    with pytest.raises(Lost, match="closed"):
        dialogue.reply(5)
    with pytest.raises(Lost, match="writing"):
        dialogue.write(b"x" * 1_000_000, 5)


@pytest.mark.parametrize("piece", [b"2", b"250-x\r\n"])
def test_an_answer_that_trickles_in_ends_by_its_deadline(
    ends: tuple[Dialogue, socket.socket], piece: bytes
) -> None:
    dialogue, server = ends
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.02):
            server.sendall(piece)

    thread = threading.Thread(target=trickle)
    thread.start()
    started = time.monotonic()
    try:
        with pytest.raises(Lost):
            dialogue.reply(0.3)
    finally:
        stop.set()
        thread.join()
    assert time.monotonic() - started < 20


def test_a_server_that_is_silent_said_nothing_early(ends: tuple[Dialogue, socket.socket]) -> None:
    dialogue, server = ends
    assert not dialogue.spoke_early()
    server.sendall(b"452 full\r\n")
    assert dialogue.spoke_early()
    assert dialogue.reply(5).code == 452
    assert not dialogue.spoke_early()


def test_a_server_that_says_a_byte_a_minute_is_not_heard_out() -> None:
    ours, theirs = socket.socketpair()
    minutes = 0

    def now() -> float:
        nonlocal minutes
        minutes += 1
        theirs.sendall(b"2")
        return minutes * 60.0

    with ours, theirs:
        dialogue = Dialogue(ours, now)
        with pytest.raises(Lost, match="in time"):
            dialogue.reply(300)
    assert minutes <= 7
