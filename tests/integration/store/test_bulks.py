"""Bulks in both stores: who is next, by whom, and what became of everybody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from postroom.bulk import Row, send_id_of
from postroom.store import Store, bulks
from postroom.store.bulks import Order, OtherList
from postroom.store.engine import insert_new
from postroom.store.schema import bulk_recipients, sends
from postroom.store.schema import bulks as table

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def order(bulk_id: str = "news", total: int = 600, digest: str = "0" * 64) -> Order:
    """An order for so many."""
    return Order(bulk_id, "ops", "spring", digest, total, 2, {}, "anna", bulk_id)


def person(number: int) -> Row:
    """One of them."""
    return Row(number + 2, f"p{number}@example.net", {"name": f"P{number}"})


def placed(store: Store, bulk_id: str = "news", total: int = 600) -> None:
    """Put a bulk into the store that is to be sent."""
    with store.write() as connection:
        assert bulks.begin(connection, order(bulk_id, total), NOW) == "preparing"
    assert bulks.place(store, order(bulk_id, total), map(person, range(total)), NOW) == "sending"


def turn(store: Store) -> list[str]:
    """Who is next."""
    with store.write() as connection:
        return [row.recipient for each in bulks.turns(connection, NOW) for row in each.recipients]


def became(store: Store, state: str, numbers: range, reason_code: str | None = None) -> None:
    """The mails of these ended so."""
    common = {
        "account": "ops",
        "kind": "template",
        "message_id": "",
        "attempts": 1,
        "detail": "",
        "code": 250,
    }
    times = {"created_at": NOW, "updated_at": NOW, "correlation_id": "c", "reason_code": reason_code}
    rows = [
        {"send_id": send_id_of("news", each), "recipient": each, "state": state, **common, **times}
        for each in (f"p{number}@example.net" for number in numbers)
    ]
    with store.write() as connection:
        insert_new(connection, sends, rows)


def counted(store: Store) -> dict[str, int]:
    """What became of the mails: what is not zero."""
    with store.read() as connection:
        return {name: count for name, count in bulks.counts(connection, ["news"])["news"].items() if count}


def test_everybody_has_one_turn_also_with_several_who_feed(store: Store) -> None:
    placed(store)
    with ThreadPoolExecutor(4) as threads:
        fed = [name for part in threads.map(lambda _: turn(store), range(8)) for name in part]
    for _ in range(8):
        fed += turn(store)
    assert sorted(fed) == sorted(person(number).recipient for number in range(600))


def test_no_more_than_a_window_is_on_the_way(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulks, "WINDOW", 100)
    placed(store)
    assert (len(turn(store)), len(turn(store))) == (100, 0)
    became(store, "sent", range(30))
    assert turn(store) == [f"p{number}@example.net" for number in range(100, 130)]
    with store.read() as connection:
        ended = connection.execute(select(bulk_recipients).where(bulk_recipients.c.state == "ended")).all()
    assert {(row.outcome, str(row._mapping["values"])) for row in ended} == {("sent", "{}")}


def test_a_list_that_was_written_in_part_is_completed_and_not_doubled(store: Store) -> None:
    with store.write() as connection:
        bulks.begin(connection, order(), NOW)

    def broken() -> object:
        yield from map(person, range(1000))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bulks.place(store, order(), broken(), NOW)  # type: ignore[arg-type]
    assert turn(store) == []
    with store.write() as connection:
        assert bulks.begin(connection, order(), NOW) == "preparing"
        with pytest.raises(OtherList):
            bulks.begin(connection, order(digest="1" * 64), NOW)
    bulks.place(store, order(), map(person, range(1200)), NOW)
    assert counted(store) == {"queued": 1200}


def test_the_counts_are_exact_and_follow_what_becomes_known_later(store: Store) -> None:
    placed(store, total=10)
    turn(store)
    became(store, "sent", range(4))
    became(store, "uncertain", range(4, 6))
    became(store, "failed", range(6, 7), "suppressed")
    became(store, "failed", range(7, 8), "mailbox_unknown")
    became(store, "retrying", range(8, 9))
    expected = {"queued": 2, "sent": 4, "uncertain": 2, "suppressed": 1, "failed": 1}
    assert counted(store) == expected
    assert turn(store) == []
    with store.write() as connection:
        bounced = update(sends).where(sends.c.recipient == "p0@example.net").values(state="bounced")
        connection.execute(bounced)
    assert counted(store) == {**expected, "sent": 3, "bounced": 1}
    # What was sent is forgotten after a while, and the list still says what it came to.
    with store.write() as connection:
        connection.execute(sends.delete().where(sends.c.state.in_(["sent", "failed"])))
    assert counted(store) == {**expected, "sent": 3, "bounced": 1}


def test_a_bulk_is_paused_resumed_cancelled_done_and_forgotten(store: Store) -> None:
    placed(store, total=3)
    moves = [("resume", False), ("pause", True), ("pause", False), ("resume", True), ("cancel", True)]
    for verb, expected in [*moves, ("resume", False)]:
        with store.write() as connection:
            assert bulks.move(connection, "news", verb, NOW) is expected, verb
    assert counted(store) == {"cancelled": 3}
    placed(store, "other", total=0)
    with store.write() as connection:
        assert bulks.states(connection, ["news"]) == {"news": "cancelling"}
        assert {each.bulk.id: each.ended for each in bulks.turns(connection, NOW)} == {
            "news": True,
            "other": True,
        }
        assert not bulks.any_sending(connection)
        assert bulks.states(connection, ["other", "news"]) == {"other": "done", "news": "cancelled"}
    with store.write() as connection:
        assert bulks.forget(connection, "ops", NOW - timedelta(days=1), 2) == 0
    for _ in range(3):
        with store.write() as connection:
            bulks.forget(connection, "ops", NOW + timedelta(days=1), 2)
    with store.read() as connection:
        assert connection.execute(select(table.c.id)).all() == []
        assert connection.execute(select(bulk_recipients)).all() == []
