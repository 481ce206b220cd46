"""What only RabbitMQ does: restarts, memory alarms, log-ins, rights, lost connections."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pika
import pytest
from amqp.exceptions import AccessRefused

from postroom import topology
from postroom.broker.connection import connect
from postroom.broker.declare import apply
from postroom.broker.definitions import RIGHTS, definitions, password_hash, user_name
from postroom.broker.probe import probe
from postroom.broker.publisher import Outgoing, Publisher
from postroom.errors import Misconfigured, Transient
from postroom.topology import EVENTS, INBOX, Topology, fetcher_commands
from tests.contract.broker.scene import DEAD, Recorder, Scene, Watcher, mail, one_family
from tests.contract.broker.witness import RabbitWitness
from tests.servers.nodes import Nodes
from tests.servers.process import free_port
from tests.servers.rabbitmq import RabbitMq, RabbitNode, Vhost
from tests.servers.search import program
from tests.waiting import wait_until

pytestmark = pytest.mark.needs("rabbitmq")


@pytest.fixture(scope="module")
def node(session_nodes: Nodes) -> RabbitNode:
    """A node of this module's own, to be restarted and starved."""
    return session_nodes.rabbitmq(management=True)


@pytest.fixture
def private_scene(node: RabbitNode, tmp_path: Path) -> Scene:
    """The default virtual host of that node, empty.

    Not a virtual host for each test: RabbitMQ 3.10 that deletes one just after its start, while the workers
    for at-least-once dead-lettering begin, loses their supervisor and takes no such queue any more.
    """
    apply(node.url, one_family(), management_url=node.management_url)
    witness = RabbitWitness(node.url)
    for queue in one_family().queues:
        witness.look(queue.name)
    return Scene(node.url, witness, tmp_path)


@pytest.fixture
def shared_scene(rabbitmq_vhost: Vhost, tmp_path: Path) -> Scene:
    """A virtual host on the shared node."""
    apply(rabbitmq_vhost.url, one_family())
    return Scene(rabbitmq_vhost.url, RabbitWitness(rabbitmq_vhost.url), tmp_path)


def control(node: RabbitNode, *arguments: str) -> None:
    """Run rabbitmqctl on the node."""
    command = program("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmqctl")
    environment = {**os.environ, **node.environment}
    subprocess.run([command, *arguments], env=environment, check=True, capture_output=True, timeout=60)


