"""Broker, database and mail server go away in the middle and come back; everything counted afterwards."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from postroom.store.schema import approvals, mails
from tests.corpus import real_mails
from tests.people import Asked, reply
from tests.servers.dovecot import Dovecot
from tests.servers.nodes import Nodes
from tests.stack import Stack
from tests.waiting import wait_until
from tests.world import World, world

REQUESTS = 12
OTHERS = 300
# A quorum queue of RabbitMQ 3.10 that is killed right after its declaration is unusable after the restart.
QUORUM_SETTLED_S = 5.0


@pytest.mark.needs("rabbitmq", "postgresql", "dovecot", "postfix")
@pytest.mark.timeout(300)
def test_servers_that_go_away_and_come_back_cost_no_mail(
    dovecot: Dovecot, nodes: Nodes, tmp_path: Path
) -> None:
    broker, database, sink = nodes.rabbitmq(), nodes.postgresql(), nodes.smtp_sink()
    with (
        database.server.database() as store_url,
        world(dovecot, sink, lambda accounts: Stack(tmp_path, broker.url, store_url, accounts)) as there,
    ):
        declared = time.monotonic()
        there.request("away", REQUESTS)
        asked = [Asked.read(mail.content) for mail in sink.wait_for(REQUESTS, 60)]
        wait_until(lambda: time.monotonic() - declared > QUORUM_SETTLED_S, 10, "the queues to have settled")
        _deliver(there, asked[: REQUESTS // 2], real_mails(OTHERS)[: OTHERS // 2])
        there.stack.wait_for_outcomes(20, 60)
        broker.kill9()
        broker.start()
        there.stack.wait_for_outcomes(REQUESTS // 2 + OTHERS // 2, 90)
        _deliver(there, asked[REQUESTS // 2 :], real_mails(OTHERS)[OTHERS // 2 :])
        database.stop()
        database.start()
        there.stack.wait_for_outcomes(REQUESTS + OTHERS, 120)
        wait_until(there.tidied, 60, "the mailboxes to be tidied", interval_s=0.3)
        _check(there)


def _deliver(there: World, asked: list[Asked], others: tuple[bytes, ...]) -> None:
    users = [user.user for user in there.users.values()]
    for number, user in enumerate(users):
        there.dovecot.append(user, "INBOX", others[number :: len(users)])
    for number, each in enumerate(asked):
        there.dovecot.append(there.mailbox_of(each), "INBOX", [reply(each, "Approve", number=number)])


def _check(there: World) -> None:
    store = there.stack.store()
    with store.read() as connection:
        outcomes = Counter(connection.execute(select(mails.c.outcome)).scalars())
        decisions = Counter(connection.execute(select(approvals.c.decision)).scalars())
    store.close()
    assert decisions == Counter({"approve": REQUESTS})
    # The copies that were filed in the folder for sent mail: known as ours, each once.
    assert outcomes.pop("own", 0) <= REQUESTS
    assert sum(outcomes.values()) == REQUESTS + OTHERS
    assert outcomes["decided"] == REQUESTS
