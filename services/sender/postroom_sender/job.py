"""A mail on its way through the sender."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from postroom.account import Account
from postroom.broker.verdict import Delivery
from postroom.messages import MailSend
from postroom_sender.compose import Composed
from postroom_sender.outcome import Outcome


@dataclass(frozen=True)
class Job:
    """A command in hand. `index` is its place in the batch.

    `message_id` is empty, and `content_sha256` (of the body) None, where there is no mail. `settled`: what
    became of recipients in earlier attempts, where there are several. `hindered`: who does not
    get it whatever the server says (suppressed addresses).
    """

    index: int
    delivery: Delivery
    command: MailSend
    message_id: str
    content_sha256: str | None = None
    settled: Mapping[str, str] = field(default_factory=dict)
    hindered: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def pending(self) -> tuple[str, ...]:
        """Who has not got the mail, and may still."""
        return tuple(each for each in self.command.recipients if each not in self.settled)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Those of them to whom it is sent."""
        return tuple(each for each in self.pending if each not in self.hindered)

    @property
    def send_id(self) -> str:
        """The idempotency key."""
        return self.command.id

    @property
    def may_repeat(self) -> bool:
        """Whether two copies do no harm: a request and its help mail are the same mail, and decide once."""
        return self.command.content.kind in ("approval", "help", "confirm")


@dataclass(frozen=True)
class Task:
    """A job that can be done: its account sends, and its mail is written. `tries` were made before."""

    job: Job
    account: Account
    mail: Composed
    tries: int = 0
