"""RabbitMQ over TLS: everything works with the right authority, nothing with another one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from postroom import topology
from postroom.broker.consumer import Ack, Consumer, Delivery, Verdict
from postroom.broker.declare import apply
from postroom.broker.probe import probe
from postroom.broker.publisher import Outgoing, Publisher, outgoing
from postroom.clock import utc_now
from postroom.envelope import envelop
from postroom.errors import PostroomError
from postroom.messages import ApprovalCancel
from tests.servers.certificates import Authority
from tests.servers.nodes import Nodes
from tests.waiting import wait_until

TOPOLOGY = topology.topology(1)


class NoAttempts:
    """Counts nothing: nothing is redelivered here."""

    def begin(self, message_id: str, queue: str) -> int:
        return 1

    def end(self, message_id: str, queue: str) -> None: ...

    def buried(self, message_ids: Sequence[str], queue: str) -> None:
        pass


@pytest.mark.needs("rabbitmq")
def test_messages_go_over_tls_and_only_to_the_broker_that_proves_itself(nodes: Nodes, tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "ca")
    node = nodes.rabbitmq(certificate=authority.issue("broker"))
    url = f"{node.tls_url}?cafile={authority.certificate}"
    apply(url, TOPOLOGY)
    assert _through(url, "over TLS") == "over TLS"
    checks = {check.name: check for check in probe(url, TOPOLOGY)}
    assert [name for name, check in checks.items() if check.ok is False] == []
    assert any(name.lower() == "tls" and check.ok for name, check in checks.items())

    stranger = Authority.create(tmp_path / "stranger")
    untrusted = f"{node.tls_url}?cafile={stranger.certificate}"
    with (
        pytest.raises(PostroomError, match="certificate"),
        Publisher(untrusted, name="test", timeout_s=1) as it,
    ):
        it.publish([_cancel("never")])
    refused = {check.name.lower(): check for check in probe(untrusted, TOPOLOGY)}
    assert refused["tls"].ok is False


def _cancel(reason: str) -> Outgoing:
    command = ApprovalCancel(id="tls", reason=reason)
    return outgoing(envelop(command, source="/test", now=utc_now()), 1)


def _through(url: str, reason: str) -> str:
    """Publish a command and consume it; returns what arrived."""
    arrived: list[str] = []

    def handle(deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        arrived.extend(each.envelope.message.reason for each in deliveries)
        return [Ack() for _ in deliveries]

    consumer = Consumer(url, [topology.PROCESSOR_COMMANDS], handle, name="test", attempts=NoAttempts())
    stop = threading.Event()
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    try:
        with Publisher(url, name="test") as publisher:
            publisher.publish([_cancel(reason)])
        wait_until(lambda: arrived, 20, "the command to arrive")
    finally:
        stop.set()
        thread.join()
    return arrived[0]
