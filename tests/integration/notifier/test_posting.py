"""One request to somebody else's server: where it goes, and what it cannot be made to do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from postroom_notifier.posting import NoAnswer, Posting, Request
from tests.integration.notifier.receiver import Receiver, Say
from tests.servers.certificates import Authority

HOST = "hooks.example"


class Names:
    """A resolver whose answer changes with each question, as a hostile name server's would."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int, timeout_s: float) -> Sequence[str]:
        self.asked += 1
        return self._answers.pop(0)


def request(url: str, *, allow_private: bool = True) -> Request:
    return Request(url, {"content-type": "application/json"}, b"{}", allow_private)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


def test_it_connects_to_the_address_that_was_looked_up_and_checks_the_name_s_certificate(
    authority: Authority,
) -> None:
    names = Names(["127.0.0.2", "127.0.0.1"], ["10.0.0.1"])
    with Receiver() as receiver:
        receiver.secure(authority.issue("hooks", [HOST]).server_context())
        posting = Posting(authority.client_context(), names, total_s=10)
        answer = posting.post(request(f"https://{HOST}:{receiver.port}/in?a=b"))
    assert (answer.status, answer.address, names.asked) == (204, "127.0.0.1", 1)
    assert receiver.got[0].headers["host"] == f"{HOST}:{receiver.port}"


def test_a_certificate_of_another_name_is_no_answer(authority: Authority) -> None:
    with Receiver() as receiver:
        receiver.secure(authority.issue("other", ["other.example", "127.0.0.1"]).server_context())
        posting = Posting(authority.client_context(), Names(["127.0.0.1"]), total_s=10)
        with pytest.raises(NoAnswer, match=r"(?i)certificate|hostname"):
            posting.post(request(f"https://{HOST}:{receiver.port}/"))
        assert not receiver.got


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:127.0.0.1"]])
def test_nothing_is_posted_where_one_of_the_addresses_is_not_allowed(addresses: list[str]) -> None:
    with Receiver() as receiver:
        with pytest.raises(NoAnswer, match="allow_private"):
            Posting(resolve=Names(addresses)).post(
                request(f"http://localhost:{receiver.port}/", allow_private=False)
            )
        assert not receiver.got


def test_a_redirection_is_an_answer_and_is_not_followed() -> None:
    with Receiver() as elsewhere, Receiver(lambda _: Say(307, {"Location": elsewhere.url})) as receiver:
        assert Posting().post(request(receiver.url)).status == 307
        assert not elsewhere.got


def test_of_a_long_answer_the_beginning_is_read() -> None:
    with Receiver(lambda _: Say(200, body=b"x" * 5_000_000)) as receiver:
        assert len(Posting().post(request(receiver.url)).body) == 2000


def test_the_deadline_is_for_everything_together() -> None:
    with dripping() as port, pytest.raises(NoAnswer, match=r"in 0\.6 s"):
        Posting(total_s=0.6).post(request(f"http://127.0.0.1:{port}/"))


def test_a_name_that_does_not_resolve_is_no_answer() -> None:
    def nobody(_host: str, _port: int, _timeout_s: float) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(NoAnswer, match="cannot be resolved"):
        Posting(resolve=nobody).post(request(f"https://{HOST}/"))
    with pytest.raises(NoAnswer, match="does not answer"):
        Posting().post(request("http://127.0.0.1:9/"))


@contextmanager
def dripping() -> Iterator[int]:
    """A server whose header never ends: a byte now and then, so that no single read takes long."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                until = time.monotonic() + 20
                while time.monotonic() < until and not done.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        done.set()
        thread.join(5)
