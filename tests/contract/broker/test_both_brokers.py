"""What services rely on, on RabbitMQ and on the embedded broker alike."""

from __future__ import annotations

import signal
import subprocess
import time
from datetime import datetime

import pytest

from postroom import topology
from postroom.broker.consumer import Ack, DeadLetter, Delivery, RetryIn, Verdict
from postroom.broker.declare import apply
from postroom.broker.publisher import Outgoing, Publisher, PublishFailed
from postroom.envelope import with_header
from postroom.errors import Misconfigured, Permanent, Transient
from postroom.topology import EVENTS, INBOX
from tests.contract.broker.scene import DEAD, Recorder, Scene, Watcher, mail, one_family, uids
from tests.contract.broker.worker import POISON_UID
from tests.waiting import wait_until


def test_messages_come_in_the_order_in_which_they_were_published(scene: Scene) -> None:
    scene.publish(*(mail(uid) for uid in range(1, 301)))
    recorder = Recorder()
    with scene.consuming(recorder):
        wait_until(lambda: len(recorder.deliveries) >= 300, 20, "all messages")
    assert recorder.uids == list(range(1, 301))
    assert max(len(batch) for batch in recorder.batches) == 20
    assert scene.witness.depth(INBOX) == 0


def test_a_message_arrives_byte_for_byte_and_with_its_headers(scene: Scene) -> None:
    sent = mail(1)
    scene.publish(sent)
    recorder = Recorder()
    with scene.consuming(recorder):
        wait_until(lambda: recorder.deliveries, 10, "the message")
    (delivery,) = recorder.deliveries
    assert delivery.wire == sent.wire
    assert (delivery.queue, delivery.redelivered, delivery.attempt) == (INBOX, False, 1)


def test_what_a_killed_process_had_comes_again_and_says_so(scene: Scene) -> None:
    scene.publish(*(mail(uid) for uid in range(1, 31)))
    with scene.worker("hold") as process:
        wait_until(lambda: scene.written("begun"), 20, "the worker to begin")
        process.send_signal(signal.SIGKILL)
        process.wait()
        recorder = Recorder()
        with scene.consuming(recorder):
            wait_until(lambda: len(recorder.deliveries) >= 30, 20, "all messages again")
    assert sorted(recorder.uids) == list(range(1, 31))
    redelivered = [batch for batch in recorder.batches if any(each.redelivered for each in batch)]
    assert 1 in uids(each for batch in redelivered for each in batch)
    assert {len(batch) for batch in redelivered} == {1}, "redelivered messages go one at a time"


def test_a_message_that_kills_its_worker_goes_to_quarantine_alone(scene: Scene) -> None:
    innocents = list(range(2, 22))
    scene.publish(*(mail(uid) for uid in [*innocents[:10], POISON_UID, *innocents[10:]]))
    while not scene.witness.depth(DEAD):
        with scene.worker("poison") as process:
            _wait_for_its_end_or_the_quarantine(scene, process)
            if process.poll() is None:
                wait_until(lambda: set(scene.written("handled")) == set(innocents), 10, "all innocents")
                process.terminate()
                process.wait(timeout=15)
    (poison,) = scene.witness.look(DEAD)
    assert poison.message_id == f"mail-{POISON_UID}"
    assert poison.headers["x-postroom-reason"] == "killed its worker 3 times"
    assert set(scene.written("handled")) == set(innocents)
    assert scene.witness.depth(INBOX) == 0


def _wait_for_its_end_or_the_quarantine(scene: Scene, process: subprocess.Popen[bytes]) -> None:
    wait_until(
        lambda: process.poll() is not None or scene.witness.depth(DEAD),
        20,
        "the worker's end",
        interval_s=0.1,
    )


