"""Accepted mail for the queue of its campaign account, beside the event for whoever listens (pure)."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from postroom.broker.outgoing import Outgoing
from postroom.envelope import PREFIX, event_type
from postroom.event_queues import campaign_queue
from postroom.messages import MailAccepted
from postroom.topology import COMMANDS

_TYPE = event_type(MailAccepted)


def copies(messages: Sequence[Outgoing], accounts: Collection[str]) -> list[Outgoing]:
    """Of each `mail.accepted` of these accounts the same event for their queue.

    It must reach it: until the queue is there, it waits in the outbox. Its AMQP message id is another one:
    the outbox has each once; the id of the event is the same.
    """
    keys = {f"{MailAccepted.TYPE}.{name}": campaign_queue(name) for name in accounts}
    return [
        Outgoing(
            replace(each.wire, message_id=f"{each.wire.message_id}.campaign"),
            COMMANDS,
            keys[each.routing_key],
        )
        for each in messages
        if each.routing_key in keys and each.wire.headers.get(f"{PREFIX}type") == _TYPE
    ]
