"""The two pipelines of the benchmark behind one interface: ask, then read the mailbox."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from postroom.broker.publisher import Publisher, outgoing
from postroom.clock import utc_now
from postroom.envelope import envelop
from postroom.messages import ApprovalRequest
from tests.benchmarks import naive
from tests.benchmarks.work import KEYS, Servers, token_of, wait_for_empty, wait_for_sent
from tests.servers.process import Command, Process
from tests.stack import SHARDS, Stack

TIMEOUT_S = 300.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Times:
    """Seconds of the two halves of the way."""

    ask_s: float
    read_s: float


@dataclass(frozen=True)
class Place:
    """Where a pipeline runs."""

    folder: Path
    broker_url: str
    store_url: str


def run_postroom(
    place: Place,
    servers: Servers,
    requests: Sequence[ApprovalRequest],
    mails: list[bytes],
    *,
    copies: bool = False,
) -> Times:
    """The whole way through Postroom; with `copies` it files what it sends, and reads that too."""
    key = KEYS.signing
    stack = Stack(
        place.folder,
        place.broker_url,
        place.store_url,
        servers.accounts(copies=copies),
        {"POSTROOM_TOKEN_KEYS": f"{key.key_id}:{key.secret.hex()}"},
    )
    with stack:
        started = time.monotonic()
        with Publisher(place.broker_url, name="benchmark") as publisher:
            now = utc_now()
            publisher.publish(
                [outgoing(envelop(each, source="/benchmark", now=now), SHARDS) for each in requests]
            )
        wait_for_sent(servers, len(requests), TIMEOUT_S)
        ask_s = time.monotonic() - started
        stack.stop("fetcher")
        servers.dovecot.append(servers.user, "INBOX", mails)
        started = time.monotonic()
        stack.start("fetcher")
        wait_for_empty(servers, TIMEOUT_S, lambda: stack.outcomes() == len(mails))
        read_s = time.monotonic() - started
        _check_decided(place, "approvals", len(requests))
    return Times(ask_s, read_s)


def run_naive(
    place: Place, servers: Servers, requests: Sequence[ApprovalRequest], mails: list[bytes]
) -> Times:
    """The same way through the straightforward pipeline."""
    place.folder.mkdir(parents=True, exist_ok=True)
    there = _Naive(place, servers)
    try:
        there.start("processor")
        there.start("sender")
        started = time.monotonic()
        broker = naive.Broker(there.configuration)
        for request in requests:
            broker.publish("requests", json.dumps(_as_json(request)).encode())
        wait_for_sent(servers, len(requests), TIMEOUT_S)
        ask_s = time.monotonic() - started
        servers.dovecot.append(servers.user, "INBOX", mails)
        started = time.monotonic()
        there.start("fetcher")
        wait_for_empty(servers, TIMEOUT_S, lambda: there.outcomes() == len(mails))
        read_s = time.monotonic() - started
        _check_decided(place, "approvals", len(requests))
    finally:
        for process in there.processes:
            process.kill()
    return Times(ask_s, read_s)


@dataclass
class _Naive:
    place: Place
    servers: Servers
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.configuration = {
            "broker_url": self.place.broker_url,
            "store_url": self.place.store_url,
            "user": self.servers.user,
            "password": self.servers.password,
            "imap_host": self.servers.dovecot.host,
            "imap_port": self.servers.dovecot.port,
            "smtp_host": self.servers.sink.host,
            "smtp_port": self.servers.sink.port,
        }
        self.engine = naive.engine(self.configuration)
        naive.metadata.create_all(self.engine)
        naive.Broker(self.configuration).declare()

    def start(self, role: str) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.naive", role, json.dumps(self.configuration)]
        folder = self.place.folder / role
        folder.mkdir()
        self.processes.append(Process(Command(command, folder, {"PYTHONPATH": str(ROOT)})))

    def outcomes(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(naive.mails)).scalar_one())


def _as_json(request: ApprovalRequest) -> dict[str, str]:
    return {
        "id": request.id,
        "token": token_of(request),
        "approver": request.approvers[0],
        "subject": request.subject,
        "body": request.body,
    }


def _check_decided(place: Place, table: str, count: int) -> None:
    engine = sa.create_engine(place.store_url)
    with engine.connect() as connection:
        found = connection.execute(
            sa.text(f"SELECT count(*) FROM {table} WHERE decision IN ('approve', 'reject')")
        ).scalar_one()
    engine.dispose()
    assert found == count, f"{found} of {count} requests are decided"