def test_a_retry_comes_after_its_delay_with_its_attempt_counted(scene: Scene) -> None:
    times: list[float] = []

    def later(delivery: Delivery) -> Verdict:
        times.append(time.monotonic())
        return RetryIn(1, "not yet") if delivery.attempt == 1 else Ack()

    recorder = Recorder(later)
    scene.publish(mail(1))
    with scene.consuming(recorder):
        wait_until(lambda: len(recorder.deliveries) == 2, 10, "the second try")
    again = recorder.deliveries[1]
    assert times[1] - times[0] >= 1
    assert again.attempt == 2
    assert again.wire.headers["x-postroom-reason"] == "not yet"
    assert again.wire.headers["x-postroom-queue"] == INBOX
    assert datetime.fromisoformat(again.wire.headers["x-postroom-first-failed-at"]).tzinfo is not None
    assert again.wire.body == recorder.deliveries[0].wire.body
    assert not again.redelivered


def test_a_dead_letter_is_the_same_message_with_the_reason(scene: Scene) -> None:
    recorder = Recorder(lambda _delivery: DeadLetter("two From\nfields"))
    scene.publish(mail(7))
    with scene.consuming(recorder):
        wait_until(lambda: scene.witness.depth(DEAD) == 1, 10, "the dead letter")
    (dead,) = scene.witness.look(DEAD)
    assert dead.message_id == "mail-7"
    assert dead.body == mail(7).wire.body
    assert dead.headers["x-postroom-reason"] == "two From fields"
    assert dead.headers["x-postroom-queue"] == INBOX
    assert dead.headers["cloudEvents_id"] == "mail-7"
    assert scene.witness.depth(INBOX) == 0


def test_what_nobody_can_read_goes_to_quarantine_and_stops_nobody(scene: Scene) -> None:
    unknown = with_header(mail(1).wire, "cloudEvents_type", "postroom.mail.received.v99").headers
    scene.witness.put(INBOX, b"\x80\x04}", "application/x-python-serialize", {})
    scene.witness.put(INBOX, b"\xff", "message/rfc822", unknown)
    scene.witness.put(INBOX, b"", "application/json", {"cloudEvents_id": 5, "compression": "zlib"})
    scene.publish(mail(2))
    recorder, watcher = Recorder(), Watcher()
    with scene.consuming(recorder, observer=watcher):
        wait_until(lambda: recorder.deliveries and scene.witness.depth(DEAD) == 3, 10, "three dead letters")
    assert recorder.uids == [2]
    assert watcher.faults == 3
    reasons = [seen.headers["x-postroom-reason"] for seen in scene.witness.look(DEAD)]
    assert "specversion is None" in reasons[0]
    assert "only version 1 is understood" in reasons[1]
    assert scene.witness.depth(INBOX) == 0


def test_unroutable_messages_are_named_and_all_others_are_stored(scene: Scene) -> None:
    lost = Outgoing(mail(2).wire, EVENTS, "nobody.listens")
    missing = Outgoing(mail(3).wire, "no.such.exchange", "x")
    with Publisher(scene.url, name="test") as publisher:
        with pytest.raises(PublishFailed) as failure:
            publisher.publish([mail(1), lost, mail(4)])
        assert [message for message, _ in failure.value.failed] == [lost]
        with pytest.raises(PublishFailed) as failure:
            publisher.publish([mail(5), missing, mail(6)])
        assert [message for message, _ in failure.value.failed] == [missing]
        unheard = Outgoing(mail(7).wire, EVENTS, "nobody.listens", must_route=False)
        assert publisher.publish([unheard, mail(8)]).unheard == 1
    assert {seen.message_id for seen in scene.witness.look(INBOX)} == {
        f"mail-{uid}" for uid in (1, 4, 5, 6, 8)
    }


