"""Deny lists and limits on real stores and both brokers, with two processors at once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from postroom import topology
from postroom.accounts_watch import Accounts
from postroom.broker import declare
from postroom.broker.consumer import Consumer
from postroom.broker.publisher import Publisher, outgoing
from postroom.broker.verdict import Ack, Delivery, RetryIn
from postroom.clock import utc_now
from postroom.deny_lists import DenyLists
from postroom.messages import ApprovalDelegate, ApprovalRefused, DenyAdd, DenyChanged, DenyRefused, DenyRemove
from postroom.spool import Spool
from postroom.store import Store, deny
from postroom.store.attempts import StoredAttempts
from postroom.store.schema import approvals, audit, deferred_mails, deny_rules, mails, windows
from postroom_processor.limits import REPLIES_PER_APPROVER
from postroom_processor.receiving import ReceivedMail
from tests.accounts import keep_accounts
from tests.integration.processor.test_receiving import ACCOUNTS, NOW, Bench, delivery, outcomes
from tests.integration.processor.test_receiving import _events as told_by
from tests.loops import running
from tests.servers.rabbitmq import Vhost
from tests.tables import migrate
from tests.waiting import wait_until

PER_SENDER = ACCOUNTS.replace("count: 3,", "count: 3, per_sender_count: 1,")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_store")
    broker_url = f"embedded:///{tmp_path}/broker.sqlite3"
    with made(url, broker_url, tmp_path) as there:
        yield there


class made:  # noqa: N801 - reads as a verb
    """A bench on a store and a broker, gone at the end."""

    def __init__(self, store_url: str, broker_url: str, folder: Path) -> None:
        self.store = Store(store_url)
        migrate(self.store)
        keep_accounts(self.store, ACCOUNTS)
        declare.apply(broker_url, topology.topology(1))
        self.bench = Bench(self.store, broker_url, folder)

    def __enter__(self) -> Bench:
        return self.bench

    def __exit__(self, *_error: object) -> None:
        for publisher in self.bench.publishers:
            publisher.close()
        self.store.close()


@pytest.fixture(
    params=[
        pytest.param("rabbitmq", marks=[pytest.mark.needs("rabbitmq"), pytest.mark.needs("postgresql")]),
        "embedded",
    ]
)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Both brokers, each with the store that goes with it; with the clock of the machine."""
    if request.param == "embedded":
        urls = f"sqlite:///{tmp_path}/store.sqlite3", f"embedded:///{tmp_path}/broker.sqlite3"
    else:
        vhost: Vhost = request.getfixturevalue("rabbitmq_vhost")
        urls = request.getfixturevalue("postgresql_store"), vhost.url
    with made(*urls, tmp_path) as there:
        there.now = utc_now()
        yield there


def denied_by(bench: Bench) -> list[str]:
    return [row.reason for row in bench.rows(mails) if row.outcome == "denied"]


def deny_now(bench: Bench, pattern: str, **about: Any) -> None:
    with bench.store.write() as connection:
        assert deny.add(connection, pattern, now=NOW, **about)


def back(mails: Sequence[Delivery]) -> list[Delivery]:
    """The same mails, come back from the broker."""
    return [delivery(each.envelope, attempt=2) for each in mails]


def test_a_rule_takes_effect_with_the_next_mail_and_is_gone_with_the_next(bench: Bench) -> None:
    handler = bench.received_mail()
    handler([bench.mail("Hello", sender="eve@shop.example")])
    deny_now(bench, "Shop.Example.", reason="spam", by="anna")
    (verdict,) = handler([bench.mail("Hello", sender="Eve+7@mail.SHOP.example")])
    assert verdict == Ack()
    with bench.store.write() as connection:
        assert deny.remove(connection, "@shop.example")
    handler([bench.mail("Hello", sender="eve@shop.example")])
    assert outcomes(bench) == Counter({"accepted": 2, "denied": 1})
    assert denied_by(bench) == ["deny list: Shop.Example. (of every account, added by anna)"]
    (tidy, *_rest) = [
        each.message for each in bench.published(topology.fetcher_commands(0)) if len(each.message.uids) == 1
    ]
    assert tidy.TYPE == "mailbox.delete"


def test_a_rule_of_one_account_is_no_rule_of_another(bench: Bench) -> None:
    deny_now(bench, "shop.example", account="mute")
    bench.received_mail()([bench.mail("Hello", sender="eve@shop.example")])
    assert outcomes(bench) == Counter({"accepted": 1})


