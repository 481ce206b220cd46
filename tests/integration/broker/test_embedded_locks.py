"""The embedded broker's file is shared by processes that come and go."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

from postroom.broker.embedded_queue import BrokerFile

VISITOR = """
import sys
from pathlib import Path
from postroom.broker.embedded_queue import BrokerFile
visitor = BrokerFile(Path(sys.argv[1]), "visitor")
visitor.declare_queue("visited", {}, temporary=False)
visitor.close()
"""


def test_a_visitor_who_leaves_does_not_take_the_log_of_those_who_stay(tmp_path: Path) -> None:
    path = tmp_path / "broker.sqlite3"
    staying = [BrokerFile(path, "first"), BrokerFile(path, "second")]
    log = path.with_name("broker.sqlite3-wal")
    before = log.stat().st_ino
    subprocess.run([sys.executable, "-c", VISITOR, str(path)], check=True)
    assert log.stat().st_ino == before
    staying[0].declare_queue("ours", {}, temporary=False)
    staying[1].delete_queue("visited")
    for each in staying:
        each.close()
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT name FROM queue").fetchall() == [("ours",)]
    database.close()
