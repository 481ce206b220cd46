"""A change of an account is noticed at once and touches no other; a wrong password is not tried for ever."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from postroom.clock import utc_now
from postroom.messages import AccountFetchNow, AccountFolders, AccountTest
from postroom.store import accounts as stored
from postroom_fetcher.watch import STOPPED
from tests.integration.fetcher.mailroom import Mailroom, entry
from tests.servers.dovecot import Account as User
from tests.servers.dovecot import DovecotNode
from tests.servers.nodes import Nodes
from tests.waiting import wait_until

pytestmark = pytest.mark.needs("dovecot")

NOTICED_S = 2.0
COUNT = 4


@pytest.fixture(scope="module")
def node(session_nodes: Nodes) -> DovecotNode:
    """A Dovecot whose sessions nobody else's tests are among."""
    return session_nodes.dovecot()


def _sessions(node: DovecotNode) -> dict[str, set[str]]:
    """The server's processes by user: each session has its own."""
    found: dict[str, set[str]] = {}
    for line in node.doveadm("who", "-1").splitlines()[1:]:
        user, _service, pid, *_rest = line.split()
        found.setdefault(user, set()).add(pid)
    return found


def test_a_change_of_one_account_is_noticed_within_two_seconds_and_costs_no_other_its_connection(
    mailroom: Mailroom, node: DovecotNode
) -> None:
    users = {f"team-{number}": node.server.account() for number in range(COUNT)}
    accounts = {name: entry(name, node.server, user) for name, user in users.items()}
    mailroom.write_accounts(*accounts.values())
    with mailroom.fetcher():
        for name in users:
            mailroom.wait_for_status(name, "green", "ok")
        before = _wait_for_sessions(node, users)
        accounts["team-1"]["imap"]["interval"] = "2h"
        accounts["team-2"]["smtp"] = {"host": "mail.example.org"}
        mailroom.write_accounts(*accounts.values(), tell=True)
        changed = users["team-1"].user
        wait_until(lambda: _own(node, users).get(changed) not in (None, before[changed]), NOTICED_S, "it")
        after = _wait_for_sessions(node, users)
    assert after.pop(changed) != before.pop(changed)
    assert after == before, "who is only read from elsewhere keeps the connection"


def test_an_account_whose_secret_changed_connects_anew_and_the_others_stay(
    mailroom: Mailroom, node: DovecotNode
) -> None:
    users = {name: node.server.account() for name in ("one", "two")}
    secret = mailroom.folder / "own"
    secret.write_text("a right password")
    mailroom.write_accounts(
        entry("one", node.server, users["one"], password=f"file:{secret}"),
        entry("two", node.server, users["two"]),
    )
    with mailroom.fetcher():
        for name in users:
            mailroom.wait_for_status(name, "green", "ok")
        before = _wait_for_sessions(node, users)
        secret.write_text("another password")
        mailroom.wait_for_status("one", "red", "auth_failed")
        secret.write_text("a right password")
        mailroom.wait_for_status("one", "green", "ok")
        after = _wait_for_sessions(node, users)
    assert after[users["two"].user] == before[users["two"].user]
    assert after[users["one"].user] != before[users["one"].user]


def test_a_wrong_password_is_tried_three_times_and_no_more_until_it_is_another(
    mailroom: Mailroom, node: DovecotNode
) -> None:
    user, other = node.server.account(), node.server.account()
    right = {"password": f"file:{_secret(mailroom, 'right', 'a right password')}"}
    wrong = {"password": f"file:{_secret(mailroom, 'wrong', 'a wrong password')}"}
    good = entry("good", node.server, other, **right)
    before = _refusals(node, user)
    mailroom.write_accounts(entry("team", node.server, user, **wrong), good)
    with mailroom.fetcher():
        first = mailroom.wait_for_status("team", "red", "auth_failed")
        assert first.next_try_at is not None
        for tries in (2, 3):
            mailroom.send(AccountFetchNow(account="team"))
            _wait_for_tries(mailroom, tries)
        stopped = mailroom.status("team")
        # Commands find the door closed as well.
        mailroom.send(AccountFolders(account="team"))
        mailroom.answer(mailroom.send(AccountFolders(account="good")))
        wait_until(lambda: _refusals(node, user) == before + 3, 5, "the server's own count")
    assert stopped.next_try_at is None
    assert STOPPED in stopped.sentence
    with mailroom.fetcher():
        # Another fetcher, as after a restart: it has looked at all accounts once the good one is green again.
        since = mailroom.status("good").last_good_at
        mailroom.send(AccountFetchNow(account="good"))
        wait_until(lambda: mailroom.status("good").last_good_at > since, 10, "the other account's turn")
        assert mailroom.status("team").since == first.since
        assert _refusals(node, user) == before + 3
        (mailroom.folder / "wrong").write_text(user.password)
        mailroom.wait_for_status("team", "green", "ok", timeout_s=5)
    assert _refusals(node, user) == before + 3