def test_a_program_adds_a_rule_for_the_next_mail_and_takes_it_away_again(bench: Bench) -> None:
    handler = bench.received_mail()
    add = DenyAdd(account="release", patterns=("Shop.Example.", "old.example"), reason="spam")
    told = told_by(bench, lambda: bench.command(add))
    assert told == [DenyChanged(account="release", added=add.patterns)]
    handler([bench.mail("Hello", sender="Eve+7@mail.SHOP.example")])
    assert denied_by(bench) == ["deny list: Shop.Example. (of release, added by program /test)"]
    told = told_by(bench, lambda: bench.command(DenyRemove(patterns=("shop.example",))))
    assert told == [DenyChanged()]
    remove = DenyRemove(account="release", patterns=("@shop.example", "never.example"))
    told = told_by(bench, lambda: bench.command(remove))
    assert told == [DenyChanged(account="release", removed=("Shop.Example.",))]
    handler([bench.mail("Hello", sender="eve@shop.example")])
    assert outcomes(bench) == Counter({"accepted": 1, "denied": 1})
    assert [(row.actor, row.via, row.action, row.account, row.target) for row in bench.rows(audit)] == [
        ("program /test", "amqp", "deny.add", "release", "2 rules"),
        ("program /test", "amqp", "deny.remove", "release", "Shop.Example."),
    ]


def test_the_same_command_of_a_program_is_carried_out_once(bench: Bench) -> None:
    add = DenyAdd(patterns=("shop.example",))
    assert len(told_by(bench, lambda: bench.command(add, "the same id"))) == 1
    bench.command(DenyRemove(patterns=("shop.example",)))
    assert told_by(bench, lambda: bench.command(add, "the same id"))[1:] == []
    assert bench.rows(deny_rules) == []
    assert told_by(bench, lambda: bench.command(add))[-1] == DenyChanged(added=("shop.example",))
    assert told_by(bench, lambda: bench.command(add)) == [DenyChanged()]
    assert [row.action for row in bench.rows(audit)] == ["deny.add", "deny.remove", "deny.add"]


@pytest.mark.parametrize(
    ("command", "name", "reason"),
    [
        (DenyAdd(account="nobody", patterns=("a.example",)), "account", "there is no account 'nobody'"),
        (DenyAdd(patterns=("a.example", "com")), "patterns[1]", "top-level domain"),
        (DenyAdd(patterns=("a.example", "")), "patterns[1]", "cannot be denied"),
        (DenyRemove(patterns=("a.example", "10.0.0.1")), "patterns[1]", "IP address"),
    ],
)
def test_what_a_program_may_not_deny_is_refused_with_the_field_and_nothing_is_changed(
    bench: Bench, command: DenyAdd | DenyRemove, name: str, reason: str
) -> None:
    deny_now(bench, "a.example" if isinstance(command, DenyRemove) else "b.example")
    (refused,) = told_by(bench, lambda: bench.command(command))
    assert isinstance(refused, DenyRefused)
    assert refused.field == name and reason in refused.reason
    assert len(bench.rows(deny_rules)) == 1 and bench.rows(audit) == []


def test_of_a_denied_mail_in_the_spool_only_the_head_is_read(bench: Bench) -> None:
    inline = bench.mail("Hello " * 100_000, sender="eve@spam.example")
    spool = Spool(bench.folder / "spool")
    reference = spool.put([inline.envelope.message.content])
    (file,) = [path for path in (bench.folder / "spool").rglob("*") if path.is_file()]
    with file.open("r+b") as damaged:
        damaged.seek(500_000)
        damaged.write(b"damaged, which nobody notices who does not read so far")
    received = inline.envelope.message.model_copy(update={"content": None, "dataref": reference})
    assert bench.received_mail()([delivery(replace(inline.envelope, message=received))]) == [Ack()]
    assert outcomes(bench) == Counter({"denied": 1})


def test_a_denied_approver_decides_nothing_and_it_is_recorded(bench: Bench) -> None:
    bench.request()
    address = bench.reply_address()
    deny_now(bench, "anna@corp.example", account="release")
    bench.received_mail()([bench.mail("Approve", to=address)])
    assert [row.state for row in bench.rows(approvals)] == ["pending"]
    assert denied_by(bench) == ["deny list: anna@corp.example (of release, added)"]
    assert bench.sends() == []


def test_a_newcomer_does_not_take_the_room_that_older_mails_wait_for(bench: Bench) -> None:
    handler = bench.received_mail()
    first = [bench.mail(f"Hello {number}", sender=f"p{number}@x.example") for number in range(7)]
    handler(first)
    bench.now += timedelta(seconds=61)
    newcomers = [bench.mail("Me first", sender=f"q{number}@x.example") for number in range(3)]
    verdicts = handler(newcomers)
    assert [type(each) for each in verdicts] == [RetryIn] * 3
    assert handler(back(first[3:]))[:3] == [Ack()] * 3
    assert outcomes(bench) == Counter({"accepted": 6})
    bench.now += timedelta(seconds=60)
    verdicts = handler(back([*newcomers, first[6]]))
    assert [type(each) for each in verdicts] == [Ack, Ack, RetryIn, Ack]