@contextmanager
def memory_alarm(node: RabbitNode) -> Iterator[None]:
    """A node that has, as it believes, no memory left: it holds publishers back."""
    control(node, "set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        yield
    finally:
        control(node, "set_vm_memory_high_watermark", "absolute", "2GB")


def test_a_restart_of_the_broker_loses_nothing(node: RabbitNode, private_scene: Scene) -> None:
    waiting = [Outgoing(mail(uid).wire, topology.DEAD, DEAD) for uid in range(1, 51)]
    private_scene.publish(*waiting)
    recorder, watcher = Recorder(), Watcher()
    published: list[int] = []
    stop = threading.Event()

    def publish() -> None:
        with Publisher(private_scene.url, name="test", timeout_s=60) as publisher:
            for first in range(1, 100_000, 10):
                publisher.publish([mail(uid) for uid in range(first, first + 10)])
                published.extend(range(first, first + 10))
                if stop.wait(0.02):
                    return

    thread = threading.Thread(target=publish)
    with private_scene.consuming(recorder, observer=watcher):
        thread.start()
        wait_until(lambda: len(recorder.uids) > 100, 20, "messages to flow")
        node.restart()
        count = len(recorder.uids)
        wait_until(lambda: len(recorder.uids) > count + 100, 40, "messages to flow again")
        stop.set()
        thread.join(60)
        wait_until(lambda: set(recorder.uids) >= set(published), 30, "every confirmed message")
    assert watcher.reconnects >= 1
    assert private_scene.witness.depth(INBOX) == 0
    assert private_scene.witness.depth(DEAD) == len(waiting)


def test_a_broker_without_memory_is_waited_for_and_then_named(node: RabbitNode, private_scene: Scene) -> None:
    with Publisher(private_scene.url, name="test", timeout_s=2) as publisher:
        publisher.publish([mail(1)])
        with memory_alarm(node), pytest.raises(Transient, match="holds publishers back"):
            publisher.publish([mail(2)])
        wait_until(lambda: _publishes(publisher), 20, "the broker to take messages again", interval_s=0.2)


def _publishes(publisher: Publisher) -> bool:
    try:
        publisher.publish([mail(9)])
    except Transient:
        return False
    return True


def test_a_connection_that_the_operator_closes_is_opened_again(
    rabbitmq: RabbitMq, shared_scene: Scene
) -> None:
    recorder, watcher = Recorder(), Watcher()
    with (
        shared_scene.consuming(recorder, observer=watcher),
        Publisher(shared_scene.url, name="p") as publisher,
    ):
        publisher.publish([mail(1)])
        wait_until(lambda: recorder.uids == [1], 10, "the first message")
        vhost = shared_scene.url.rpartition("/")[2]
        ours = wait_until(
            lambda: [each["name"] for each in rabbitmq.api("GET", f"vhosts/{vhost}/connections")],
            20,
            "the management API to know our connections",
        )
        for name in ours:
            rabbitmq.api("DELETE", f"connections/{quote(name, safe='')}")
        wait_until(lambda: watcher.reconnects == 1, 15, "the consumer to be back")
        publisher.publish([mail(2)])
        wait_until(lambda: 2 in recorder.uids, 15, "the second message")


def test_connections_bear_their_names(rabbitmq: RabbitMq, shared_scene: Scene) -> None:
    vhost = shared_scene.url.rpartition("/")[2]
    connection = connect(shared_scene.url, name="fetcher 7")
    try:
        names = wait_until(
            lambda: [
                each["client_properties"]["connection_name"]
                for each in rabbitmq.api("GET", f"vhosts/{vhost}/connections")
            ],
            20,
            "the management API to know our connection",
        )
    finally:
        connection.release()
    assert "fetcher 7" in names


def test_a_refused_log_in_is_the_owner_s_to_mend(rabbitmq: RabbitMq, rabbitmq_vhost: Vhost) -> None:
    with pytest.raises(Misconfigured, match="refused user or password") as refusal:
        connect(rabbitmq.url_of(rabbitmq_vhost.name, "nobody", "wrong"), name="test")
    assert refusal.value.reason_code == "broker-access"
    assert "wrong" not in str(refusal.value)
    with pytest.raises(Misconfigured, match="no such virtual host"):
        connect(rabbitmq.url_of("nowhere", "guest", "guest"), name="test")


def test_an_unreachable_broker_is_transient() -> None:
    url = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    with pytest.raises(Transient, match="refused"):
        connect(url, name="test")
    with Publisher(url, name="test", timeout_s=0.5) as publisher, pytest.raises(Transient):
        publisher.publish([mail(1)])


def test_policies_are_set_where_there_is_a_management_api(node: RabbitNode, private_scene: Scene) -> None:
    vhost = private_scene.url.rpartition("/")[2]
    queue = wait_until(lambda: _with_policy(node, f"queues/{vhost}/{INBOX}"), 20, "the policy to be in force")
    assert queue == {"delivery-limit": 20, "max-length-bytes": 8 * 1024**3}


def _with_policy(node: RabbitNode, path: str) -> object:
    return node.broker.api("GET", path).get("effective_policy_definition")


def test_each_service_can_do_its_own_work_and_nothing_else(node: RabbitNode, tmp_path: Path) -> None:
    vhost = "definitions"
    hashes = {service: password_hash(f"{service} pass", b"salt") for service in RIGHTS}
    node.broker.api("POST", "definitions", definitions(topology.topology(1), vhost, hashes))
    url = node.broker.url_of(vhost, user_name("processor"), "processor pass")
    scene = Scene(url, RabbitWitness(url), tmp_path)
    recorder, watcher = Recorder(), Watcher()
    with scene.consuming(recorder, observer=watcher), Publisher(url, name="test") as publisher:
        publisher.publish([mail(1)])
        wait_until(lambda: recorder.uids, 10, "a message of its own")
        # Long enough for a check of the consumers, which must not need more rights.
        started = time.monotonic()
        wait_until(lambda: time.monotonic() - started > 6, 10, "a check", interval_s=0.5)
    assert watcher.reconnects == 0
    _refuses(node, "sender", lambda channel: channel.basic_consume(INBOX, callback=print))
    _refuses(node, "fetcher", lambda channel: channel.queue_declare("postroom.mine"))
    _refuses(node, "client", lambda channel: channel.basic_consume(fetcher_commands(0), callback=print))
    client = connect(node.broker.url_of(vhost, user_name("client"), "client pass"), name="client")
    channel = client.channel()
    channel.queue_declare("postroom.client.mine", exclusive=True)
    channel.queue_bind("postroom.client.mine", exchange=EVENTS, routing_key="#")
    client.release()


def _refuses(node: RabbitNode, service: str, action: Callable[[Any], object]) -> None:
    url = node.broker.url_of("definitions", user_name(service), f"{service} pass")
    connection = connect(url, name=service)
    try:
        with pytest.raises(AccessRefused):
            action(connection.channel())
    finally:
        connection.release()


def test_the_probe_finds_everything_in_order(shared_scene: Scene) -> None:
    checks = {check.name: check for check in probe(shared_scene.url, one_family())}
    assert checks.pop("tls").ok is None
    assert [check for check in checks.values() if not check.ok] == []
    assert {"reach", "log-in", "permissions", f"queue {INBOX}", "round trip"} <= set(checks)


def test_the_probe_says_what_is_wrong_with_a_queue(shared_scene: Scene) -> None:
    shared_scene.witness.delete(f"{INBOX}.retry.1")
    whole = one_family()
    queues = [replace(queue, arguments={"x-queue-type": "quorum"}) for queue in whole.queues[:1]]
    changed = Topology(whole.exchanges, (*queues, *whole.queues[1:]))
    checks = {check.name: check for check in probe(shared_scene.url, changed)}
    assert checks[f"queue {INBOX}"].ok is False
    assert "x-dead-letter-exchange" in checks[f"queue {INBOX}"].detail
    assert (checks[f"queue {INBOX}.retry.1"].ok, checks[f"queue {INBOX}.retry.1"].detail) == (
        False,
        "is not there",
    )
    assert checks["round trip"].ok


def test_the_probe_stops_where_nothing_can_follow(rabbitmq: RabbitMq, rabbitmq_vhost: Vhost) -> None:
    gone = {check.name: check for check in probe(f"amqp://127.0.0.1:{free_port()}/", one_family())}
    assert gone["reach"].ok is False
    assert {check.ok for name, check in gone.items() if name != "reach"} == {None}
    refused = probe(rabbitmq.url_of(rabbitmq_vhost.name, "nobody", "wrong"), one_family())
    log_in = next(check for check in refused if check.name == "log-in")
    assert log_in.ok is False
    assert "password" in log_in.advice


def test_messages_are_persistent(shared_scene: Scene) -> None:
    shared_scene.publish(mail(1))
    connection = pika.BlockingConnection(pika.URLParameters(shared_scene.url))
    _, properties, _ = connection.channel().basic_get(INBOX)
    connection.close()
    assert properties is not None
    assert properties.delivery_mode == 2
    assert properties.content_type == "message/rfc822"
    assert properties.correlation_id == "mail-1"
