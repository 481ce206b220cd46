"""UIDs whose mails become visible late, while fetchers crash: nothing lost, nothing under a second id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest

from postroom.broker.publisher import Outgoing, Publisher
from postroom.errors import Transient
from postroom.messages import MailReceived
from tests.integration.fetcher.looks import leases, look
from tests.integration.fetcher.mailroom import Mailroom, mail
from tests.servers.imap_script import ImapScript
from tests.waiting import wait_until


class _Crash:
    """Publishes until the process ends: `before` the n-th publication or `after` it."""

    def __init__(self, publisher: Publisher, when: str, healthy: int) -> None:
        self._publisher = publisher
        self._when = when
        self._left = healthy

    def __call__(self, messages: Sequence[Outgoing]) -> None:
        self._left -= 1
        if self._when == "before" and self._left < 0:
            raise Transient("the process ends before it publishes")
        self._publisher.publish(messages)
        if self._when == "after" and self._left < 0:
            raise Transient("the process ends after it published")


def _write_account(mailroom: Mailroom, server: ImapScript, **imap: Any) -> None:
    given = {"host": server.host, "port": server.port, "security": "none", "user": server.user}
    imap = {**given, "since": "beginning", "interval": "1h", "count": 1000, **imap}
    mailroom.write_accounts({"name": "team", "address": server.user, "imap": imap}, password=server.password)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("messages", ["all", "unread"])
def test_mail_that_becomes_visible_late_is_neither_lost_nor_doubled_by_crashes(
    mailroom: Mailroom, when: str, messages: str
) -> None:
    with ImapScript() as server, Publisher(mailroom.settings.broker, name="test") as publisher:
        inbox = server.inbox
        for number in range(1, 4):
            inbox.add(mail(number))
        _write_account(mailroom, server, messages=messages)
        late = [inbox.reserve() for _ in range(6)]
        inbox.add(mail(10))
        late += [inbox.reserve() for _ in range(2)]
        with leases(mailroom) as held:
            # What is there; then a crash at each late one, the last ones first, some with newer mail beside.
            with pytest.raises(Transient):
                look(mailroom, held, _Crash(publisher, when, 0))
            look(mailroom, held, publisher.publish)
            assert {each.uid for each in mailroom.wait_for_mails(4)} == {1, 2, 3, 10}
            for number, uid in enumerate(reversed(late)):
                inbox.add(mail(uid), uid=uid)
                if number % 2:
                    inbox.add(mail(inbox.uidnext))
                with pytest.raises(Transient):
                    look(mailroom, held, _Crash(publisher, when, number % 2))
            look(mailroom, held, publisher.publish)
            look(mailroom, held, publisher.publish)
            again: list[Sequence[Outgoing]] = []
            look(mailroom, held, again.append)
        assert inbox.exists == 16
        assert not again, "what is handed on is not handed on once more"
        every = set(range(1, 17))
        wait_until(lambda: {each.uid for each in mailroom.mails()} == every, 20, "all mails")
        heard = [(each.id, each.message) for each in list(mailroom.heard)]
    mails = [(own_id, each) for own_id, each in heard if isinstance(each, MailReceived)]
    assert {each.content for _, each in mails} == {mail(uid) for uid in every}
    ids = defaultdict(set)
    for own_id, each in mails:
        ids[each.uid].add(own_id)
    assert all(len(each) == 1 for each in ids.values()), "a repeated mail has the same id"
    if when == "before":
        assert len(mails) == 16


def test_mail_that_becomes_visible_while_no_fetcher_runs_is_found_by_the_next_one(mailroom: Mailroom) -> None:
    with ImapScript() as server:
        inbox = server.inbox
        inbox.add(mail(1))
        _write_account(mailroom, server)
        hidden = [inbox.reserve() for _ in range(3)]
        inbox.add(mail(5))
        with mailroom.fetcher():
            mailroom.wait_for_mails(2)
            inbox.add(mail(hidden[2]), uid=hidden[2])
            mailroom.wait_for_mails(3)
        inbox.add(mail(hidden[0]), uid=hidden[0])
        with mailroom.fetcher():
            mailroom.wait_for_mails(4)
            inbox.add(mail(hidden[1]), uid=hidden[1])
            mailroom.wait_for_mails(5)
        mails = mailroom.mails()
    assert sorted(each.uid for each in mails) == [1, 2, 3, 4, 5]
