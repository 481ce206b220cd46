"""A mail on its way through the sender."""

from dataclasses import dataclass

from postroom.account import Account
from postroom.broker.verdict import Delivery
from postroom.messages import MailSend
from postroom_sender.compose import Composed


@dataclass(frozen=True)
class Job:
    """A command in hand. `index` is its place in the batch.

    `message_id` is empty, and `content_sha256` (of the body) None, where there is no mail.
    """

    index: int
    delivery: Delivery
    command: MailSend
    message_id: str
    content_sha256: str | None = None

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
