"""Measures how fast mail is sent, beside a bare smtplib loop and smtp-source, in one run.

    python -m tests.benchmarks.sending [--mails 2000] [--rounds 3]

The three take turns, and the median of each one's rates counts. All hand the same number of mails of 2 kB to
an smtp-sink, which must have taken every one of them. smtplib uses one connection, no PIPELINING, and records
nothing; smtp-source as many as Postroom, and records nothing either. Postroom reads orders from the embedded
broker, composes, records each state in SQLite (fsync), and tells what became of each.
"""

from __future__ import annotations

import argparse
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from postroom.clock import utc_now
from postroom.messages import MailSend, PlainMail
from tests.benchmarks.work import FILLER, MAIL_BYTES
from tests.integration.sender.sendroom import entry, open_sendroom
from tests.servers.nodes import Nodes
from tests.servers.postfix import SmtpSink
from tests.servers.search import program
from tests.servers.stock import Stock
from tests.waiting import wait_until

Run = Callable[[SmtpSink, int, Path], float]
"""Hands so many mails to the sink; the seconds that it took."""
CONNECTIONS = 3
TIMEOUT_S = 300
TEXT = FILLER.replace("\r\n", "\n") * (MAIL_BYTES // len(FILLER))


def main() -> int:
    """Print mails per second, and Postroom's share of the others'."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    stock = Stock(lambda sentence: print(f"servers: {sentence}", file=sys.stderr))
    rates: dict[str, list[float]] = {name: [] for name in RUNS}
    try:
        for _ in range(arguments.rounds):
            for name, run in RUNS.items():
                rates[name].append(_rate(stock, run, arguments.mails))
    finally:
        stock.close()
    for name, found in rates.items():
        print(f"{name:14} {median(found):8.0f} mails/s ({min(found):.0f} to {max(found):.0f})")
    for name in ("smtplib", "smtp-source"):
        ratio = median(rates["Postroom"]) / median(rates[name])
        print(f"Postroom sends {ratio:.2f} times as many as {name}")
    return 0


def _rate(stock: Stock, run: Run, mails: int) -> float:
    """Mails per second of one run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sink = Nodes(stock.folder, stock.programs, stack).smtp_sink(keep=False)
        seconds = run(sink, mails, folder)
        assert sink.count() == mails, f"{sink.count()} of {mails} mails were taken"
        return mails / seconds


def _postroom(sink: SmtpSink, mails: int, folder: Path) -> float:
    with open_sendroom(folder) as room:
        room.write_accounts(
            entry("bench", sink.port, smtp={"max_connections": CONNECTIONS, "mails_per_connection": 1000})
        )
        room.order(*[_order(number) for number in range(mails)])
        with room.sender():
            return _timed(lambda: _wait_for(sink, mails))


def _smtplib(sink: SmtpSink, mails: int, _folder: Path) -> float:
    content = f"Subject: Build\r\nFrom: a@example.com\r\nTo: b@example.net\r\n\r\n{TEXT}".encode()

    def send() -> None:
        with smtplib.SMTP(sink.host, sink.port) as client:
            for number in range(mails):
                client.sendmail("a@example.com", [f"boss-{number}@example.net"], content)
        _wait_for(sink, mails)

    return _timed(send)


def _smtp_source(sink: SmtpSink, mails: int, _folder: Path) -> float:
    source = str(program("smtp-source"))
    options = ["-d", "-s", str(CONNECTIONS), "-m", str(mails), "-l", str(MAIL_BYTES)]

    def send() -> None:
        subprocess.run([source, *options, f"{sink.host}:{sink.port}"], check=True, timeout=TIMEOUT_S)
        _wait_for(sink, mails)

    return _timed(send)


RUNS: dict[str, Run] = {
    "smtplib": _smtplib,
    "smtp-source": _smtp_source,
    "Postroom": _postroom,
}


def _order(number: int) -> MailSend:
    return MailSend(
        id=f"bench-{number}",
        account="bench",
        recipient=f"boss-{number}@example.net",
        content=PlainMail(subject=f"Build {number}", text=TEXT),
        written_at=utc_now(),
    )


def _wait_for(sink: SmtpSink, mails: int) -> None:
    wait_until(lambda: sink.count() >= mails, TIMEOUT_S, f"{mails} mails", interval_s=0.02)


def _timed(action: Callable[[], object]) -> float:
    """Seconds that it took."""
    started = time.monotonic()
    action()
    return time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
