"""What it is to look into a quarantine, on either broker (pure)."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from postroom.broker.letter import Letter, letter_id, read_letter
from postroom.envelope import Wire


@dataclass(frozen=True)
class Found:
    """A dead letter in its place. `tag`: what the broker knows it by during this look."""

    tag: int
    queue: str
    wire: Wire

    @property
    def id(self) -> str:
        """What people call it."""
        return letter_id(self.wire.message_id)

    @cached_property
    def letter(self) -> Letter:
        """What it says of itself; read when somebody asks."""
        return read_letter(self.wire, self.queue)


class Look(Protocol):
    """One look into the quarantine of a queue; as many letters as were there when it began."""

    def __iter__(self) -> Iterator[Found]:
        """The letters, the oldest first. May raise the errors of the broker's client."""

    def remove(self, found: Sequence[Found]) -> None:
        """These are done with: the broker forgets them."""


class Quarantine(Protocol):
    """The quarantines of a broker."""

    def count(self, queue: str) -> int | None:
        """How many letters the quarantine of a work queue has; None if there is no such quarantine.

        Raises:
            Transient, Misconfigured: the broker is away, or refuses.
        """

    def looking(self, queue: str) -> AbstractContextManager[Look]:
        """Look into the quarantine of a work queue; what was not removed stays where it was.

        Raises:
            Transient: the broker is away, or somebody else is looking all the time.
            Misconfigured: it refuses.
        """
