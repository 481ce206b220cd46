"""`postroom demo`, as somebody sees it who has just cloned the project."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.waiting import wait_until

DEMO = [sys.executable, "-c", "from postroom_console.app import main; main()", "demo"]
LIMIT_S = 120


def environment(folder: Path) -> dict[str, str]:
    """Ours, with a folder for temporary files of its own and a setting that the demo must not heed."""
    return {**os.environ, "TMPDIR": str(folder), "POSTROOM_BROKER_URL": "amqp://127.0.0.1:9/"}


def programs_in(folder: Path) -> list[int]:
    """Processes whose environment names the folder."""
    needle = f"TMPDIR={folder}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if needle in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_the_demo_decides_and_leaves_nothing_behind(tmp_path: Path) -> None:
    played = subprocess.run(
        DEMO, env=environment(tmp_path), capture_output=True, text=True, encoding="utf-8", timeout=LIMIT_S
    )
    told = played.stdout
    assert played.returncode == 0, told + played.stderr
    assert played.stderr == ""
    in_order = [
        "a program asks: “Release 4.2.0 to production?”",
        "Decision needed: Release 4.2.0 to production?",
        "Ben replies: “LGTM, but who watches the migration?”",
        "postroom.approval.unclear.v1",
        "Ben is asked to write it differently",
        "Anna replies: “Approved”",
        "approve by anna@example.com  postroom.approval.decided.v1",
        "comment: I watch the migration myself, at ten.",
        "Processed 101  ben@example.com",
        "Processed 102  anna@example.com",
        "everything is stopped and removed",
    ]
    places = [told.find(each) for each in in_order]
    assert -1 not in places, told
    assert places == sorted(places), told
    assert "\x1b[" not in told
    assert "restart" not in told
    assert list(tmp_path.iterdir()) == []
    assert programs_in(tmp_path) == []


def test_an_interrupted_demo_ends_in_order_and_leaves_nothing_behind(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        DEMO,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    try:
        assert demo.stdout is not None
        assert any("mail server" in line for line in demo.stdout)
        demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
        assert demo.wait(LIMIT_S) == 130, rest
        assert "Traceback" not in rest
    finally:
        demo.kill()
        demo.communicate()
    assert list(tmp_path.iterdir()) == []
    wait_until(lambda: programs_in(tmp_path) == [], 10, "the end of all programs")
