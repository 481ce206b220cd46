"""A service starts, says how it is, and ends in order."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge

from postroom import service
from postroom.errors import Misconfigured, Transient
from postroom.health import HealthServer
from postroom.service import Ticker
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]


class Toy:
    """A toy service in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.lines: list[str] = []
        self._log = threading.Thread(target=self._read_log)
        self._log.start()

    def hear(self, word: str) -> None:
        """Wait for a word on standard output."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == word

    def logged(self, event: str) -> dict[str, Any]:
        """Wait for an event in the log."""
        found = wait_until(lambda: self._find(event), 30, f"the event {event!r} in {self.lines}")
        assert found is not None
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Wait for the end; returns the exit code."""
        code = self._process.wait(30)
        self._log.join(30)
        return code

    def close(self) -> None:
        """Kill what is left."""
        self._process.kill()
        self.end()
        assert self._process.stdout is not None and self._process.stderr is not None
        self._process.stdout.close()
        self._process.stderr.close()

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in iter(self._process.stderr.readline, ""):
            self.lines.append(line)

    def _find(self, event: str) -> dict[str, Any] | None:
        entries = (json.loads(line) for line in list(self.lines) if line.startswith("{"))
        return next((entry for entry in entries if entry["event"] == event), None)


Start = Callable[..., Toy]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts toy services of a kind, with settings."""
    with ExitStack() as stack:

        def run(kind: str, **settings: str) -> Toy:
            plain = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
            own = {
                "POSTROOM_DATA_DIR": str(tmp_path),
                "POSTROOM_HTTP_PORT": "0",
                "POSTROOM_HTTP_HOST": "127.0.0.1",
            }
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.unit.shared.toy_service", kind],
                cwd=ROOT,
                env={**plain, **own, **settings},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            return stack.enter_context(closing(Toy(process)))

        yield run


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_it_finish_what_is_in_hand(start: Start, number: signal.Signals) -> None:
    toy = start("good")
    toy.hear("working")
    toy.logged("started")
    toy.signal(number)
    toy.hear("finishing")
    toy.hear("finished")
    toy.hear("closed")
    assert toy.end() == 0
    assert toy.logged("stopped")["service"] == "toy"


def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    toy = start("slow")
    toy.hear("working")
    toy.logged("started")
    toy.signal(signal.SIGTERM)
    toy.hear("finishing")
    toy.signal(signal.SIGTERM)
    assert toy.end() == 128 + signal.SIGTERM


def test_what_does_not_finish_in_time_is_left_to_the_broker(start: Start) -> None:
    toy = start("slow", POSTROOM_DRAIN_S="0.1")
    toy.hear("working")
    toy.logged("started")
    toy.signal(signal.SIGTERM)
    toy.hear("finishing")
    toy.hear("closed")
    assert toy.end() == 1
    assert toy.logged("did not finish in time; the broker will deliver the rest again")["loops"] == ["worker"]


def test_a_loop_that_dies_ends_the_service_in_order(start: Start) -> None:
    toy = start("falls")
    toy.hear("working")
    toy.hear("finishing")
    toy.hear("finished")
    toy.hear("closed")
    assert toy.end() == 1
    assert "ZeroDivisionError: a fault of ours" in toy.logged("a loop died")["exception"]


def test_a_step_that_fails_makes_it_unready_and_does_not_end_it(start: Start) -> None:
    toy = start("complains")
    port = toy.logged("started")["http_port"]
    toy.logged("step failed")
    status, body = get(port, "/livez")
    assert (status, json.loads(body)["faults"]) == (200, {})
    status, body = get(port, "/readyz")
    assert (status, json.loads(body)["faults"]) == (503, {"ticker": "the database does not answer"})
    assert 'postroom_loop_up{loop="worker"} 1.0' in get(port, "/metrics")[1]
    toy.signal(signal.SIGTERM)
    assert toy.end() == 0


@pytest.mark.parametrize(
    ("kind", "settings", "code", "event", "text"),
    [
        ("refuses", {}, 2, "wrong settings", "the toy is set wrongly"),
        ("crashes", {}, 1, "cannot go on", "ZeroDivisionError: a fault of ours"),
        (
            "good",
            {"POSTROOM_HTTP_HOST": "192.0.2.1"},
            2,
            "wrong settings",
            "192.0.2.1 port 0 cannot be listened",
        ),
    ],
)
def test_it_does_not_start_and_says_why(
    start: Start, kind: str, settings: dict[str, str], code: int, event: str, text: str
) -> None:
    toy = start(kind, **settings)
    assert toy.end() == code
    entry = toy.logged(event)
    assert text in str(entry.get("error", "")) + str(entry.get("exception", ""))


def test_wrong_settings_are_said_before_there_is_a_log(start: Start) -> None:
    toy = start("good", POSTROOM_HTTP_PORT="x")
    assert toy.end() == 2
    assert toy.lines == ["postroom toy: POSTROOM_HTTP_PORT: must be a whole number\n"]


def test_a_port_that_is_taken_is_said_before_any_work_is_done(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        toy = start("good", POSTROOM_HTTP_PORT=str(port))
        toy.hear("closed")
        assert toy.end() == 2
        expected = f"127.0.0.1 port {port} cannot be listened on: Address already in use"
        assert toy.logged("wrong settings")["error"] == expected


def test_a_ticker_goes_on_at_once_while_there_is_work_and_after_a_failure() -> None:
    stop = threading.Event()
    answers: list[bool | Transient] = [True, True, Transient("away"), True, False]

    def step() -> bool:
        answer = answers.pop(0)
        if not answers:
            stop.set()
        if isinstance(answer, Transient):
            raise answer
        return answer

    ticker = Ticker(step, 0.01)
    ticker.run(stop)
    assert (answers, ticker.fault) == ([], "")


def test_a_ticker_that_waits_long_still_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_BEAT_EVERY_S", 0.01)
    stop = threading.Event()
    ticker = Ticker(lambda: False, 3600)
    thread = threading.Thread(target=ticker.run, args=[stop])
    thread.start()
    begun = time.monotonic()
    wait_until(lambda: ticker.last_beat > begun + 0.05, 10, "beats during the interval")
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def faults() -> dict[str, str]:
    return {}


@pytest.fixture
def health(faults: dict[str, str]) -> Iterator[HealthServer]:
    registry = CollectorRegistry()
    Gauge("something", "Something.", registry=registry).set(7)

    def ready() -> dict[str, str]:
        if "bug" in faults:
            raise ZeroDivisionError
        return faults

    server = HealthServer("127.0.0.1", 0, alive=dict, ready=ready, registry=registry)
    server.start()
    yield server
    server.stop()


def test_the_health_pages_say_what_is_wrong(health: HealthServer, faults: dict[str, str]) -> None:
    status, body = get(health.port, "/readyz?verbose=1")
    assert (status, json.loads(body)) == (200, {"ok": True, "faults": {}, "pid": os.getpid()})
    faults["broker"] = "is \u201caway\u201d"
    status, body = get(health.port, "/readyz")
    assert (status, json.loads(body)) == (503, {"ok": False, "faults": faults, "pid": os.getpid()})
    assert get(health.port, "/livez")[0] == 200
    assert "something 7.0" in get(health.port, "/metrics")[1]
    assert get(health.port, "/etc/passwd")[0] == 404
    faults["bug"] = ""
    assert get(health.port, "/readyz")[0] == 500


def test_a_client_that_hangs_up_or_says_nothing_does_not_stop_the_pages(health: HealthServer) -> None:
    with socket.create_connection(("127.0.0.1", health.port)) as silent:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", health.port)) as rude:
                rude.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        silent.sendall(b"GET")
        assert get(health.port, "/livez")[0] == 200


def test_a_health_server_that_was_never_started_can_be_stopped() -> None:
    server = HealthServer("127.0.0.1", 0, alive=dict, ready=dict, registry=CollectorRegistry())
    server.stop()
    with pytest.raises(Misconfigured, match="port 70000 cannot be listened on"):
        HealthServer("127.0.0.1", 70000, alive=dict, ready=dict, registry=CollectorRegistry())
