"""What keeps a connection that is open for days alive, and who distrusts one that was not used for long."""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from postroom.account import Account
from postroom.broker.publisher import Publisher
from postroom.store.outbox import OutboxRelay
from postroom.topology import shard_of
from postroom_fetcher.session import Session
from postroom_fetcher.status import SERVICE, StatusBoard
from postroom_fetcher.watch import Tools, Watch
from tests.integration.fetcher.looks import intake, leases
from tests.integration.fetcher.mailroom import SHARDS, Mailroom
from tests.servers.imap_script import Close, ImapScript

ROUTERS_FORGET_S = 600
"""Silent connections, some of them; so IDLE is begun anew by then, however long the interval is."""


@contextmanager
def _watch(
    mailroom: Mailroom, server: ImapScript, sessions: list[Session], interval: str = "1h"
) -> Iterator[Watch]:
    """A watch of the server's inbox that no loop drives."""
    given = {"host": server.host, "port": server.port, "security": "none", "user": server.user}
    entry = {"name": "team", "address": server.user, "imap": {**given, "interval": interval}}
    mailroom.write_accounts(entry, password=server.password)
    (account,) = mailroom.accounts().all()

    def connect(wanted: Account) -> Session:
        sessions.append(mailroom.connect(wanted))
        return sessions[-1]

    with (
        leases(mailroom) as held,
        ThreadPoolExecutor(1) as pool,
        Publisher(mailroom.settings.broker, name="test") as publisher,
    ):
        board = StatusBoard(mailroom.store, OutboxRelay(mailroom.store, publisher, SERVICE), SHARDS)
        reading = intake(mailroom, publisher.publish, pool)
        lease = held.held()[shard_of(account.name, SHARDS)]
        with closing(Watch(account, lease, Tools(connect, reading, board, held.lose))) as watch:
            yield watch


def _idling(watch: Watch) -> float:
    """Take turns until the watch rests in IDLE; returns for how many seconds."""
    for _ in range(5):
        rest = watch.turn()
        if rest.fileno is not None:
            return rest.until - time.monotonic()
    raise AssertionError("it does not come to IDLE")


def test_idle_is_begun_anew_within_ten_minutes_however_long_the_interval(mailroom: Mailroom) -> None:
    sessions: list[Session] = []
    with ImapScript() as server, _watch(mailroom, server, sessions) as watch:
        assert _idling(watch) < ROUTERS_FORGET_S
        begun = server.commands("IDLE")
        assert _idling(watch) < ROUTERS_FORGET_S
        assert server.commands("IDLE") > begun
        assert len(sessions) == 1


def test_a_connection_that_was_not_used_for_long_must_first_show_that_it_lives(mailroom: Mailroom) -> None:
    # Without IDLE, whose end is a sign of life as well.
    sessions: list[Session] = []
    with ImapScript(without=["IDLE"]) as server, _watch(mailroom, server, sessions, "5m") as watch:
        watch.turn()
        watch.turn()
        assert server.commands("NOOP") == 0, "it was used just now"
        sessions[0]._used_at = -math.inf
        server.on("NOOP", Close())
        watch.turn()
        assert server.commands("NOOP") == 1
        assert len(sessions) == 2, "a dead one is replaced"
        assert mailroom.status("team").colour == "green"


def test_the_system_notices_a_peer_that_is_gone_without_a_word(mailroom: Mailroom) -> None:
    sessions: list[Session] = []
    with ImapScript() as server, _watch(mailroom, server, sessions) as watch:
        _idling(watch)
        with socket.socket(fileno=os.dup(sessions[0].fileno())) as own:
            assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            if hasattr(socket, "TCP_KEEPIDLE"):
                assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= ROUTERS_FORGET_S


@pytest.mark.parametrize("offered", [True, False])
def test_we_say_who_we_are_where_the_server_wants_to_know(mailroom: Mailroom, offered: bool) -> None:
    with ImapScript(without=() if offered else ["ID"]) as server:
        with _watch(mailroom, server, []) as watch:
            _idling(watch)
        assert server.commands("ID") == (1 if offered else 0)
        assert ("Postroom" in server.transcript()) == offered
