"""What the services log: to the terminal with their names, or into a file."""

import threading
from collections import deque
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.text import Text

_COLOURS = {"fetcher": "cyan", "processor": "magenta", "sender": "blue", "notifier": "yellow"}
_WIDTH = 9
TAIL_LINES = 20


def to_terminal(console: Console, name: str, line: str) -> None:
    """One line of a service, with its name before it."""
    told = Text.assemble((f"{name:<{_WIDTH}} ", _COLOURS.get(name, "")), "│ ", Text.from_ansi(line))
    console.print(told, soft_wrap=True)


class LogFile:
    """A file with the lines of all services; remembers the last ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None
        self._lock = threading.Lock()
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def open(self) -> None:
        """Begin the file anew; its folder is there."""
        self._file = self.path.open("w", encoding="utf-8")

    def write(self, name: str, line: str) -> None:
        """Add a line."""
        told = f"{name:<{_WIDTH}} | {line}"
        with self._lock:
            self._tail.append(told)
            if self._file is not None:
                self._file.write(f"{told}\n")
                self._file.flush()

    def tail(self) -> list[str]:
        """The last lines."""
        with self._lock:
            return list(self._tail)

    def close(self) -> None:
        """Close the file; what comes later is dropped."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None
