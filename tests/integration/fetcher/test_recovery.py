"""Crashes between any two steps, and two fetchers at once: nothing lost, nothing under a second id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from postroom.broker.publisher import Outgoing, Publisher
from postroom.clock import utc_now
from postroom.errors import Transient
from postroom.store.outbox import OutboxRelay
from postroom.store.schema import fetch_cursors, fetch_ledger, shard_leases
from postroom.topology import shard_of
from postroom_fetcher.lease import Fenced
from postroom_fetcher.progress import Progress
from postroom_fetcher.session import Session
from postroom_fetcher.status import SERVICE, StatusBoard, green
from postroom_fetcher.watch import Tools, Watch
from tests.integration.fetcher.looks import intake, leases, look
from tests.integration.fetcher.mailroom import SHARDS, Mailroom, entry, mail
from tests.servers.dovecot import Account, Dovecot
from tests.servers.process import free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.needs("dovecot")


@pytest.fixture
def publisher(mailroom: Mailroom) -> Iterator[Publisher]:
    with Publisher(mailroom.settings.broker, name="test") as publisher:
        yield publisher


def test_a_crash_after_the_confirm_repeats_the_mail_under_the_same_id(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account, publisher: Publisher
) -> None:
    dovecot.append(dovecot_account.user, "INBOX", [mail(number) for number in range(230)])
    mailroom.write_accounts(entry("team", dovecot, dovecot_account))

    def crash_after_second(messages: Sequence[Outgoing]) -> None:
        publisher.publish(messages)
        batches.append(len(messages))
        if len(batches) == 2:
            raise Transient("the process ends here")

    batches: list[int] = []
    with leases(mailroom) as held:
        with pytest.raises(Transient, match="ends here"):
            look(mailroom, held, crash_after_second)
        assert _cursor(mailroom) == 100
        look(mailroom, held, publisher.publish)
    received = mailroom.wait_for_mails(330)
    assert sorted({each.uid for each in received}) == list(range(1, 231))
    assert len(set(mailroom.mail_ids())) == 230
    assert _cursor(mailroom) == 230


def test_a_fetcher_that_lost_its_shard_writes_nothing(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account, publisher: Publisher
) -> None:
    dovecot.append(dovecot_account.user, "INBOX", [mail(1)])
    mailroom.write_accounts(entry("team", dovecot, dovecot_account))
    with leases(mailroom) as held:
        look(mailroom, held, publisher.publish)
        dovecot.append(dovecot_account.user, "INBOX", [mail(2)])

        def frozen(messages: Sequence[Outgoing]) -> None:
            publisher.publish(messages)
            with mailroom.store.write() as connection:
                connection.execute(
                    update(shard_leases).values(holder="other", epoch=shard_leases.c.epoch + 1)
                )

        with pytest.raises(Fenced):
            look(mailroom, held, frozen)
    assert _cursor(mailroom) == 1
    assert _ledger(mailroom) == 1


def test_a_second_fetcher_waits_and_takes_over_when_the_first_one_stops(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account
) -> None:
    mailroom.write_accounts(entry("team", dovecot, dovecot_account))
    first = _process(mailroom, "first")
    try:
        mailroom.wait_for_status("team", "green", "ok")
        holder = _holders(mailroom)
        assert len(holder) == 1
        with mailroom.fetcher():
            dovecot.append(dovecot_account.user, "INBOX", [mail(1)])
            mailroom.wait_for_mails(1)
            assert _holders(mailroom) == holder
            first.send_signal(signal.SIGTERM)
            assert first.wait(20) == 0
            wait_until(lambda: _holders(mailroom) not in (holder, {None}), 5, "the shards to move")
            dovecot.append(dovecot_account.user, "INBOX", [mail(2)])
            mailroom.wait_for_mails(2)
    finally:
        first.kill()
        first.wait()
    assert [each.content for each in mailroom.mails()] == [mail(1), mail(2)]


def test_a_killed_fetcher_loses_nothing_and_its_shards_move(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account
) -> None:
    count = 1500
    dovecot.append(dovecot_account.user, "INBOX", [mail(number) for number in range(count)])
    mailroom.write_accounts(entry("team", dovecot, dovecot_account))
    process = _process(mailroom, "killed")
    try:
        mailroom.wait_for_mails(200)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with mailroom.store.write() as connection:
        # Instead of waiting until the dead one's lease has run out.
        connection.execute(update(shard_leases).values(expires_at=utc_now()))
    with mailroom.fetcher():
        wait_until(lambda: len(set(mailroom.mail_ids())) == count, 40, "every mail")
    assert sorted({each.content for each in mailroom.mails() if each.content}) == sorted(
        map(mail, range(count))
    )


def test_a_server_without_idle_is_polled_at_the_interval(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account, publisher: Publisher
) -> None:
    class WithoutIdle(Session):
        def has(self, capability: str) -> bool:
            return capability != "IDLE" and super().has(capability)

    mailroom.write_accounts(entry("team", dovecot, dovecot_account, interval="5m"))
    with leases(mailroom) as held, ThreadPoolExecutor(1) as pool:
        (account,) = mailroom.accounts().all()
        relay = OutboxRelay(mailroom.store, publisher, SERVICE)
        board = StatusBoard(mailroom.store, relay, SHARDS)
        reading = intake(mailroom, publisher.publish, pool)

        def connect_without(account: Any) -> Session:
            session = mailroom.connect(account)
            session.__class__ = WithoutIdle
            return session

        lease = held.held()[shard_of("team", SHARDS)]
        watch = Watch(account, lease, Tools(connect_without, reading, board, held.lose))
        first = watch.turn()
        dovecot.append(dovecot_account.user, "INBOX", [mail(1)])
        second = watch.turn()
        watch.close()
    assert first.fileno is None
    assert second.until > first.until
    assert mailroom.wait_for_mails(1)


def test_who_has_lost_a_shard_writes_no_status_and_carries_out_no_command(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account, publisher: Publisher
) -> None:
    mailroom.write_accounts(entry("team", dovecot, dovecot_account))
    board = StatusBoard(mailroom.store, OutboxRelay(mailroom.store, publisher, SERVICE), SHARDS)
    progress = Progress(mailroom.store)
    with leases(mailroom) as held:
        lease = held.held()[shard_of("team", SHARDS)]
        progress.must_hold(lease)
        held.release()
        with pytest.raises(Fenced):
            board.report("team", green("digest"), lease)
        with pytest.raises(Fenced):
            progress.must_hold(lease)
    assert board.known("team") is None


def _process(mailroom: Mailroom, name: str) -> subprocess.Popen[bytes]:
    """A fetcher as a process of its own."""
    environment = {
        **os.environ,
        "POSTROOM_DATA_DIR": str(mailroom.settings.data_dir),
        "POSTROOM_SHARDS": str(SHARDS),
        "POSTROOM_HTTP_HOST": "127.0.0.1",
        "POSTROOM_HTTP_PORT": str(free_port()),
    }
    with Path(mailroom.folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "postroom_fetcher"], env=environment, stderr=log)


def _cursor(mailroom: Mailroom) -> int:
    with mailroom.store.read() as connection:
        return int(connection.execute(select(fetch_cursors.c.last_uid)).scalar_one())


def _ledger(mailroom: Mailroom) -> int:
    with mailroom.store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(fetch_ledger)).scalar_one())


def _holders(mailroom: Mailroom) -> set[str | None]:
    with mailroom.store.read() as connection:
        return set(connection.execute(select(shard_leases.c.holder)).scalars())
