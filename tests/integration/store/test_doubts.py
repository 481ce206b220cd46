"""Whoever settles a doubt first has settled it: the mailbox, a bounce, the policy or a person."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import insert, select

from postroom.clock import utc_now
from postroom.doubt import NewDoubt
from postroom.sent_copies import NewCopy
from postroom.store import Store, copies, doubts
from postroom.store.copies import Answer
from postroom.store.doubts import EndedBy, To
from postroom.store.schema import send_recipients, sends, sent_copies
from tests.tables import migrate

NOW = utc_now()
WAYS: tuple[tuple[To, EndedBy], ...] = (
    ("sent", "found"),
    ("bounced", "bounce"),
    ("retrying", "policy"),
    ("sent", "said sent"),
    ("retrying", "said resend"),
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/store" if is_sqlite else request.getfixturevalue("postgresql_store")
    store = Store(url)
    migrate(store)
    yield store
    store.close()


def uncertain(store: Store, send_id: str, *cc: str) -> None:
    """A mail in doubt."""
    row = {"send_id": send_id, "account": "ops", "recipient": "a@x", "kind": "plain", "message_id": "<1@x>"}
    row |= {"state": "uncertain", "detail": "", "correlation_id": "c"}
    moments = {"created_at": NOW, "updated_at": NOW}
    with store.write() as connection:
        connection.execute(insert(sends), [{**row, **moments, "attempts": 1}])
        for position, recipient in enumerate(("a@x", *cc) if cc else ()):
            one = {"send_id": send_id, "recipient": recipient, "position": position, "detail": ""}
            connection.execute(insert(send_recipients), [{**one, "state": "uncertain", "updated_at": NOW}])
        found = NewDoubt(send_id, "ops", b"{}", b"mail", "0", is_parked=False)
        doubts.open_new(connection, [found], NOW)


def test_of_all_who_settle_a_doubt_at_once_one_has_settled_it(store: Store) -> None:
    for number in range(5):
        send_id, at_once = f"m{number}", Barrier(len(WAYS))
        uncertain(store, send_id)

        def settle(way: tuple[To, EndedBy], send_id: str = send_id, at_once: Barrier = at_once) -> bool:
            at_once.wait(10)
            with store.write() as connection:
                return doubts.end(connection, send_id, *way, "detail", NOW) is not None

        with ThreadPoolExecutor(len(WAYS)) as threads:
            settled = list(threads.map(settle, WAYS))
        assert settled.count(True) == 1
        (winner,) = [way for way, is_mine in zip(WAYS, settled, strict=True) if is_mine]
        with store.read() as connection:
            row = connection.execute(select(sends).where(sends.c.send_id == send_id)).one()
        assert (row.state, row.settled_by) == winner


def test_of_several_recipients_those_are_told_of_for_whom_it_was_in_doubt(store: Store) -> None:
    uncertain(store, "m", "b@x", "c@x")
    with store.write() as connection:
        connection.execute(
            send_recipients.update().where(send_recipients.c.recipient == "b@x").values(state="failed")
        )
        ended = doubts.end(connection, "m", "sent", "found", "", NOW)
    assert ended is not None
    events = ended.sent_events("test", NOW)
    assert {each.message.recipient for each in events} == {"a@x", "c@x"}
    assert len({each.id for each in events}) == 2


def test_what_is_kept_is_forgotten_when_the_mail_has_been_sent_again(store: Store) -> None:
    uncertain(store, "m")
    with store.write() as connection:
        doubts.end(connection, "m", "retrying", "policy", "", NOW)
        doubts.forget_settled(connection)
        assert doubts.contents(connection, ["m"]) == {"m": b"mail"}
        connection.execute(sends.update().values(state="sent"))
        doubts.forget_settled(connection)
        assert doubts.contents(connection, ["m"]) == {}
        assert doubts.count_and_oldest(connection) == (0, None)


def test_a_copy_that_is_refused_each_time_is_given_up_and_one_that_is_there_is_done(store: Store) -> None:
    later = NOW
    with store.write() as connection:
        (order,) = copies.add(connection, [NewCopy("m", "ops", "<1@x>", "spool:sha256:0")], NOW)
        assert copies.add(connection, [NewCopy("m", "ops", "<1@x>", "spool:sha256:0")], NOW) == []
        for delay_s in copies.AGAIN_AFTER_S:
            copies.note(connection, [Answer(order.id, None, "full")], later)
            assert copies.order_again(connection, later) == []
            later += timedelta(seconds=delay_s)
            (order,) = copies.order_again(connection, later)
        copies.note(connection, [Answer(order.id, None, "full")], later)
        assert copies.order_again(connection, later + timedelta(days=30)) == []
        row = connection.execute(select(sent_copies)).one()
        assert (row.state, row.detail, row.due_at) == ("refused", "full", None)
        copies.note(connection, [Answer("another order", True, "")], later)
        assert connection.execute(select(sent_copies)).one() == row
        copies.note(connection, [Answer("another order", None, ""), Answer(order.id, True, "")], later)
        assert connection.execute(select(sent_copies.c.state)).scalar() == "there"


def test_without_an_answer_a_copy_is_ordered_again(store: Store) -> None:
    with store.write() as connection:
        (first,) = copies.add(connection, [NewCopy("m", "ops", "<1@x>", "spool:sha256:0")], NOW)
        (second,) = copies.order_again(connection, NOW + timedelta(seconds=copies.ANSWER_WITHIN_S))
    assert first.command == second.command
    assert first.id != second.id
