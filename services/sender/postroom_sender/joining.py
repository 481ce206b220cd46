"""Lets mails join their conversations, in the transaction that claims them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from postroom.inbox.recording import record
from postroom_sender.entry import entry_of
from postroom_sender.job import Task


def join(connection: Connection, tasks: Sequence[Task], now: datetime) -> None:
    """Record the mails as messages, each once however often it is tried.

    Raises:
        Transient: others begin the same conversations all the time.
    """
    within = {task.account.name: timedelta(seconds=task.account.thread_within_s) for task in tasks}
    record(connection, [entry_of(task) for task in tasks], within, now)
