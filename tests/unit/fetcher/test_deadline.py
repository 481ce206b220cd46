"""What takes too long is ended from outside."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from postroom_fetcher.deadline import Deadlines
from postroom_fetcher.fault import Place, Unavailable

PLACE = Place("imap.example.org", 993)
SHORT_S = 0.05
LONG_S = 60.0


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(LONG_S)
        yield ours, theirs


def test_a_read_that_takes_too_long_ends_and_says_what_was_done(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, _theirs = pair
    with (
        pytest.raises(Unavailable, match=r"FETCH.*after 0\.\d s") as caught,
        Deadlines().within(ours, SHORT_S, PLACE, "FETCH"),
    ):
        assert ours.recv(1) == b"", "the connection is shut down"
        raise ConnectionError
    assert caught.value.reason_code == "too_slow"


def test_what_ends_in_time_keeps_its_connection_and_its_own_error(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    deadlines = Deadlines()
    with deadlines.within(ours, SHORT_S, PLACE, "NOOP"):
        pass
    with pytest.raises(ValueError, match="ours"), deadlines.within(ours, SHORT_S, PLACE, "NOOP"):
        raise ValueError("ours")
    time.sleep(3 * SHORT_S)
    theirs.sendall(b"x")
    assert ours.recv(1) == b"x"


def test_an_early_deadline_is_kept_though_a_late_one_was_set_before(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    deadlines = Deadlines()
    with (
        deadlines.within(theirs, LONG_S, PLACE, "a long one"),
        pytest.raises(Unavailable),
        deadlines.within(ours, SHORT_S, PLACE, "a short one"),
    ):
        assert ours.recv(1) == b""
        raise ConnectionError
