"""A name server that does not answer holds nobody longer than he is ready to wait, and few threads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from postroom.account import Account
from postroom.credentials import Credentials
from postroom.names import Address, Names
from postroom.trust import TRUST
from postroom_fetcher import opening as fetching
from postroom_fetcher.deadline import Patience
from postroom_fetcher.fault import Unavailable as MailboxUnavailable
from postroom_sender import opening as sending
from tests.waiting import wait_until

HERE: Sequence[Address] = ((socket.AF_INET, ("192.0.2.7", 993)),)
MOST = 3
SHORT_S = 0.05


class NameServer:
    """Answers for every name, but only once it is well."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.well = threading.Event()

    def resolve(self, host: str, _port: int) -> Sequence[Address]:
        self.asked.append(host)
        self.well.wait()
        if host.startswith("no-such"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return HERE


@pytest.fixture
def silent() -> Iterator[NameServer]:
    """A name server that does not answer until the test is over, or makes it well."""
    server = NameServer()
    yield server
    server.well.set()


def test_nobody_waits_longer_for_a_silent_name_server_than_he_is_ready_to(silent: NameServer) -> None:
    with pytest.raises(socket.gaierror, match=r"no name server has answered in 0\.05 s") as raised:
        Names(silent.resolve).addresses("imap.example.org", 993, SHORT_S)
    assert raised.value.errno == socket.EAI_AGAIN


def test_a_silent_name_server_holds_few_threads_however_many_names_are_asked_for(silent: NameServer) -> None:
    names = Names(silent.resolve, MOST)
    for number in range(20):
        with pytest.raises(socket.gaierror):
            names.addresses(f"imap-{number}.example.org", 993, SHORT_S)
    wait_until(lambda: len(silent.asked) == MOST, 10, "the questions to be asked")
    assert sorted(silent.asked) == [f"imap-{number}.example.org" for number in range(MOST)]
    silent.well.set()
    assert names.addresses("imap-19.example.org", 993, 10) == HERE


def test_a_name_that_is_stuck_takes_no_room_from_others(silent: NameServer) -> None:
    names = Names(silent.resolve, MOST)
    for _ in range(2 * MOST):
        with pytest.raises(socket.gaierror):
            names.addresses("stuck.example.org", 993, SHORT_S)
    wait_until(lambda: silent.asked, 10, "the question to be asked")
    assert silent.asked == ["stuck.example.org"]


def test_all_who_ask_for_a_name_at_the_same_time_have_the_same_answer(silent: NameServer) -> None:
    names = Names(silent.resolve, MOST)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(names.addresses, "imap.example.org", 993, 10) for _ in range(8)]
        wait_until(lambda: silent.asked, 10, "a question")
        silent.well.set()
    assert [each.result() for each in answers] == [HERE] * 8


def test_a_name_that_does_not_exist_is_told_as_such() -> None:
    server = NameServer()
    server.well.set()
    with pytest.raises(socket.gaierror) as raised:
        Names(server.resolve).addresses("no-such-host.example.org", 993, 10)
    assert raised.value.errno == socket.EAI_NONAME


def test_an_address_asks_nobody(silent: NameServer) -> None:
    found = Names(silent.resolve).addresses("127.0.0.1", 993, SHORT_S)
    assert found == [(socket.AF_INET, ("127.0.0.1", 993))]
    assert not silent.asked


NOT_ASKED = cast(Credentials, None)
ACCOUNT = Account.model_validate(
    {
        "name": "team",
        "address": "team@example.org",
        "imap": {"host": "imap.example.org", "user": "team", "password": "env:NONE"},
        "smtp": {"host": "smtp.example.org", "user": "team", "password": "env:NONE"},
    }
)


def test_the_fetcher_calls_a_server_unreachable_whose_name_nobody_tells(silent: NameServer) -> None:
    patience = Patience(connect_s=SHORT_S)
    tools = fetching.Tools(TRUST, NOT_ASKED, patience, names=Names(silent.resolve))
    with pytest.raises(MailboxUnavailable, match="no name server has answered") as raised:
        fetching.Opening(ACCOUNT, tools).resolve()
    assert raised.value.reason_code == "unreachable"


def test_the_sender_calls_a_server_unreachable_whose_name_nobody_tells(silent: NameServer) -> None:
    timeouts = sending.Timeouts(connect_s=SHORT_S)
    opening = sending.Opening(ACCOUNT, timeouts, NOT_ASKED, Names(silent.resolve))
    with pytest.raises(sending.Unavailable, match="no name server has answered") as raised:
        opening.resolve()
    assert raised.value.reason_code == "unreachable"
