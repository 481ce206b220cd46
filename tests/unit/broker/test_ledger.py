"""Acknowledging in groups."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postroom.broker.ledger import Ledger


def ledger(count: int) -> Ledger:
    new = Ledger()
    for tag in range(1, count + 1):
        new.took(tag)
    return new


def test_a_whole_batch_is_acknowledged_at_once() -> None:
    tags = ledger(50)
    tags.done(range(1, 51))
    assert tags.acknowledgements() == [(50, True)]
    assert len(tags) == 0
    assert tags.acknowledgements() == []


def test_what_is_behind_a_gap_is_acknowledged_for_itself() -> None:
    tags = ledger(5)
    tags.done([1, 2, 4])
    assert tags.acknowledgements() == [(2, True), (4, False)]
    tags.done([3])
    assert tags.acknowledgements() == [(3, True)]
    tags.done([5])
    assert tags.acknowledgements() == [(5, True)]


def test_what_was_given_back_is_never_acknowledged_by_itself() -> None:
    tags = ledger(3)
    tags.given_back([2])
    assert tags.acknowledgements() == []
    tags.done([1])
    assert tags.acknowledgements() == [(1, True)]
    tags.done([3])
    assert tags.acknowledgements() == [(3, True)]


@given(
    st.lists(st.tuples(st.integers(1, 30), st.booleans()), unique_by=lambda pair: pair[0]), st.integers(1, 7)
)
def test_the_broker_s_view_is_the_ledger_s(events: list[tuple[int, bool]], every: int) -> None:
    """A broker that gets these acknowledgements and returns has exactly the unfinished messages left."""
    tags, broker = ledger(30), set(range(1, 31))
    for number, (tag, acknowledged) in enumerate(events):
        if acknowledged:
            tags.done([tag])
        else:
            tags.given_back([tag])
            broker.remove(tag)
        if number % every == 0:
            apply(tags, broker)
    apply(tags, broker)
    assert broker == set(range(1, 31)) - {tag for tag, _ in events}
    assert len(tags) == len(broker)


def apply(tags: Ledger, broker: set[int]) -> None:
    for tag, multiple in tags.acknowledgements():
        assert tag in broker, "an unknown tag closes the channel"
        broker -= {each for each in broker if each <= tag} if multiple else {tag}
