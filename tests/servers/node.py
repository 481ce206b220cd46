"""A private server of one test: started, stopped, killed, restarted; its state is in one folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.process import Process, remove


class Node(ABC):
    """A server with a folder and ports that stay the same from one start to the next.

    The constructor starts nothing; `with Node(folder) as node:` starts it, and ends it together
    with its folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: Process | None = None

    @abstractmethod
    def _launch(self) -> Process:
        """Start the server and return when it answers."""

    @property
    def running(self) -> bool:
        """Whether the server was started and has not ended."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """The process id of the running server, for signals."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> None:
        """Start the server and return when it answers; nothing if it is running.

        Raises:
            ServerFailed: It did not start; says the end of its log.
        """
        if not self.running:
            self.kill9()
            self._process = self._launch()

    def stop(self) -> None:
        """End the server as an administrator would; its data stays."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()

    def kill9(self) -> None:
        """End the server and its processes with SIGKILL; what it had written stays."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def restart(self) -> None:
        """End the server as an administrator would and start it again."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the server at once and remove its folder."""
        self.kill9()
        remove(self.folder)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