def test_a_stopped_account_is_tried_again_when_its_test_succeeds(
    mailroom: Mailroom, node: DovecotNode
) -> None:
    user = node.server.account(password="the new password")
    secret = _secret(mailroom, "secret", "the old password")
    mailroom.write_accounts(entry("team", node.server, user, password=f"file:{secret}"))
    with mailroom.fetcher():
        mailroom.wait_for_status("team", "red", "auth_failed")
        for tries in (2, 3):
            mailroom.send(AccountFetchNow(account="team"))
            _wait_for_tries(mailroom, tries)
        # Nothing changes here: it is the server that takes the password now.
        node.server.account(user.user, "the old password")
        tested = mailroom.answer(mailroom.send(AccountTest(account="team")))
        assert tested.ok
        mailroom.wait_for_status("team", "green", "ok", timeout_s=5)


def test_an_outage_never_stops_and_counts_as_no_wrong_password(mailroom: Mailroom, node: DovecotNode) -> None:
    user = node.server.account()
    mailroom.write_accounts(entry("team", node.server, user))
    with mailroom.fetcher():
        mailroom.wait_for_status("team", "green", "ok")
        node.stop()
        mailroom.wait_for_status("team", "red", "unreachable")
        wait_until(lambda: mailroom.status("team").failures >= 4, 15, "more tries than a password gets")
        assert mailroom.status("team").next_try_at is not None
        node.start()
        mailroom.send(AccountFetchNow(account="team"))
        mailroom.wait_for_status("team", "green", "ok")


def test_the_status_goes_with_the_account_and_with_its_mailbox(mailroom: Mailroom, node: DovecotNode) -> None:
    users = [node.server.account() for _ in range(2)]
    one, two = entry("one", node.server, users[0]), entry("two", node.server, users[1])
    mailroom.write_accounts(one, two)
    with mailroom.fetcher():
        for name in ("one", "two"):
            mailroom.wait_for_status(name, "green", "ok")
        sends_only = two | {"receive": False, "smtp": {"host": "mail.example.org"}}
        mailroom.write_accounts(one, sends_only, tell=True)
        wait_until(lambda: mailroom.status("two") is None, 10, "the status of a mailbox not read any more")
        with mailroom.store.write() as connection:
            stored.remove(connection, "one", utc_now())
            stored.bump(connection)
        wait_until(lambda: users[0].user not in _sessions(node), 5, "the connection to end")
    assert mailroom.status("one") is None


def _wait_for_sessions(node: DovecotNode, users: dict[str, User]) -> dict[str, set[str]]:
    wait_until(lambda: len(_own(node, users)) == len(users), 5, "a session of each user")
    return _own(node, users)


def _own(node: DovecotNode, users: dict[str, User]) -> dict[str, set[str]]:
    own = {user.user for user in users.values()}
    return {user: pids for user, pids in _sessions(node).items() if user in own}


def _wait_for_tries(mailroom: Mailroom, tries: int) -> None:
    wait_until(lambda: mailroom.status("team").failures == tries, 10, f"try {tries}")


def _secret(mailroom: Mailroom, name: str, value: str) -> Path:
    path = mailroom.folder / name
    path.write_text(value)
    return path


def _refusals(node: DovecotNode, user: User) -> int:
    """How many wrong passwords of this user the server has seen."""
    log = (node.folder / "dovecot.log").read_text(errors="replace")
    lines = [line for line in log.splitlines() if f"user=<{user.user}>" in line]
    tries = (re.search(r"auth failed, ([0-9]+) attempts", line) for line in lines)
    return sum(int(match.group(1)) for match in tries if match)
