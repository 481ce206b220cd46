"""Lets handled mails join their conversations, in the transaction of their outcomes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from postroom.inbox.recording import record
from postroom_processor.entries import NOT_RECORDED, entry_of
from postroom_processor.follow_up import Handled, Joined


def join(connection: Connection, handled: Sequence[Handled], now: datetime) -> Mapping[str, Joined]:
    """Record the mails that are in a conversation; what each became, by the id of its `mail.received`.

    Raises:
        Transient: others begin the same conversations all the time.
    """
    entries = {each.envelope.id: entry_of(each) for each in handled if each.outcome.kind not in NOT_RECORDED}
    within = {each.account.name: timedelta(seconds=each.account.thread_within_s) for each in handled}
    conversations = record(connection, list(entries.values()), within, now)
    return {
        mail_id: Joined(entry, conversations[entry.id])
        for mail_id, entry in entries.items()
        if entry.id in conversations
    }
