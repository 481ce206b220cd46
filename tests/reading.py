"""Reads every mail of a corpus in a process of its own, and prints what that took.

``python -m tests.reading CORPUS`` prints one JSON object: how many mails, how many of them reach a
limit, the slowest one with its processor time, and the most memory it had.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from postroom_processor.automatic import automatic_kind
from postroom_processor.claimed_addresses import claimed_addresses
from postroom_processor.mail import Mail, read_mail
from postroom_processor.reply_text import own_text
from postroom_processor.sender_address import only_sender
from tests.corpus import SHARED, cpython_mails, spam_assassin

_FIRST = b"From: a@example.org\r\nContent-Type: text/html\r\n\r\n<p>Approve</p>\r\n"


def stalwart() -> Iterator[tuple[str, bytes]]:
    """The messages of the shared test data by their names."""
    for path in sorted((SHARED / "mime").rglob("*.eml")):
        yield path.name, path.read_bytes()


CORPORA: dict[str, Callable[[], Iterator[tuple[str, bytes]]]] = {
    "spam-assassin": spam_assassin,
    "cpython": cpython_mails,
    "stalwart": stalwart,
}


def read_all_of(mail: Mail) -> None:
    """Look at everything there is to look at; whatever is lazy happens here."""
    _ = (mail.subject, mail.message_id, mail.references, mail.recipients, mail.problems)
    _ = (mail.text, mail.html, mail.content_types, mail.parts, mail.header_values("x"))
    only_sender(mail)
    claimed_addresses(mail)
    automatic_kind(mail)
    own_text(mail)


def _peak_kib() -> int:
    """The most memory this process ever had; what its parent had before the start counts nowhere."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found.group(1)) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(corpus: str) -> None:
    """Read the corpus and print the figures."""
    read_all_of(read_mail(_FIRST))
    count = limited = 0
    slowest = ("", 0.0)
    for name, raw in CORPORA[corpus]():
        started = time.process_time()
        mail = read_mail(raw)
        read_all_of(mail)
        slowest = max(slowest, (name, time.process_time() - started), key=lambda each: each[1])
        count += 1
        limited += mail.limited is not None
    figures = {
        "count": count,
        "limited": limited,
        "slowest": slowest[0],
        "slowest_s": round(slowest[1], 3),
        "peak_mib": _peak_kib() // 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1])
