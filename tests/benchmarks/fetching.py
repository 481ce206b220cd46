"""Measures how fast mail is downloaded, beside a bare socket that sends the same commands, in one run.

    python -m tests.benchmarks.fetching [--small 10000] [--large 500]

Both read the same mailbox on Dovecot, in turns, three times; the median counts. What the fetcher does
besides: read the answers, hash the mails, and write the large ones to the spool.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from postroom.account import Account
from postroom.credentials import Password
from postroom.spool import Spool
from postroom.trust import TRUST
from postroom_fetcher import cursor, opening, response
from postroom_fetcher.cursor import Chunk, Limits
from postroom_fetcher.download import PART_BYTES, download
from postroom_fetcher.session import Session
from postroom_fetcher.uid_set import uid_sets
from tests.servers.dovecot import Account as User
from tests.servers.dovecot import Dovecot
from tests.servers.stock import Stock

ROUNDS = 3
LIMITS = Limits(inline_bytes=64 * 1024, max_size_bytes=25 * 1024 * 1024)
METADATA_AT_ONCE = 500


def main() -> int:
    """Print the figures of both sizes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=500)
    arguments = parser.parse_args()
    stock = Stock(lambda sentence: print(f"servers: {sentence}", file=sys.stderr))
    try:
        dovecot = stock.handle("dovecot")
        print(f"{'mails':>14} {'fetcher':>10} {'bare socket':>12} {'ratio':>6}   mails per second")
        for count, size_bytes in ((arguments.small, 2_000), (arguments.large, 200_000)):
            ours, bare = compare(dovecot, count, size_bytes)
            label = f"{count} x {size_bytes // 1000} kB"
            print(f"{label:>14} {ours:10.0f} {bare:12.0f} {ours / bare:6.2f}", flush=True)
    finally:
        stock.close()
    return 0


def compare(dovecot: Dovecot, count: int, size_bytes: int) -> tuple[float, float]:
    """Mails per second of the fetcher's way and of a bare socket."""
    user = dovecot.account()
    dovecot.append(user.user, "INBOX", [_mail(number, size_bytes) for number in range(count)])
    with tempfile.TemporaryDirectory() as folder, _session(dovecot, user) as session:
        session.examine("INBOX")
        spool = Spool(Path(folder) / "spool")
        chunks = list(_chunks(session, count))
        times: dict[str, list[float]] = {"ours": [], "bare": []}
        for _ in range(ROUNDS):
            times["ours"].append(_timed(lambda: _fetch(session, count, spool)))
            with _bare(dovecot, user) as read:
                times["bare"].append(_timed(lambda: _read_bare(read, chunks, count)))
    return count / statistics.median(times["ours"]), count / statistics.median(times["bare"])


def _fetch(session: Session, count: int, spool: Spool) -> None:
    fetched = 0
    with ThreadPoolExecutor(1) as pool:
        kept: Future[None] | None = None
        for chunk in _chunks(session, count):
            drafts = spool.drafts()
            fetched += len(download(session, chunk, drafts, LIMITS))
            # As in a look: one chunk is made durable while the next one is read.
            if kept is not None:
                kept.result()
            kept = pool.submit(drafts.keep)
    assert fetched == count


def _chunks(session: Session, count: int) -> Iterator[Chunk]:
    for uids in _groups(count):
        answer = session.fetch(uids, response.METADATA_ITEMS)
        yield from cursor.chunks(response.read_metadata(answer, uids), LIMITS)


def _groups(count: int) -> Iterator[list[int]]:
    for first in range(1, count + 1, METADATA_AT_ONCE):
        yield list(range(first, min(first + METADATA_AT_ONCE, count + 1)))


def _read_bare(read: Callable[[str], int], chunks: Sequence[Chunk], count: int) -> None:
    for uids in _groups(count):
        read(f"UID FETCH {uid_sets(uids)[0]} ({' '.join(response.METADATA_ITEMS)})")
    for chunk in chunks:
        uids = [mail.uid for mail in chunk.mails]
        items = response.BODY_ITEMS if chunk.inline else response.part_items(0, PART_BYTES)
        got = read(f"UID FETCH {uid_sets(uids)[0]} ({' '.join(items)})")
        assert got >= sum(mail.size_bytes for mail in chunk.mails)


@contextmanager
def _bare(dovecot: Dovecot, user: User) -> Iterator[Callable[[str], int]]:
    """A signed-in socket: sends a command, reads to its tagged answer, returns how many bytes came."""
    with closing(socket.create_connection((dovecot.host, dovecot.port), 20)) as connection:
        buffer = bytearray(256 * 1024)

        def read(command: str) -> int:
            connection.sendall(f"a {command}\r\n".encode())
            got, tail = 0, b""
            while b"\r\na OK" not in b"\r\n" + tail or not tail.endswith(b"\r\n"):
                size = connection.recv_into(buffer)
                assert size, "the connection ended"
                got += size
                tail = (tail + bytes(buffer[max(0, size - 2000) : size]))[-2000:]
            return got

        connection.recv(4096)
        read(f"LOGIN {user.user} {{{len(user.password)}+}}\r\n{user.password}")
        read("EXAMINE INBOX")
        yield read


@contextmanager
def _session(dovecot: Dovecot, user: User) -> Iterator[Session]:
    class Fixed:
        def of(self, _account: object, _server: object) -> Password:
            return Password(user.user, user.password)

    server = {
        "host": dovecot.host,
        "port": dovecot.port,
        "security": "none",
        "user": user.user,
        "password": "env:UNUSED",
    }
    account = Account.model_validate({"name": "team", "address": user.user, "imap": server})
    session = opening.connector(opening.Tools(TRUST, Fixed()))(account)  # type: ignore[arg-type]
    try:
        yield session
    finally:
        session.close()


def _mail(number: int, size_bytes: int) -> bytes:
    head = f"From: person@example.net\r\nSubject: Mail {number}\r\nMessage-ID: <{number}@example.net>\r\n\r\n"
    return head.encode() + (b"x" * 76 + b"\r\n") * ((size_bytes - len(head)) // 78)


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
