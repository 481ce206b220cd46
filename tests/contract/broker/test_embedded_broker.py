"""What only the embedded broker promises: it idles quietly, wakes quickly, and cleans up after the dead."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from amqp.exceptions import NotFound, PreconditionFailed, RecoverableConnectionError

from postroom.broker.connection import connect
from postroom.broker.publisher import Publisher
from postroom.topology import EVENTS, INBOX
from tests.contract.broker.scene import Recorder, Scene, mail
from tests.contract.broker.witness import FileWitness
from tests.waiting import wait_until

# A process that declares a client's queue, says so, and then sits there.
CLIENT = """
import sys, time
from postroom.broker.connection import connect
channel = connect(sys.argv[1], name="client").channel()
channel.queue_declare("postroom.client.test", exclusive=True)
channel.queue_bind("postroom.client.test", exchange="postroom.events", routing_key="#")
print("ready", flush=True)
time.sleep(1000)
"""
WAKES = 41


@contextmanager
def client(url: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", CLIENT, url], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_idle_consumer_takes_less_than_a_hundredth_of_a_core(embedded_scene: Scene) -> None:
    embedded_scene.publish(mail(2))
    with embedded_scene.worker("log") as process:
        wait_until(lambda: embedded_scene.written("handled"), 20, "the worker to have started")
        begun, cpu = time.monotonic(), cpu_seconds(process.pid)
        wait_until(lambda: time.monotonic() - begun >= 5, 10, "five idle seconds", interval_s=0.5)
        share = (cpu_seconds(process.pid) - cpu) / (time.monotonic() - begun)
    assert share < 0.01


def test_a_message_wakes_a_consumer_in_another_process_within_50_ms(embedded_scene: Scene) -> None:
    # The worker writes when it handles; its file is looked at every millisecond.
    waits = []
    embedded_scene.publish(mail(100))
    with embedded_scene.worker("log"), Publisher(embedded_scene.url, name="test") as publisher:
        wait_until(lambda: embedded_scene.written("handled") == [100], 20, "the worker to have started")
        size = (embedded_scene.folder / "handled").stat().st_size
        for uid in range(101, 101 + WAKES):
            publisher.publish([mail(uid)])
            confirmed = time.monotonic()
            size += len(f"{uid}\n")
            wait_until(
                lambda size=size: (embedded_scene.folder / "handled").stat().st_size == size,  # type: ignore[misc]
                5,
                "the worker to handle it",
                interval_s=0.001,
            )
            waits.append(time.monotonic() - confirmed)
    assert statistics.median(waits) < 0.05


def test_a_client_s_queue_goes_with_its_killed_process(embedded_scene: Scene) -> None:
    with client(embedded_scene.url) as process:
        embedded_scene.publish(mail(1))
        assert embedded_scene.witness.depth("postroom.client.test") == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        with embedded_scene.consuming(Recorder()):
            wait_until(lambda: _is_gone(embedded_scene, "postroom.client.test"), 10, "the queue to go")


def test_a_client_s_queue_goes_with_its_connection(embedded_scene: Scene) -> None:
    connection = connect(embedded_scene.url, name="client")
    connection.channel().queue_declare("postroom.client.mine", exclusive=True)
    connection.release()
    assert _is_gone(embedded_scene, "postroom.client.mine")


def test_a_queue_bound_in_one_process_gets_what_another_publishes(embedded_scene: Scene) -> None:
    with Publisher(embedded_scene.url, name="early") as publisher:
        publisher.publish([mail(1)])
        with client(embedded_scene.url):
            publisher.publish([mail(2)])
            seen = embedded_scene.witness.look("postroom.client.test")
    assert [each.message_id for each in seen] == ["mail-2"]


def test_a_delayed_message_comes_though_all_processes_were_gone(embedded_scene: Scene) -> None:
    connection = connect(embedded_scene.url, name="test")
    channel = connection.channel()
    channel.basic_publish(channel.prepare_message(b"later"), exchange="", routing_key=f"{INBOX}.retry.1")
    connection.release()
    came: list[bytes] = []
    connection = connect(embedded_scene.url, name="test")
    connection.channel().basic_consume(INBOX, callback=lambda raw: came.append(raw.body))
    connection.drain_events(timeout=5)
    connection.release()
    assert came == [b"later"]


def test_what_is_handed_back_is_at_its_old_position(embedded_scene: Scene) -> None:
    embedded_scene.publish(*(mail(uid) for uid in (1, 2, 3)))
    connection = connect(embedded_scene.url, name="test")
    channel = connection.channel()
    first = channel.basic_get(INBOX)
    channel.basic_reject(first.delivery_tag, requeue=True)
    again = channel.basic_get(INBOX)
    assert (again.properties["message_id"], again.delivery_info["redelivered"]) == ("mail-1", True)
    assert again.properties["application_headers"]["x-delivery-count"] == 1
    connection.release()
    assert embedded_scene.witness.depth(INBOX) == 3


def test_looking_at_a_missing_queue_is_not_found_as_on_rabbitmq(embedded_scene: Scene) -> None:
    connection = connect(embedded_scene.url, name="test")
    channel = connection.channel()
    with pytest.raises(NotFound):
        channel.queue_declare("nowhere", passive=True)
    with pytest.raises(NotFound):
        channel.basic_consume("nowhere", callback=print)
    with pytest.raises(NotFound):
        channel.exchange_declare("nowhere", passive=True)
    with pytest.raises(PreconditionFailed):
        channel.exchange_declare(EVENTS, type="direct")
    connection.release()


def test_a_process_that_stood_still_too_long_loses_its_messages_and_notices(embedded_scene: Scene) -> None:
    embedded_scene.publish(mail(1))
    connection = connect(embedded_scene.url, name="slow")
    channel = connection.channel()
    message = channel.basic_get(INBOX)
    witness = embedded_scene.witness
    assert isinstance(witness, FileWitness)
    witness.silence()
    recorder = Recorder()
    with embedded_scene.consuming(recorder):
        wait_until(lambda: recorder.deliveries, 10, "the message to be given to another")
    channel.basic_ack(message.delivery_tag)
    with pytest.raises(RecoverableConnectionError, match="taken for dead"):
        connection.drain_events(timeout=1)
    connection.release()
    assert recorder.deliveries[0].redelivered


def _is_gone(scene: Scene, queue: str) -> bool:
    connection = connect(scene.url, name="look")
    try:
        connection.channel().queue_declare(queue, passive=True)
    except NotFound:
        return True
    finally:
        connection.release()
    return False
