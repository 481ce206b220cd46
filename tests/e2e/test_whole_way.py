"""A thousand real mails and fifty replies, from the mailboxes to the decisions and back."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from sqlalchemy import select

from postroom.store.schema import approvals, mails
from tests.corpus import real_mails, reply_bodies
from tests.people import Asked, reply
from tests.servers.dovecot import Dovecot
from tests.servers.nodes import Nodes
from tests.waiting import wait_until
from tests.world import OpenStack, World, world

MAILS = 1_000
REQUESTS = 50
IMPOSTORS = 5
ENDING_TIMEOUT_S = 120.0


@pytest.mark.needs("dovecot", "postfix")
@pytest.mark.timeout(400)
def test_every_mail_has_one_outcome_and_only_replies_decide(
    dovecot: Dovecot, nodes: Nodes, open_stack: OpenStack
) -> None:
    sink = nodes.smtp_sink()
    with world(dovecot, sink, open_stack) as there:
        expected = _request_all(there)
        asked = [Asked.read(mail.content) for mail in sink.wait_for(REQUESTS, 60)]
        assert len({each.recipient for each in asked}) == REQUESTS
        _impostors_answer(there, asked)
        there.stack.wait_for_outcomes(IMPOSTORS, 60)
        delivered = _everybody_writes(there, asked, expected)
        there.stack.wait_for_outcomes(IMPOSTORS + MAILS, ENDING_TIMEOUT_S)
        _check_decisions(there, expected)
        _check_outcomes(there)
        _check_survivors(there, delivered)
        assert sink.count() == REQUESTS, "somebody was mailed without need"


def _request_all(there: World) -> dict[str, tuple[str, str]]:
    """Ask fifty people; returns the decision and comment that each is going to write, by request."""
    names = list(there.users)
    expected = {}
    with there.client() as client:
        for number in range(REQUESTS):
            request_id = f"release-{number}"
            client.request(
                id=request_id,
                account=names[number % len(names)],
                approvers=(f"person-{number}@corp.example",),
                subject=f"Release 4.{number} of the shop",
                body="The tests are green.\nShall it go out today?",
            )
            decision = ("approve", "reject")[number % 2]
            expected[request_id] = (decision, f"comment number {number}")
    return expected


def _impostors_answer(there: World, asked: list[Asked]) -> None:
    """Strangers who got hold of the mail approve: the token is right, the sender is not."""
    for number, each in enumerate(asked[:IMPOSTORS]):
        mail = reply(each, "Approve", sender="mallory@evil.example", number=9_000 + number)
        there.dovecot.deliver(there.mailbox_of(each), mail)


def _everybody_writes(
    there: World, asked: list[Asked], expected: dict[str, tuple[str, str]]
) -> dict[str, int]:
    """Fifty replies among the real mail, in one order for ever; returns how many mails each mailbox got."""
    mails_of: dict[str, list[bytes]] = {user.user: [] for user in there.users.values()}
    corpus = real_mails(MAILS - REQUESTS)
    for number, mail in enumerate(corpus):
        list(mails_of.values())[number % len(mails_of)].append(mail)
    bodies = reply_bodies()
    for number, each in enumerate(asked):
        request_id = f"release-{each.recipient.partition('@')[0].partition('-')[2]}"
        decision, comment = expected[request_id]
        old = bodies[number % len(bodies)]
        history = "\n".join(f"> {line}" for line in old.splitlines()[:40])
        written = (
            f"{decision.capitalize()}\n\n{comment}\n\n{history}" if number % 3 else f"{decision}, {comment}"
        )
        mails_of[there.mailbox_of(each)].append(reply(each, written, number=number))
    order = random.Random(2026)
    for user, contents in mails_of.items():
        order.shuffle(contents)
        there.dovecot.append(user, "INBOX", contents)
    return {user: len(contents) for user, contents in mails_of.items()}


def _check_decisions(there: World, expected: dict[str, tuple[str, str]]) -> None:
    with there.client() as client:
        states = {each.id: each for each in client.states(list(expected)).approvals}
    found = {
        key: (state.decision or state.state, (state.comment or "").splitlines()[0] if state.comment else "")
        for key, state in states.items()
    }
    assert found == expected
    assert all(
        state.decided_by == f"person-{key.partition('-')[2]}@corp.example" for key, state in states.items()
    )


def _check_outcomes(there: World) -> None:
    store = there.stack.store()
    with store.read() as connection:
        rows = connection.execute(select(mails).where(mails.c.outcome != "own")).all()
        deciding = set(connection.execute(select(approvals.c.mail_id)).scalars())
    store.close()
    outcomes = Counter(row.outcome for row in rows)
    assert sum(outcomes.values()) == MAILS + IMPOSTORS
    assert outcomes["decided"] == REQUESTS
    assert outcomes["held"] == IMPOSTORS
    assert {row.mail_id for row in rows if row.outcome == "decided"} == deciding
    assert outcomes["unclear"] == 0
    assert not outcomes.keys() - {"accepted", "decided", "held", "ignored", "quarantined"}
    assert len({(row.account, row.folder, row.uidvalidity, row.uid) for row in rows}) == len(rows)


def _check_survivors(there: World, delivered: dict[str, int]) -> None:
    """What the settings say: only held mail is left alone, all other is deleted, marked read or moved."""
    store = there.stack.store()
    with store.read() as connection:
        rows = connection.execute(select(mails).where(mails.c.outcome != "own")).all()
    store.close()
    left: dict[str, set[int]] = {
        name: {row.uid for row in rows if row.account == name and row.outcome in ("held", "quarantined")}
        for name in there.users
    }
    dovecot, users = there.dovecot, there.users

    def tidied() -> bool:
        flags = dovecot.flags(users["marks"].user)
        read = {uid for uid, each in flags.items() if "\\Seen" in each}
        return (
            set(dovecot.flags(users["deletes"].user)) == left["deletes"]
            and set(dovecot.flags(users["moves"].user)) == left["moves"]
            and set(flags) - read == left["marks"]
        )

    wait_until(tidied, 60, "the mailboxes to be as the settings say", interval_s=0.3)
    moved = len(dovecot.flags(users["moves"].user, "Processed"))
    held = {name: len(uids) for name, uids in left.items()}
    impostors = Counter(row.account for row in rows if row.outcome == "held")
    assert moved == delivered[users["moves"].user] + impostors["moves"] - held["moves"]
    assert len(dovecot.flags(users["marks"].user)) == delivered[users["marks"].user] + impostors["marks"]
