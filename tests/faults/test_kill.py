"""Each service killed in the middle of its work, and everything counted afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select

from postroom.store.schema import approvals, mails
from tests.corpus import real_mails
from tests.people import Asked, reply
from tests.servers.dovecot import Dovecot
from tests.servers.nodes import Nodes
from tests.servers.postfix import KeptMail
from tests.waiting import wait_until
from tests.world import OpenStack, World, world

REQUESTS = 40
OTHERS = 400


@pytest.mark.needs("dovecot", "postfix")
@pytest.mark.timeout(300)
def test_services_killed_in_the_middle_lose_nothing_and_decide_once(
    dovecot: Dovecot, nodes: Nodes, open_stack: OpenStack
) -> None:
    sink = nodes.smtp_sink()
    with world(dovecot, sink, open_stack) as there:
        there.request("kill", REQUESTS)
        wait_until(lambda: sink.count() > 0, 30, "the first mail to be sent")
        _kill(there, "sender")
        # A mail in flight at the kill may come twice; every person gets the same mail, though.
        wait_until(lambda: len(_asked(sink.mails())) == REQUESTS, 90, "every approver to be mailed")
        _deliver(there, _asked(sink.mails()))
        for service, share in (("fetcher", 0.1), ("processor", 0.3), ("fetcher", 0.5), ("processor", 0.7)):
            enough = int(share * (REQUESTS + OTHERS))
            wait_until(lambda enough=enough: there.stack.outcomes() >= enough, 90, f"{enough} outcomes")  # type: ignore[misc]
            _kill(there, service)
        there.stack.wait_for_outcomes(REQUESTS + OTHERS, 90)
        wait_until(there.tidied, 90, "the mailboxes to be tidied", interval_s=0.3)
        _check(there)


def _asked(kept: Sequence[KeptMail]) -> dict[str, Asked]:
    asked = [Asked.read(mail.content) for mail in kept if mail.content.rstrip().endswith(b"--")]
    return {each.recipient: each for each in asked}


def _deliver(there: World, asked: dict[str, Asked]) -> None:
    users = [user.user for user in there.users.values()]
    for number, user in enumerate(users):
        there.dovecot.append(user, "INBOX", real_mails(OTHERS)[number :: len(users)])
    for number, each in enumerate(asked.values()):
        word = ("Approve", "Reject")[int(each.recipient.partition("@")[0].partition("-")[2]) % 2]
        there.dovecot.append(there.mailbox_of(each), "INBOX", [reply(each, word, number=number)])


def _kill(there: World, service: str) -> None:
    there.stack.kill(service)
    there.stack.start(service)


def _check(there: World) -> None:
    store = there.stack.store()
    with store.read() as connection:
        received = mails.c.outcome != "own"
        outcomes = Counter(connection.execute(select(mails.c.outcome)).scalars())
        decisions = {row.id: row.decision for row in connection.execute(select(approvals))}
        copies = connection.execute(
            select(func.count(func.distinct(mails.c.sha256))).where(received)
        ).scalar_one()
    store.close()
    expected = {f"kill-{number}": ("approve", "reject")[number % 2] for number in range(REQUESTS)}
    assert decisions == expected
    # The copies that were filed in the folder for sent mail: known as ours, each once.
    assert outcomes.pop("own", 0) <= REQUESTS
    assert sum(outcomes.values()) == REQUESTS + OTHERS == copies
    assert outcomes["decided"] == REQUESTS
    assert outcomes["held"] == outcomes["quarantined"] == 0
