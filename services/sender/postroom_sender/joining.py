"""Keeps what is to be kept of new mails, in the transaction that claims them: conversations and records."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from postroom.inbox.recording import record
from postroom.store import records
from postroom_sender.entry import entry_of, kept_depth, message_id_of
from postroom_sender.job import Job, Task
from postroom_sender.keeping import record_of, refused_record


def keep(connection: Connection, new: Sequence[Job], tasks: Sequence[Task], now: datetime) -> None:
    """Record the new mails; those that can be sent join their conversations.

    Args:
        connection: The transaction.
        new: The mails that are new.
        tasks: Those that can be sent, new or not.
        now: The time.

    Raises:
        Transient: others begin the same conversations all the time.
    """
    sendable = {task.job.send_id: task for task in tasks}
    fresh = [sendable[job.send_id] for job in new if job.send_id in sendable]
    conversations = join(connection, fresh, now)
    found = [record_of(task, conversations.get(message_id_of(task))) for task in fresh]
    refused = [refused_record(job) for job in new if job.send_id not in sendable]
    records.add(connection, [*found, *refused])


def join(connection: Connection, tasks: Sequence[Task], now: datetime) -> dict[str, str]:
    """Record the mails as messages, each once however often it is tried; their conversations.

    Mails of which nothing is to be kept are in none.
    """
    within = {task.account.name: timedelta(seconds=task.account.thread_within_s) for task in tasks}
    return record(
        connection, [entry_of(task) for task in tasks if kept_depth(task) != "nothing"], within, now
    )
