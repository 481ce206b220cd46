"""A consuming process that tests kill: `python worker.py URL QUEUE FOLDER BEHAVIOUR`.

It writes one line per handled message, its UID, to FOLDER/handled. SIGTERM drains it.

| behaviour | what the handler does |
|---|---|
| `log` | writes and acknowledges |
| `hold` | writes to FOLDER/begun, then waits for ever |
| `poison` | kills its own process at UID 1 |
| `slow` | as `log`, 20 ms per message |
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from postroom.broker.consumer import Ack, Consumer, Delivery, Verdict

POISON_UID = 1


class FileAttempts:
    """Attempts in a file of their own."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("CREATE TABLE IF NOT EXISTS attempt (id TEXT PRIMARY KEY, count INTEGER)")

    def begin(self, message_id: str, queue: str) -> int:
        query = (
            "INSERT INTO attempt VALUES (?, 1)"
            " ON CONFLICT (id) DO UPDATE SET count = count + 1 RETURNING count"
        )
        return int(self._database.execute(query, (message_id,)).fetchall()[0][0])

    def end(self, message_id: str, queue: str) -> None:
        self._database.execute("DELETE FROM attempt WHERE id = ?", (message_id,))

    def buried(self, message_ids: Sequence[str], queue: str) -> None:
        pass


class Recorder:
    """The handler."""

    def __init__(self, folder: Path, behaviour: str) -> None:
        self._folder = folder
        self._behaviour = behaviour

    def __call__(self, deliveries: Sequence[Delivery]) -> list[Verdict]:
        for delivery in deliveries:
            self._handle(delivery.envelope.message.uid)
        return [Ack() for _ in deliveries]

    def _handle(self, uid: int) -> None:
        if self._behaviour == "hold":
            self._write("begun", uid)
            threading.Event().wait()
        if self._behaviour == "poison" and uid == POISON_UID:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._behaviour == "slow":
            time.sleep(0.02)
        self._write("handled", uid)

    def _write(self, name: str, uid: int) -> None:
        with (self._folder / name).open("a") as file:
            file.write(f"{uid}\n")


def main() -> None:
    """Consume until SIGTERM."""
    url, queue, folder, behaviour = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    attempts = FileAttempts(Path(folder) / "attempts.sqlite3")
    Consumer(
        url, [queue], Recorder(Path(folder), behaviour), name="test worker", attempts=attempts, batch_size=10
    ).run(stop)


if __name__ == "__main__":
    main()
