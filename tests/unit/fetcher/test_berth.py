"""Connections are shared out among mailboxes and commands: within the limits, in turn, and to all of them."""

from __future__ import annotations

import random
import threading
from collections import Counter, deque

import pytest

from postroom.account import Account
from postroom_fetcher.berth import Berths, InLine, Permit
from postroom_fetcher.fault import Unavailable


def _account(name: str, most: int = 3) -> Account:
    imap = {"host": "imap.example.org", "user": name, "password": "env:X", "max_connections": most}
    return Account.model_validate({"name": name, "address": f"{name}@example.org", "imap": imap})


def _never() -> None:
    raise AssertionError("nobody is to be woken")


def test_an_account_has_no_more_connections_than_it_may() -> None:
    berths = Berths()
    account = _account("team", most=2)
    berths.take(account, _never)
    berths.wait(account)
    with pytest.raises(Unavailable, match=r"max_connections") as caught:
        berths.wait(account, 0.01)
    assert caught.value.reason_code == "connection_limit"
    berths.wait(_account("other"))


def test_a_host_has_no_more_connections_than_it_may_and_who_waits_is_woken() -> None:
    berths, woken = Berths(per_host=3), deque[str]()
    first, second = berths.take(_account("a"), _never), berths.take(_account("b"), _never)
    with pytest.raises(InLine):
        berths.take(_account("c"), lambda: woken.append("c"))
    assert not woken, "the third connection is left for commands"
    berths.wait(_account("d"), 0.01)
    first.give_back()
    first.give_back()
    assert list(woken) == ["c"]
    berths.take(_account("c"), _never)
    second.give_back()


def test_a_connection_at_rest_is_asked_back_and_may_not_stay_while_somebody_waits() -> None:
    berths, asked = Berths(per_host=1), deque[str]()
    permit = berths.take(_account("a"), _never)
    assert permit.keep(lambda: asked.append("a"))
    with pytest.raises(InLine):
        berths.take(_account("b"), lambda: None)
    assert list(asked) == ["a"]
    permit.use()
    assert not permit.keep(_never)


def test_the_only_connection_of_an_account_goes_from_its_watch_to_its_command_and_back() -> None:
    berths, account = Berths(), _account("team", most=1)
    watch = berths.take(account, _never)
    assert watch.keep(watch.give_back)
    command = berths.wait(account, 0.01)
    assert command.keep(command.give_back)
    berths.take(account, _never)


def test_a_command_goes_before_mailboxes_that_wait() -> None:
    berths, woken = Berths(per_host=1), deque[str]()
    permit = berths.take(_account("a"), _never)
    with pytest.raises(InLine):
        berths.take(_account("b"), lambda: woken.append("b"))
    got = deque[Permit]()
    thread = threading.Thread(target=lambda: got.append(berths.wait(_account("c"), 10)))
    thread.start()
    while berths.waiting() < 2:
        pass
    permit.give_back()
    thread.join()
    assert not woken
    got[0].give_back()
    assert list(woken) == ["b"]


def test_who_is_watched_no_more_does_not_keep_its_place() -> None:
    berths = Berths(per_host=1)
    permit = berths.take(_account("a"), _never)
    for name in ("b", "c"):
        with pytest.raises(InLine):
            berths.take(_account(name), lambda: None)
    permit.give_back()
    berths.forget(_account("b"))
    berths.forget(_account("b"))
    berths.take(_account("c"), _never)
    assert berths.waiting() == 0


@pytest.mark.parametrize("per_host", [1, 2, 5])
def test_all_mailboxes_have_their_turn_where_a_host_allows_fewer_connections(per_host: int) -> None:
    berths, visits, due = Berths(per_host=per_host), Counter[str](), deque[str]()
    names = [f"box-{number}" for number in range(40)]
    held: dict[str, Permit] = {}
    chance = random.Random(per_host)
    due.extend(names)
    for _ in range(40 * 50):
        if not due:
            due.append(chance.choice(names))
        name = due.popleft()
        if name in held:
            held[name].use()
        else:
            try:
                held[name] = berths.take(_account(name), lambda name=name: due.append(name))  # type: ignore[misc]
            except InLine:
                continue
        visits[name] += 1
        assert len(held) <= max(1, per_host - 1)
        if not held[name].keep(lambda name=name: due.append(name)):  # type: ignore[misc]
            held.pop(name).give_back()
            due.append(name)
    assert set(visits) == set(names)
    assert max(visits.values()) - min(visits.values()) <= max(3, min(visits.values()))
