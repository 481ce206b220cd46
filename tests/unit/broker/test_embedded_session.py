"""Whether a process is gone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from postroom.broker.embedded_session import LEASE_S, Session, is_over, machine, own_start_mark, start_mark

NOW = 1_000_000.0


def session(
    *, pid: int | None = None, started: str | None = None, silent_s: float = 0, host: str = ""
) -> Session:
    return Session(
        1,
        host or machine(),
        os.getpid() if pid is None else pid,
        own_start_mark() if started is None else started,
        NOW - silent_s,
    )


def over(each: Session, *, holds_leases: bool = True) -> bool:
    return is_over(each, here=machine(), now=NOW, holds_leases=holds_leases)


def test_a_process_that_is_there_keeps_what_it_has() -> None:
    assert not over(session())


def test_a_process_that_is_gone_loses_it_at_once() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert over(session(pid=process.pid))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_zombie_and_a_stranger_with_the_same_pid_are_gone_too() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert start_mark(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert start_mark(process.pid) is None
    process.communicate()
    assert over(session(started="1"))


def test_one_that_gives_no_sign_of_life_loses_messages_but_not_its_own_queue() -> None:
    assert over(session(silent_s=LEASE_S + 1))
    assert not over(session(silent_s=LEASE_S + 1), holds_leases=False)
    assert not over(session(silent_s=LEASE_S - 1))


def test_on_another_machine_only_signs_of_life_count() -> None:
    assert not over(session(host="elsewhere", pid=2**22 - 3))
    assert over(session(host="elsewhere", silent_s=LEASE_S + 1), holds_leases=False)