def test_a_handler_that_fails_on_one_message_fails_no_other(scene: Scene) -> None:
    def picky(delivery: Delivery) -> Verdict:
        if delivery.envelope.message.uid == 5:
            raise Permanent("cannot be right")
        return Ack()

    recorder = Recorder(picky)
    scene.publish(*(mail(uid) for uid in range(1, 11)))
    with scene.consuming(recorder):
        wait_until(lambda: scene.witness.depth(DEAD) == 1, 10, "the dead letter")
        wait_until(lambda: len(set(recorder.uids)) == 9, 10, "all others")
    (dead,) = scene.witness.look(DEAD)
    assert (dead.message_id, dead.headers["x-postroom-reason"]) == ("mail-5", "cannot be right")
    assert scene.witness.depth(INBOX) == 0


def test_a_passing_failure_is_tried_again(scene: Scene) -> None:
    failures = [Transient("the database is not there", retry_after_s=1), KeyError("a fault of ours")]

    def flaky(_delivery: Delivery) -> Verdict:
        if failures:
            raise failures.pop(0)
        return Ack()

    recorder = Recorder(flaky)
    scene.publish(mail(1))
    delays = topology.RETRY_DELAYS_S
    with scene.consuming(recorder):
        wait_until(lambda: len(failures) == 1, 10, "the first failure")
        wait_until(lambda: not failures, 10, "the second failure")
        second = topology.retry_queue(INBOX, delays[1])
        wait_until(lambda: scene.witness.depth(second) == 1, 10, "the longer delay")
    (waiting,) = scene.witness.look(second)
    assert waiting.headers["x-postroom-reason"] == "KeyError: 'a fault of ours'"
    assert waiting.headers["x-postroom-attempt"] == 3


def test_sigterm_finishes_what_was_begun_and_leaves_the_rest(scene: Scene) -> None:
    everything = set(range(1, 201))
    scene.publish(*(mail(uid) for uid in sorted(everything)))
    with scene.worker("slow") as process:
        wait_until(lambda: len(scene.written("handled")) > 20, 20, "some messages to be handled")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
    handled = scene.written("handled")
    wait_until(
        lambda: scene.witness.depth(INBOX) == len(everything) - len(handled), 10, "the rest to be back"
    )
    rest = [int(seen.message_id.removeprefix("mail-")) for seen in scene.witness.look(INBOX)]
    assert len(handled) == len(set(handled)), "handled twice"
    assert sorted(handled + rest) == sorted(everything)


def test_a_deleted_queue_is_noticed_and_used_again_when_it_is_back(scene: Scene) -> None:
    recorder, watcher = Recorder(), Watcher()
    with scene.consuming(recorder, observer=watcher) as consumer:
        wait_until(lambda: consumer.connected, 10, "the consumer")
        scene.witness.delete(INBOX)
        wait_until(lambda: not consumer.connected, 10, "the consumer to notice")
        scene.declare()
        scene.publish(mail(1))
        wait_until(lambda: recorder.deliveries, 15, "a message through the new queue")
    assert watcher.reconnects >= 1


def test_a_thousand_messages_survive_the_publisher(scene: Scene) -> None:
    scene.publish(*(mail(uid) for uid in range(1, 1001)))
    wait_until(lambda: scene.witness.depth(INBOX) == 1000, 10, "all messages")


def test_several_consumers_share_a_queue_without_overlap(scene: Scene) -> None:
    scene.publish(*(mail(uid) for uid in range(1, 401)))
    one, other = Recorder(), Recorder()
    with scene.consuming(one, workers=2), scene.consuming(other):
        wait_until(lambda: len(one.uids) + len(other.uids) >= 400, 20, "all messages")
    assert sorted(one.uids + other.uids) == list(range(1, 401))


def test_declaring_again_changes_nothing_and_other_arguments_are_refused_with_advice(scene: Scene) -> None:
    scene.publish(mail(1))
    scene.declare()
    assert scene.witness.depth(INBOX) == 1
    whole = one_family()
    changed = topology.Queue(INBOX, (), {"x-queue-type": "quorum", "x-dead-letter-exchange": "other"})
    with pytest.raises(Misconfigured, match=rf"queue {INBOX} is there with other arguments.*delete it"):
        apply(scene.url, topology.Topology(whole.exchanges, (changed,)))
