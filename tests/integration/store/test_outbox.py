"""What a transaction decided to publish is published, and nothing that it did not commit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from postroom.broker.declare import apply
from postroom.broker.publisher import Publisher, PublishFailed
from postroom.errors import Transient
from postroom.store import Store, outbox
from postroom.store.outbox import FIRST_SWEEP_AFTER_S, SWEEP_AGAIN_AFTER_S, SWEEP_LIMIT, OutboxRelay
from postroom.store.schema import outbox as table
from postroom.topology import topology
from tests.integration.store.processes import finish, start
from tests.integration.store.recorder import Recorder, message

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def record(store: Store, *ids: str, service: str = "processor") -> None:
    with store.write() as connection:
        outbox.add(connection, service, [message(each) for each in ids], NOW)


def recorded(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.execute(select(table.c.message_id).order_by(table.c.seq)).scalars())


def test_a_message_is_published_as_it_was_recorded_and_then_forgotten(store: Store) -> None:
    watch, recorder = Watch(), Recorder()
    original = message("a", bytes(range(256)) * 400)
    with store.write() as connection:
        outbox.add(connection, "processor", [original], NOW)
    watch.forward(FIRST_SWEEP_AFTER_S)
    assert not OutboxRelay(store, recorder, "processor", watch).sweep()
    assert recorder.published == [original]
    assert recorded(store) == []


def test_publishing_at_once_forgets_the_messages(store: Store) -> None:
    recorder = Recorder()
    record(store, "a", "b")
    relay = OutboxRelay(store, recorder, "processor", Watch())
    assert relay.publish([message("a"), message("b")]).unheard == 0
    assert relay.publish([]).unheard == 0
    assert (recorder.ids, recorded(store)) == (["a", "b"], [])


def test_a_repeated_decision_records_its_messages_once(store: Store) -> None:
    record(store, "a", "b")
    record(store, "b", "a", "c")
    assert recorded(store) == ["a", "b", "c"]


def test_the_sweeper_leaves_to_the_service_what_it_has_just_recorded(store: Store) -> None:
    watch, recorder = Watch(), Recorder()
    record(store, "a")
    watch.forward(FIRST_SWEEP_AFTER_S - 1)
    OutboxRelay(store, recorder, "processor", watch).sweep()
    assert (recorder.ids, recorded(store)) == ([], ["a"])


def test_the_sweeper_publishes_in_the_order_of_recording_and_only_its_service(store: Store) -> None:
    watch, recorder = Watch(), Recorder()
    record(store, *(f"m{number}" for number in range(50)))
    record(store, "other", service="sender")
    watch.forward(3600)
    OutboxRelay(store, recorder, "processor", watch).sweep()
    assert recorder.ids == [f"m{number}" for number in range(50)]
    assert recorded(store) == ["other"]


def test_a_long_outbox_is_swept_in_several_steps(store: Store) -> None:
    watch, recorder = Watch(), Recorder()
    record(store, *(str(number) for number in range(SWEEP_LIMIT + 1)))
    watch.forward(3600)
    relay = OutboxRelay(store, recorder, "processor", watch)
    assert [relay.sweep(), relay.sweep()] == [True, False]
    assert len(recorder.ids) == SWEEP_LIMIT + 1


def test_what_the_broker_does_not_take_stays_and_its_neighbours_go(store: Store) -> None:
    watch, recorder = Watch(), Recorder(refused={"bad"})
    record(store, "a", "bad", "b")
    relay = OutboxRelay(store, recorder, "processor", watch)
    with pytest.raises(PublishFailed):
        relay.publish([message("a"), message("bad"), message("b")])
    assert recorded(store) == ["bad"]
    watch.forward(FIRST_SWEEP_AFTER_S)
    with pytest.raises(PublishFailed):
        relay.sweep()
    assert recorded(store) == ["bad"]
    recorder.refused.clear()
    watch.forward(SWEEP_AGAIN_AFTER_S)
    relay.sweep()
    assert (recorder.ids, recorded(store)) == (["a", "b", "bad"], [])


def test_nothing_is_forgotten_while_the_broker_is_away(store: Store) -> None:
    watch, recorder = Watch(), Recorder()
    recorder.away = True
    record(store, "a")
    relay = OutboxRelay(store, recorder, "processor", watch)
    watch.forward(30)
    with pytest.raises(Transient):
        relay.sweep()
    assert relay.oldest_age_s() == 30
    recorder.away = False
    relay.sweep()
    assert recorder.ids == [], "claimed a moment ago: the next try comes later"
    watch.forward(SWEEP_AGAIN_AFTER_S)
    relay.sweep()
    assert (recorder.ids, relay.oldest_age_s()) == (["a"], 0)


def test_two_sweepers_do_not_take_the_same_message(store: Store) -> None:
    watch, recorder = Watch(), Recorder()
    record(store, *(str(number) for number in range(300)))
    watch.forward(3600)
    both_are_here = threading.Barrier(2)

    def sweep(_number: int) -> None:
        both_are_here.wait(30)
        OutboxRelay(store, recorder, "processor", watch).sweep()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(sweep, range(2)))
    assert sorted(recorder.ids) == sorted(str(number) for number in range(300))
    assert recorded(store) == []


def test_what_a_crash_left_between_commit_and_publish_is_swept(store: Store, store_url: str) -> None:
    assert finish(start("commit_and_die", store_url)) == [(-9, "")]
    watch, recorder = Watch(), Recorder()
    watch.forward(FIRST_SWEEP_AFTER_S)
    OutboxRelay(store, recorder, "processor", watch).sweep()
    assert recorder.ids == ["left-1", "left-2"]


def test_what_a_crash_left_before_the_commit_never_was(store: Store, store_url: str) -> None:
    assert finish(start("die_before_commit", store_url)) == [(-9, "")]
    assert recorded(store) == []


def test_what_reaches_no_queue_of_a_real_broker_stays_recorded(store: Store, tmp_path: Path) -> None:
    url = f"embedded://{tmp_path}/broker.sqlite3"
    apply(url, topology(1))
    heard = message("heard")
    heard = type(heard)(heard.wire, "postroom.commands", "postroom.sender.bulk", must_route=True)
    lost = type(heard)(message("lost").wire, "postroom.commands", "no.such.queue", must_route=True)
    with store.write() as connection:
        outbox.add(connection, "processor", [heard, lost], NOW)
    with Publisher(url, name="test") as publisher, pytest.raises(PublishFailed):
        OutboxRelay(store, publisher, "processor").publish([heard, lost])
    assert recorded(store) == ["lost"]