def test_each_mail_is_told_when_its_turn_is_and_looked_at_every_ten_minutes(bench: Bench) -> None:
    verdicts = bench.received_mail()(
        [bench.mail("Hello", sender=f"p{number}@x.example") for number in range(60)]
    )
    delays = [each.delay_s for each in verdicts if isinstance(each, RetryIn)]
    assert delays[:7] == pytest.approx([60, 60, 60, 120, 120, 120, 180])
    assert max(delays) == pytest.approx(600)


def test_a_waiting_mail_that_never_comes_back_keeps_no_place_for_ever(bench: Bench) -> None:
    handler = bench.received_mail()
    handler([bench.mail("Hello", sender=f"p{number}@x.example") for number in range(6)])
    bench.now += timedelta(seconds=60 + 901)
    newcomers = [bench.mail("Hello", sender=f"q{number}@x.example") for number in range(3)]
    assert handler(newcomers) == [Ack()] * 3


def test_one_sender_waits_alone_and_takes_nobody_elses_room(bench: Bench) -> None:
    keep_accounts(bench.store, PER_SENDER)
    handler = bench.received_mail()
    flood = [bench.mail("Hello", sender=f"eve+{number}@X.example") for number in range(4)]
    others = [bench.mail("Hello", sender=f"p{number}@x.example") for number in range(2)]
    verdicts = handler([*flood, *others])
    assert [type(each) for each in verdicts] == [Ack, RetryIn, RetryIn, RetryIn, Ack, Ack]
    reasons = [each.reason for each in verdicts if isinstance(each, RetryIn)]
    assert reasons == ["over the limit of 1 mail of one sender in 60 s"] * 3
    assert [each.delay_s for each in verdicts if isinstance(each, RetryIn)] == pytest.approx([60, 120, 180])
    bench.now += timedelta(seconds=60)
    verdicts = handler([*back(flood[1:]), *(bench.mail("Hi", sender=f"q{n}@x.example") for n in range(3))])
    assert [type(each) for each in verdicts] == [Ack, RetryIn, RetryIn, Ack, Ack, RetryIn]


def test_replies_beyond_an_approvers_allowance_need_room_like_any_mail(bench: Bench) -> None:
    bench.request()
    address = bench.reply_address()
    handler = bench.received_mail()
    replies = [
        bench.mail("Approve", to=address, sender="eve@corp.example") for _ in range(REPLIES_PER_APPROVER + 5)
    ]
    verdicts = handler(replies)
    assert Counter(type(each) for each in verdicts) == {Ack: REPLIES_PER_APPROVER + 3, RetryIn: 2}
    assert [row.used for row in bench.rows(windows)] == [3]


def test_a_token_that_proves_nothing_takes_room(bench: Bench) -> None:
    bench.request()
    address = bench.reply_address()
    forged = address.replace(address[30:34], "aaaa" if address[30:34] != "aaaa" else "bbbb")
    verdicts = bench.received_mail()([bench.mail("Approve", to=forged) for _ in range(5)])
    assert Counter(type(each) for each in verdicts) == {Ack: 3, RetryIn: 2}
    assert [row.state for row in bench.rows(approvals)] == ["pending"]


def test_a_clock_that_jumps_opens_no_window_twice_and_loses_nothing(bench: Bench) -> None:
    handler = bench.received_mail()
    first = [bench.mail("Hello", sender=f"p{number}@x.example") for number in range(5)]
    handler(first)
    bench.now -= timedelta(hours=1)
    verdicts = handler(back(first[3:]))
    assert [type(each) for each in verdicts] == [RetryIn, RetryIn]
    bench.now += timedelta(days=365)
    assert handler(back(first[3:])) == [Ack(), Ack()]
    bench.now -= timedelta(days=365)
    more = [bench.mail("Hello", sender=f"q{number}@x.example") for number in range(2)]
    assert [type(each) for each in handler(more)] == [Ack, RetryIn]
    bench.now += timedelta(seconds=60)
    assert handler(back(more[1:])) == [Ack()]
    assert outcomes(bench) == Counter({"accepted": 7})
    assert bench.rows(deferred_mails) == []


def test_rules_by_the_thousand_are_read_at_once_and_again_only_when_they_change(bench: Bench) -> None:
    with bench.store.write() as connection:
        deny.add_all(connection, (f"n{number}.example" for number in range(5_000)), now=NOW)
    accounts = Accounts(bench.store)
    lists = DenyLists(bench.store, accounts)
    account = accounts.get("release")
    assert account is not None
    lists.refresh()
    rule = lists.covering(account, ("x@mail.n4999.example",))
    assert rule is not None
    lists.refresh()
    assert lists.covering(account, ("x@mail.n4999.example",)) is rule
    deny_now(bench, "late.example")
    lists.refresh()
    assert lists.covering(account, ("x@late.example",)) is not None


