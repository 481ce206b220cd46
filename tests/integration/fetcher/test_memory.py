"""However large mails and folders are, the fetcher stays small: measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers.imap_script import ImapScript, large_mail

LIMIT_MIB = 128
ROOT = Path(__file__).parents[3]


def _read(server: ImapScript, folder: Path, **given: Any) -> dict[str, float]:
    asked = {"host": server.host, "port": server.port, "folder": str(folder), **given}
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.fetcher.reader_process", json.dumps(asked)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def test_a_mail_of_a_gigabyte_fits(tmp_path: Path) -> None:
    with ImapScript() as server:
        server.inbox.add(large_mail(1_000_000_000))
        measured = _read(server, tmp_path)
    assert measured["peak_mib"] < LIMIT_MIB


def test_forty_mails_of_twenty_megabytes_fit(tmp_path: Path) -> None:
    with ImapScript() as server:
        server.inbox.fill(40, lambda uid: large_mail(20_000_000, b"Message-ID: <%d@example.net>" % uid))
        measured = _read(server, tmp_path)
    assert measured["peak_mib"] < LIMIT_MIB


def test_a_folder_of_a_million_mails_fits(tmp_path: Path) -> None:
    with ImapScript() as server:
        server.inbox.fill(1_000_000)
        measured = _read(server, tmp_path, count=2_000, longest_s=5)
    assert measured["peak_mib"] < LIMIT_MIB


@pytest.mark.parametrize("size_bytes", [60_000, 5_000_000])
def test_many_mailboxes_at_once_fit(tmp_path: Path, size_bytes: int) -> None:
    with ImapScript() as server:
        count = min(200, 30_000_000 // size_bytes)
        server.inbox.fill(count, lambda uid: large_mail(size_bytes, b"Message-ID: <%d@example.net>" % uid))
        measured = _read(server, tmp_path, at_once=8)
    assert measured["peak_mib"] < LIMIT_MIB
