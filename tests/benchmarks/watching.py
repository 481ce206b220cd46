"""Measures what watching costs: many mailboxes over TLS in one fetcher, which is a process of its own.

    python -m tests.benchmarks.watching [--mailboxes 2000] [--idle 60] [--mails 40]

Prints the memory for each mailbox, the processor time of an idle fetcher, and how soon a mail is acted on:
from the server's line with EXISTS until the fetcher's next command for that folder arrives there. Fails where
a mailbox takes more than 50 kB, idling more than 2 % of a core, or acting more than 20 ms (median).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from postroom.broker import declare
from postroom.settings import read_settings
from postroom.store import Store
from postroom.store.migrate import migrate
from postroom.topology import topology
from tests.accounts import keep_accounts
from tests.benchmarks.crowd import user
from tests.servers.certificates import Authority
from tests.waiting import wait_until

MOST_BYTES = 50_000
MOST_IDLE = 0.02
MOST_ACT_MS = 20.0
SHARDS = 4
START_TIMEOUT_S = 300.0
SETTLE_S = 3.0
ONE = 1


@dataclass(frozen=True)
class Figures:
    """What was measured. `idle` is a fraction of one core."""

    mailbox_bytes: float
    idle: float
    act_ms: list[float]
    start_s: float


class Helper:
    """A process that answers lines."""

    def __init__(self, *command: str, env: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ask(self, line: str) -> str:
        """Its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self.line()

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def measure(folder: Path, mailboxes: int, idle_s: float, mails: int, interval: str = "5m") -> Figures:
    """Watch so many mailboxes. The memory is compared with that of a fetcher of one mailbox."""
    authority = Authority.create(folder / "authority")
    certificate = authority.issue("server")
    crowd = Helper("tests.benchmarks.crowd", str(certificate.chain), str(certificate.key), str(mailboxes))
    with closing(crowd):
        port = int(crowd.line())
        with _fetching(folder / "one", authority, port, ONE, interval) as fetcher:
            wait_until(lambda: int(crowd.ask("idlers")) == ONE, START_TIMEOUT_S, "a mailbox in IDLE")
            time.sleep(SETTLE_S)
            base = _rss_bytes(fetcher)
        with _fetching(folder / "many", authority, port, mailboxes, interval) as fetcher:
            began = time.monotonic()
            wait_until(lambda: int(crowd.ask("idlers")) == mailboxes, START_TIMEOUT_S, "all in IDLE")
            start_s = time.monotonic() - began
            time.sleep(SETTLE_S)
            grown = _rss_bytes(fetcher) - base
            idle = _busy(fetcher, idle_s)
            act_ms = [float(crowd.ask(f"mail {number % mailboxes}")) for number in range(mails)]
    return Figures(grown / (mailboxes - ONE), idle, act_ms, start_s)


@contextmanager
def _fetching(folder: Path, authority: Authority, port: int, count: int, interval: str) -> Iterator[int]:
    folder.mkdir()
    (folder / "password").write_text("a right password")
    settings = read_settings(data_dir=folder, shards=SHARDS)
    with closing(Store(settings.store)) as store:
        migrate(store)
        keep_accounts(store, [_entry(folder, authority, port, number, interval) for number in range(count)])
    declare.apply(settings.broker, topology(SHARDS))
    env = {"POSTROOM_DATA_DIR": str(folder), "POSTROOM_SHARDS": str(SHARDS), "POSTROOM_HTTP_PORT": "0"}
    with closing(Helper("postroom_fetcher", env={**env, "POSTROOM_LOG_LEVEL": "error"})) as fetcher:
        yield fetcher.pid


def _entry(folder: Path, authority: Authority, port: int, number: int, interval: str) -> dict[str, object]:
    imap = {
        "host": "127.0.0.1",
        "port": port,
        "security": "tls",
        "user": user(number),
        "password": f"file:{folder}/password",
        "interval": interval,
    }
    name = f"box-{number}"
    return {"name": name, "address": user(number), "ca_file": str(authority.certificate), "imap": imap}


def _rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _busy(pid: int, seconds: float) -> float:
    before, began = _cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return (_cpu_s(pid) - before) / (time.monotonic() - began)


def main() -> int:
    """Measure and print; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mailboxes", type=int, default=2_000)
    parser.add_argument("--idle", type=float, default=60.0)
    parser.add_argument("--mails", type=int, default=40)
    parser.add_argument("--interval", default="5m")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), arguments.mailboxes, arguments.idle, arguments.mails, arguments.interval)
    middle, worst = statistics.median(found.act_ms), max(found.act_ms)
    print(f"{arguments.mailboxes} mailboxes in IDLE over TLS after {found.start_s:.1f} s")
    print(f"memory for each mailbox   {found.mailbox_bytes / 1000:8.1f} kB   (goal {MOST_BYTES / 1000:.0f})")
    print(f"processor, idle           {found.idle:8.1%} of a core   (goal {MOST_IDLE:.0%})")
    print(f"a mail is acted on after  {middle:8.1f} ms, worst {worst:.1f}   (goal {MOST_ACT_MS:g})")
    met = found.mailbox_bytes <= MOST_BYTES and found.idle <= MOST_IDLE and middle <= MOST_ACT_MS
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
