"""Putting dead letters back to their queue, each at least once and never lost in between."""

from collections.abc import Sequence

from postroom.broker.letter import revived
from postroom.broker.looking import Found, Look
from postroom.broker.outgoing import Outgoing
from postroom.broker.publisher import Publisher, PublishFailed


def put_back(look: Look, publisher: Publisher, found: Sequence[Found]) -> None:
    """Publish the letters straight to their queue as new messages with their old ids, then remove them.

    Whoever dies in between leaves a letter in both places; its id is the same, so its effect is one.

    Raises:
        PublishFailed: Some were refused and stay where they are; the others were put back.
        Transient, Misconfigured: The broker was not there; some may be in both places.
    """
    messages = [Outgoing(revived(each.letter), "", each.queue) for each in found]
    try:
        publisher.publish(messages)
    except PublishFailed as failure:
        refused = {id(message) for message, _ in failure.failed}
        taken = [each for each, message in zip(found, messages, strict=True) if id(message) not in refused]
        look.remove(taken)
        raise
    look.remove(found)
