"""Puts the dead letters of a queue back and kills itself before they are removed: broker URL, queue."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from postroom.broker import quarantine
from postroom.broker.looking import Found, Look
from postroom.broker.publisher import Publisher
from postroom.broker.requeue import put_back


@dataclass
class Killing:
    """A look that does not survive removing anything."""

    look: Look

    def __iter__(self) -> Iterator[Found]:
        return iter(self.look)

    def remove(self, found: Sequence[Found]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    url, queue = sys.argv[1:]
    with (
        quarantine.opened(url) as opened,
        opened.looking(queue) as look,
        Publisher(url, name="test") as publisher,
    ):
        put_back(Killing(look), publisher, list(look))
