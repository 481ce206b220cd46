"""The supervisor keeps programs running, and none outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom_console.supervisor import Program, Supervisor
from tests.waiting import wait_until

SERVER = Program("web", "http.server", ("--bind", "127.0.0.1", "0"))
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
SUPERVISING = """
import time
from postroom_console.supervisor import Program, Supervisor
supervisor = Supervisor(lambda name, line: None, lambda name, sentence: None)
supervisor.start(Program("web", "http.server", ("--bind", "127.0.0.1", "0")))
while True:
    print(supervisor.pid("web") or 0, flush=True)
    time.sleep(0.05)
"""


class Heard:
    """What a supervisor told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.notes: list[tuple[str, str]] = []
        self.supervisor = Supervisor(
            lambda name, line: self.lines.append((name, line)),
            lambda name, sentence: self.notes.append((name, sentence)),
        )

    def has_line(self, text: str, times: int = 1) -> bool:
        return sum(text in line for _, line in self.lines) >= times


@pytest.fixture
def heard() -> Iterator[Heard]:
    told = Heard()
    yield told
    told.supervisor.stop(0)


def exists(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_program_prints_is_passed_on_with_its_name(heard: Heard) -> None:
    heard.supervisor.start(SERVER)
    wait_until(lambda: heard.has_line("Serving HTTP"), 20, "the server's first line")
    assert heard.lines[0][0] == "web"


def test_a_killed_program_is_started_again_and_that_is_said(heard: Heard) -> None:
    heard.supervisor.start(SERVER)
    wait_until(lambda: heard.has_line("Serving HTTP"), 20, "the server's first line")
    first = heard.supervisor.pid("web")
    assert first
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: heard.has_line("Serving HTTP", times=2), 20, "the second start")
    assert heard.supervisor.pid("web") not in (None, first)
    ((name, sentence),) = heard.notes
    assert name == "web"
    assert sentence.startswith("was killed by SIGKILL; it is started again in ")


def test_a_program_that_cannot_run_is_tried_again_after_ever_longer_pauses(heard: Heard) -> None:
    heard.supervisor.start(Program("none", "no_such_module_of_ours"))
    wait_until(lambda: len(heard.notes) >= 2, 20, "two failures")
    assert heard.notes[0][1].startswith("ended with exit code 1; it is started again in 0.")
    assert heard.has_line("No module named no_such_module_of_ours")


def test_stop_ends_programs_that_listen_and_starts_nothing_again(heard: Heard) -> None:
    heard.supervisor.start(SERVER)
    wait_until(lambda: heard.has_line("Serving HTTP"), 20, "the server's first line")
    pid = heard.supervisor.pid("web")
    assert pid
    assert heard.supervisor.stop(10) == ()
    assert not exists(pid)
    assert heard.notes == []


def test_stop_kills_a_program_that_does_not_listen(heard: Heard, tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    heard.supervisor.start(Program("deaf", "stubborn", environment={"PYTHONPATH": str(tmp_path)}))
    wait_until(lambda: heard.has_line("deaf"), 20, "the program's first line")
    pid = heard.supervisor.pid("deaf")
    assert pid
    assert heard.supervisor.stop(0.1) == ("deaf",)
    assert not exists(pid)


def test_a_program_ends_when_its_supervisor_is_killed() -> None:
    supervising = subprocess.Popen(
        [sys.executable, "-c", SUPERVISING], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        assert supervising.stdout is not None
        pid = next(int(line) for line in supervising.stdout if int(line))
        assert exists(pid)
    finally:
        supervising.kill()
        supervising.communicate()
    wait_until(lambda: not exists(pid), 10, "the end of the program")
