"""`postroom up` without accounts, used from other programs meanwhile."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.waiting import wait_until

POSTROOM = [sys.executable, "-c", "from postroom_console.app import main; main()"]
GATE = Path(__file__).parents[2] / "docs" / "examples" / "release_gate.py"
START_S = 90.0
# Two that start at once would both find the default ports free, and take them from each other.
ANY_PORTS = {"POSTROOM_HTTP_PORT": "0"}


class Up:
    """A running `postroom up` in a folder, and what it has printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [*POSTROOM, "up"],
            cwd=folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self._printed: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def printed(self) -> str:
        """Everything so far."""
        return "".join(self._printed)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
        return {**own, **ANY_PORTS, **(more or {})}

    def wait_for(self, text: str, times: int = 1) -> None:
        wait_until(
            lambda: self.printed.count(text) >= times or self.process.poll() is not None, START_S, text
        )
        assert self.printed.count(text) >= times, self.printed

    def found(self, pattern: str) -> str:
        """The last match of a pattern's group in what was printed."""
        return str(re.findall(pattern, self.printed)[-1])

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command in the same folder."""
        return subprocess.run(
            [*POSTROOM, *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=START_S,
        )

    def services(self) -> dict[str, int]:
        """The processes of the services by module name."""
        found = {}
        for task in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            for pid in task.read_text().split():
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                found[words[3]] = int(pid)
        return found

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            self._printed.extend(self.process.stdout)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One for all tests here; at the end it must end in order."""
    running = Up(tmp_path_factory.mktemp("up"))
    try:
        running.wait_for("It keeps running")
        yield running
        services = running.services()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
        assert gone(list(services.values()))
        assert "Traceback" not in running.printed
    finally:
        running.end()


def answer(up: Up, text: str) -> None:
    """Reply to the last mail that was shown, as its recipient."""
    recipient = up.found(r"--mail-from (\S+)")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = recipient, up.found(r"--mail-rcpt '(\S+)'"), "Re:"
    mail.set_content(text)
    with smtplib.SMTP(
        "127.0.0.1", int(up.found(r"aiosmtpd \(SMTP\) on 127\.0\.0\.1:(\d+)")), timeout=10
    ) as smtp:
        smtp.send_message(mail)


def gone(pids: Sequence[int]) -> bool:
    """Whether none of the processes runs."""
    return not any(Path(f"/proc/{pid}/exe").is_symlink() and _alive(pid) for pid in pids)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("version", "reply", "code", "said"),
    [
        ("7", "Approved\n\nWell done.\n", 0, "approve by kim7@example.com: Well done."),
        ("8", "no\n", 1, "reject by kim8@example.com"),
    ],
)
def test_a_release_gate_opens_only_if_the_answer_is_yes(
    up: Up, version: str, reply: str, code: int, said: str
) -> None:
    listed = up.run("approvals", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert re.search(r"release-4\.2\.0-\w+ +approve +anna@example\.com", listed.stdout)
    gate = subprocess.Popen(
        [sys.executable, str(GATE), version, "--account", "demo", "--to", f"kim{version}@example.com"],
        env=up.environment({"POSTROOM_BROKER_URL": f"embedded:///{up.folder}/.postroom/broker.sqlite3"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    try:
        up.wait_for(f"--mail-from kim{version}@example.com")
        answer(up, reply)
        told, _ = gate.communicate(timeout=START_S)
    finally:
        gate.kill()
        gate.communicate()
    assert gate.returncode == code, told
    assert said in told
    waited = up.run("approvals", "wait", f"release-{version}", "--json")
    assert waited.returncode == code


def test_a_killed_service_comes_back(up: Up) -> None:
    before = up.services()
    assert {"postroom_fetcher", "postroom_processor", "postroom_sender"} <= set(before)
    os.kill(before["postroom_sender"], signal.SIGKILL)
    up.wait_for("sender was killed by SIGKILL; it is started again in")
    port = up.found(r"sender :(\d+)")
    wait_until(lambda: _ready(f"http://127.0.0.1:{port}/readyz"), START_S, "the sender to be ready again")
    assert up.services()["postroom_sender"] != before["postroom_sender"]


def test_a_second_one_in_the_same_folder_is_refused(up: Up) -> None:
    second = up.run("up")
    assert second.returncode == 2
    assert f"another `postroom up` (process {up.process.pid}) runs in .postroom" in second.stderr


def test_services_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    killed = Up(tmp_path)
    try:
        killed.wait_for("four processes, ready")
        services = list(killed.services().values())
        assert len(services) == 5
        killed.process.kill()
        wait_until(lambda: gone(services), 40, "the end of the services")
    finally:
        killed.end()


def _ready(url: str) -> bool:
    with suppress(OSError), urlopen(url, timeout=5) as page:
        return bool(page.status == 200)
    return False