def _consumer(bench: Bench, queue: str, handler: Callable[..., Any]) -> Consumer:
    attempts = StoredAttempts(bench.store)
    return Consumer(bench.broker_url, [queue], handler, name=f"test {queue}", attempts=attempts)


def _own_clock(bench: Bench) -> ReceivedMail:
    """A handler that goes by the machine's clock."""
    return bench.received_mail(clock=utc_now)


def _publish(bench: Bench, publisher: Publisher, messages: Sequence[Delivery], lane: str) -> None:
    envelopes = [
        replace(each.envelope, message=each.envelope.message.model_copy(update={"lane": lane}))
        for each in messages
    ]
    publisher.publish([outgoing(each, 1) for each in envelopes])


def test_mails_over_the_limit_wait_in_the_broker_and_go_in_order(pair: Bench) -> None:
    """Two processors, windows of two seconds with three mails each; newcomers come all the while."""
    keep_accounts(pair.store, ACCOUNTS.replace("interval: 1m", "interval: 2s"))
    publisher = pair.publisher()
    mails_sent = [pair.mail("Hello", sender=f"p{number}@x.example") for number in range(12)]
    consumers = [_consumer(pair, topology.INBOX, _own_clock(pair)) for _ in range(2)]
    _publish(pair, publisher, mails_sent[:9], "inbox")
    with running(*consumers):
        wait_until(lambda: len(pair.rows(deferred_mails)) >= 6, 20, "six mails to wait")
        _publish(pair, publisher, mails_sent[9:], "inbox")
        wait_until(lambda: len(pair.rows(mails)) == 12, 40, "all mails to be accepted")
    rows = sorted(pair.rows(mails), key=lambda row: row.handled_at)
    assert Counter(row.outcome for row in rows) == {"accepted": 12}
    windows_of_mails: list[list[datetime]] = []
    for row in rows:
        if not windows_of_mails or row.handled_at >= windows_of_mails[-1][0] + timedelta(seconds=2):
            windows_of_mails.append([])
        windows_of_mails[-1].append(row.handled_at)
    assert max(map(len, windows_of_mails)) <= 3
    last = {row.uid for row in rows[-3:]}
    assert last == {each.envelope.message.uid for each in mails_sent[9:]}
    assert pair.rows(deferred_mails) == []


JUNK = 10_000


def test_an_approval_is_decided_in_its_own_time_behind_ten_thousand_junk_mails(pair: Bench) -> None:
    pair.request()
    address = pair.reply_address()
    publisher = pair.publisher()
    junk = [pair.mail("Buy", sender=f"j{number}@junk{number % 500}.example") for number in range(JUNK)]
    reply = pair.mail("Approve", to=address)
    for start in range(0, JUNK, 500):
        _publish(pair, publisher, junk[start : start + 500], "inbox")
    consumers = [
        _consumer(pair, queue, _own_clock(pair))
        for queue in (topology.INBOX, topology.INBOX, topology.REPLIES, topology.REPLIES)
    ]
    with running(*consumers):
        wait_until(lambda: len(pair.rows(deferred_mails)) > 100, 60, "the flood to be worked at")
        started = time.monotonic()
        _publish(pair, publisher, [reply], "replies")
        wait_until(lambda: pair.rows(approvals)[0].state == "decided", 30, "the decision")
        took = time.monotonic() - started
        handled = len(pair.rows(mails)) + len(pair.rows(deferred_mails))
        print(f"decided in {took:.2f} s, with {handled} of {JUNK} junk mails looked at")
    assert took < 5
    assert outcomes(pair)["accepted"] <= 3


def test_whom_a_deny_list_covers_is_not_asked_and_the_rule_is_named(bench: Bench) -> None:
    deny_now(bench, "bert@corp.example", by="anna")
    asked = told_by(bench, lambda: bench.request(approvers=("anna@corp.example", "Bert+x@corp.example")))
    assert bench.rows(approvals) == [] and bench.sends() == []
    bench.request()
    delegate = ApprovalDelegate(id="r-1", approver="anna@corp.example", to="bert@corp.example")
    told = [*asked, *told_by(bench, lambda: bench.command(delegate))]
    refused = [each for each in told if isinstance(each, ApprovalRefused)]
    assert [each.field for each in refused] == ["approvers[1]", "to"]
    assert all("deny list" in each.reason and "added by anna" in each.reason for each in refused)
