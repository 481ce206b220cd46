"""Which messages are handled together."""

from __future__ import annotations

from postroom.broker.batch import Waiting
from postroom.broker.reception import Taken
from postroom.envelope import Wire


def taken(tag: int, *, redelivered: bool = False) -> Taken:
    return Taken("q", tag, Wire(str(tag), {}, b"", "application/json"), redelivered, 1)


def waiting(*messages: Taken) -> Waiting:
    new = Waiting(batch_size=3, batch_wait_s=0.02)
    for message in messages:
        new.add(message, 100.0)
    return new


def tags(batch: tuple[Taken, ...]) -> list[int]:
    return [message.tag for message in batch]


def test_nothing_is_due_where_nothing_waits() -> None:
    assert waiting().due_in(100.0) is None
    assert waiting().take(100.0) == ()


def test_a_full_batch_does_not_wait() -> None:
    messages = waiting(taken(1), taken(2), taken(3), taken(4))
    assert messages.due_in(100.0) == 0.0
    assert tags(messages.take(100.0)) == [1, 2, 3]
    assert messages.take(100.0) == ()
    assert tags(messages.take(100.02)) == [4]


def test_a_small_batch_waits_for_others_but_not_for_long() -> None:
    messages = waiting(taken(1))
    assert messages.take(100.01) == ()
    assert tags(messages.take(100.03)) == [1]


def test_redelivered_messages_go_alone_and_at_once() -> None:
    messages = waiting(taken(1), taken(2, redelivered=True), taken(3, redelivered=True), taken(4))
    assert tags(messages.take(100.0)) == [1]
    assert tags(messages.take(100.0)) == [2]
    assert tags(messages.take(100.0)) == [3]
    assert messages.take(100.0) == ()


def test_a_cleared_queue_has_nothing_left() -> None:
    messages = waiting(taken(1), taken(2))
    messages.clear()
    assert len(messages) == 0
    assert messages.due_in(200.0) is None
