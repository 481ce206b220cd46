"""A process that opens the embedded broker's file twice keeps the locks of its first connection."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from postroom.broker.embedded_schema import open_database

OPEN_AND_CLOSE = """
import sys
from pathlib import Path
from postroom.broker.embedded_schema import open_database
open_database(Path(sys.argv[1])).close()
"""


def test_another_process_never_takes_itself_for_the_last_one(tmp_path: Path) -> None:
    """The last one to close removes the shared memory; done too early, that destroys the file."""
    path = tmp_path / "broker.sqlite3"
    first = open_database(path)
    open_database(path).close()
    first.execute("SELECT count(*) FROM queue").fetchall()
    subprocess.run([sys.executable, "-c", OPEN_AND_CLOSE, str(path)], check=True, timeout=60)
    assert path.with_name("broker.sqlite3-shm").exists()
    first.close()


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "broker.sqlite3"
    open_database(path).close()
    assert path.stat().st_mode & 0o777 == 0o600
