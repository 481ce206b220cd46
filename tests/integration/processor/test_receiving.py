"""Received mail and commands on a real store and a real broker, SQLite and PostgreSQL alike."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlalchemy import insert, select

from postroom import topology
from postroom.accounts_watch import Accounts
from postroom.broker import declare
from postroom.broker.connection import connect
from postroom.broker.publisher import Publisher
from postroom.broker.verdict import Ack, Delivery, RetryIn, Verdict
from postroom.clock import Clock
from postroom.deny_lists import DenyLists
from postroom.envelope import Envelope, Wire, decode, encode, envelop
from postroom.errors import PostroomError
from postroom.evidence.chain import SigningKeys
from postroom.messages import (
    ApprovalCancel,
    ApprovalRequest,
    MailReceived,
    MailSend,
    Message,
    mail_id,
)
from postroom.own_mail import content_sha256
from postroom.reply_token import TokenKey, TokenKeys
from postroom.spool import Spool
from postroom.store import Store
from postroom.store.outbox import OutboxRelay
from postroom.store.schema import approvals, mails, outbox, sends, windows
from postroom_processor.commanding import Commands
from postroom_processor.deadlines import Deadlines
from postroom_processor.evidence import Origin
from postroom_processor.help_budget import MAX_IN_THREAD
from postroom_processor.mail import Mail
from postroom_processor.receiving import ReceivedMail
from postroom_processor.recording import Recorder
from postroom_processor.signatures import Signatures
from postroom_processor.vouching import Check
from tests.accounts import keep_accounts
from tests.servers.process import free_port
from tests.tables import migrate

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEYS = TokenKeys((TokenKey(1, b"k" * 32),))
EVIDENCE_KEYS = SigningKeys([b"e" * 32])
ACCOUNTS = """
accounts:
  - name: release
    address: release@corp.example
    after_processing: delete
    dedicated: true
    deny: spam.example
    approvers: corp.example
    imap: {host: imap.example, user: u, password: "env:P", count: 3, interval: 1m}
    smtp: {host: smtp.example}
  - name: mute
    address: mute@corp.example
    imap: {host: imap.example, user: u, password: "env:P"}
"""


def no_signatures(_mail: Mail, _domain: str) -> Signatures:
    """Stands in for the check that asks the DNS."""
    return Signatures(())


@dataclass
class Bench:
    """The processor's handlers on their own store and broker, with a clock that the test moves."""

    store: Store
    broker_url: str
    folder: Path
    now: datetime = NOW
    publishers: list[Publisher] = field(default_factory=list)
    uid: int = 0
    check: Check = no_signatures

    def clock(self) -> datetime:
        return self.now

    def publisher(self) -> Publisher:
        made = Publisher(self.broker_url, name="test")
        self.publishers.append(made)
        return made

    def relay(self) -> OutboxRelay:
        return OutboxRelay(self.store, self.publisher(), "processor", self.clock)

    def recorder(self) -> Recorder:
        return Recorder(Accounts(self.store), EVIDENCE_KEYS, Origin("0.1.0", "c0de"))

    def received_mail(self, broker_url: str = "", clock: Clock | None = None) -> ReceivedMail:
        publisher = Publisher(broker_url or self.broker_url, name="test", timeout_s=0.5)
        self.publishers.append(publisher)
        return ReceivedMail(
            store=self.store,
            spool=Spool(self.folder / "spool"),
            relay=OutboxRelay(self.store, publisher, "processor", self.clock),
            accounts=Accounts(self.store),
            keys=KEYS,
            tag_keys=KEYS,
            recorder=self.recorder(),
            check=self.check,
            shards=1,
            clock=clock or self.clock,
        )

    def commands(self) -> Commands:
        return Commands(
            store=self.store,
            relay=self.relay(),
            publisher=self.publisher(),
            accounts=Accounts(self.store),
            keys=KEYS,
            recorder=self.recorder(),
            shards=1,
            clock=self.clock,
            deny=DenyLists(self.store, Accounts(self.store)),
        )

    def deadlines(self) -> Deadlines:
        return Deadlines(self.store, self.relay(), self.recorder(), KEYS, 1, self.clock)

    def command(self, message: Message, message_id: str | None = None) -> None:
        envelope = envelop(message, source="/test", now=self.now, message_id=message_id)
        assert self.commands()([delivery(envelope)]) == [Ack()]

    def request(self, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "id": "r-1",
            "account": "release",
            "approvers": ("anna@corp.example",),
            "subject": "Release 4.2",
        }
        self.command(ApprovalRequest(**{**fields, **changes}))

    def mail(
        self,
        text: str,
        to: str = "release@corp.example",
        sender: str = "anna@corp.example",
        role: Literal["inbox", "sent"] = "inbox",
    ) -> Delivery:
        self.uid += 1
        content = f"From: {sender}\r\nTo: {to}\r\nMessage-ID: <m{self.uid}@x>\r\n\r\n{text}\r\n".encode()
        message = MailReceived(
            account="release",
            folder="INBOX",
            role=role,
            uidvalidity=7,
            uid=self.uid,
            size_bytes=len(content),
            sha256=f"{self.uid:064x}",
            arrived_at=self.now,
            lane="inbox",
            content=content,
        )
        own_id = mail_id("release", "INBOX", 7, self.uid)
        return delivery(envelop(message, source="/test", now=self.now, message_id=own_id))

    def published(self, queue: str) -> list[Envelope[Any]]:
        """Take everything out of a queue."""
        found = []
        with connect(self.broker_url, name="look") as connection, connection.channel() as channel:
            while (message := channel.basic_get(queue, no_ack=True)) is not None:
                wire = Wire(
                    str(message.properties.get("message_id", "")),
                    dict(message.headers),
                    bytes(message.body),
                    str(message.content_type),
                )
                found.append(decode(wire))
        return found

    def sends(self) -> list[MailSend]:
        return [each.message for each in self.published(topology.SENDER_TRANSACTIONAL)]

    def rows(self, table: Any) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(select(table)))

    def reply_address(self) -> str:
        (send,) = self.sends()
        assert send.content.kind == "approval"
        return f"release+{send.content.reply_token}@corp.example"


def delivery(envelope: Envelope[Any], attempt: int = 1) -> Delivery:
    return Delivery("q", envelope, encode(envelope), redelivered=False, attempt=attempt)


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_store")
    store = Store(url)
    migrate(store)
    keep_accounts(store, ACCOUNTS)
    broker_url = f"embedded:///{tmp_path}/broker.sqlite3"
    declare.apply(broker_url, topology.topology(1))
    there = Bench(store, broker_url, tmp_path)
    yield there
    for publisher in there.publishers:
        publisher.close()
    store.close()


def outcomes(bench: Bench) -> Counter[str]:
    return Counter(row.outcome for row in bench.rows(mails))


def test_a_request_is_mailed_and_a_reply_decides_it(bench: Bench) -> None:
    bench.request()
    reply = bench.mail("Approve\n\nGo ahead.", to=bench.reply_address())
    assert bench.received_mail()([reply]) == [Ack()]
    (row,) = bench.rows(approvals)
    assert (row.state, row.decision, row.decided_by) == ("decided", "approve", "anna@corp.example")
    assert row.comment == "Go ahead."
    (tidy,) = bench.published(topology.fetcher_commands(0))
    assert (tidy.message.TYPE, tidy.message.uids) == ("mailbox.delete", (reply.envelope.message.uid,))
    assert bench.rows(outbox) == []


def test_a_mail_delivered_again_has_no_second_effect(bench: Bench) -> None:
    bench.request()
    reply = bench.mail("huh?", to=bench.reply_address())
    for _ in range(3):
        assert bench.received_mail()([reply, reply]) == [Ack(), Ack()]
    assert outcomes(bench) == Counter({"unclear": 1})
    (send,) = bench.sends()
    assert (send.content.kind, getattr(send.content, "in_reply_to", "")) == ("help", f"<m{bench.uid}@x>")


def test_one_help_mail_a_day_and_approver(bench: Bench) -> None:
    bench.request()
    address = bench.reply_address()
    handler = bench.received_mail()
    handler([bench.mail("hm", to=address), bench.mail("what?", to=address)])
    assert len(bench.sends()) == 1
    bench.now += timedelta(days=1)
    handler([bench.mail("hm again", to=address)])
    assert len(bench.sends()) == 1
    assert outcomes(bench) == Counter({"unclear": 3})


def test_a_loop_gets_a_few_help_mails_and_then_only_a_reason(bench: Bench) -> None:
    bench.request()
    address = bench.reply_address()
    handler = bench.received_mail()
    for _ in range(5):
        handler([bench.mail("Your request has been received by our system", to=address)])
        bench.now += timedelta(days=1)
    assert len(bench.sends()) == MAX_IN_THREAD
    reasons = [row.reason for row in bench.rows(mails)]
    assert sum("no help mail: 3 went about this request" in reason for reason in reasons) == 2


def test_what_reads_like_an_absence_is_not_answered_and_says_so(bench: Bench) -> None:
    bench.request()
    bench.received_mail()([bench.mail("Ich bin bis Montag nicht im Büro.", to=bench.reply_address())])
    assert bench.sends() == []
    (row,) = bench.rows(mails)
    assert row.outcome == "unclear"
    assert "no help mail: it reads like an out-of-office reply" in row.reason


def test_what_is_over_the_limit_waits_for_the_next_window(bench: Bench) -> None:
    handler = bench.received_mail()
    inbox = [bench.mail(f"Hello {number}", sender=f"p{number}@x.example") for number in range(5)]
    verdicts = handler(inbox)
    assert [type(each) for each in verdicts] == [Ack, Ack, Ack, RetryIn, RetryIn]
    assert isinstance(verdicts[3], RetryIn)
    assert verdicts[3].delay_s == pytest.approx(60)
    assert outcomes(bench) == Counter({"accepted": 3})
    bench.now += timedelta(seconds=60)
    again = [delivery(each.envelope, attempt=2) for each in inbox[3:]]
    assert handler(again) == [Ack(), Ack()]
    assert outcomes(bench) == Counter({"accepted": 5})


def test_two_processors_at_once_keep_the_limit_and_decide_once(bench: Bench) -> None:
    bench.request()
    address = bench.reply_address()
    replies = [bench.mail(word, to=address) for word in ("Approve", "Reject") * 4]
    others = [bench.mail("Hello", sender=f"p{number}@x.example") for number in range(8)]
    everything = [*replies, *others]
    results: list[Verdict] = []

    def work(part: Sequence[Delivery]) -> None:
        handler = bench.received_mail()
        for each in part:
            results.extend(_until_it_works(handler, each))

    threads = [threading.Thread(target=work, args=(everything[start::2] * 2,)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = outcomes(bench)
    assert counted["decided"] == 1
    assert counted["ignored"] == len(replies) - 1
    assert counted["accepted"] == 3
    assert len({row.mail_id for row in bench.rows(mails) if row.outcome == "decided"}) == 1


def _until_it_works(handler: ReceivedMail, each: Delivery) -> Sequence[Verdict]:
    """As the consumer does: what failed for a passing reason is tried again."""
    for _ in range(50):
        try:
            return handler([each])
        except PostroomError:
            continue
    raise AssertionError("it never worked")


REFUSALS: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown account", {"account": "nobody"}, "account", "no account 'nobody'"),
    ("an account that cannot send", {"account": "mute"}, "account", "cannot send"),
    ("unknown approver", {"approvers": ("eve@evil.example",)}, "approvers[0]", "not known"),
    ("the account itself", {"approvers": ("release@corp.example",)}, "approvers[0]", "own address"),
    ("a subject that no header takes", {"subject": "Pay\x9bnow"}, "subject", "control character"),
    ("a deadline in the past", {"deadline": NOW - timedelta(days=1)}, "deadline", "past"),
    ("a deadline too far away", {"deadline": NOW + timedelta(days=999)}, "deadline", "days away"),
]


@pytest.mark.parametrize(
    ("changes", "name", "reason"), [row[1:] for row in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_a_request_is_refused_with_the_field_named(
    bench: Bench, changes: dict[str, Any], name: str, reason: str
) -> None:
    events = _events(bench, lambda: bench.request(**changes))
    (refused,) = events
    assert (refused.TYPE, refused.field) == ("approval.refused", name)  # type: ignore[attr-defined]
    assert reason in refused.reason  # type: ignore[attr-defined]
    assert bench.rows(approvals) == []
    assert bench.sends() == []


def test_an_account_that_was_applied_before_the_request_is_known(bench: Bench) -> None:
    handler = bench.commands()
    keep_accounts(bench.store, ACCOUNTS + "    smtp: {host: smtp.example}\n")
    request = ApprovalRequest(id="r-1", account="mute", approvers=("anna@corp.example",), subject="S")
    events = _events(bench, lambda: handler([delivery(envelop(request, source="/test", now=NOW))]))
    assert [each.TYPE for each in events] == ["approval.requested"]


def test_the_same_id_is_the_same_request(bench: Bench) -> None:
    bench.request()
    assert [each.TYPE for each in _events(bench, bench.request)] == ["approval.requested"]
    again = _events(bench, lambda: bench.request(deadline=NOW + timedelta(days=3)))
    assert [each.TYPE for each in again] == ["approval.requested"]
    assert len(bench.sends()) == 1


def test_a_command_that_is_delivered_again_is_answered_once(bench: Bench) -> None:
    request = ApprovalRequest(id="r-1", account="release", approvers=("anna@corp.example",), subject="S")

    def deliver_three_times() -> None:
        for _ in range(3):
            bench.command(request, "the same id")

    events = _events(bench, deliver_three_times)
    assert [each.TYPE for each in events] == ["approval.requested"]
    assert len(bench.sends()) == 1


def test_a_cancelled_request_cannot_be_decided(bench: Bench) -> None:
    bench.request()
    address = bench.reply_address()
    events = _events(bench, lambda: bench.command(ApprovalCancel(id="r-1", reason="not needed")))
    assert [each.TYPE for each in events] == ["approval.cancelled"]
    bench.received_mail()([bench.mail("Approve", to=address)])
    (row,) = bench.rows(approvals)
    assert (row.state, row.decision) == ("cancelled", None)
    assert outcomes(bench) == Counter({"ignored": 1})


def test_overdue_requests_expire_once(bench: Bench) -> None:
    bench.request(deadline=NOW + timedelta(hours=1))
    deadlines = bench.deadlines()
    assert deadlines.tend() is False
    assert bench.rows(approvals)[0].state == "pending"
    bench.now += timedelta(hours=2)
    events = _events(bench, lambda: (deadlines.tend(), deadlines.tend()))
    assert [each.TYPE for each in events] == ["approval.expired"]
    assert bench.rows(approvals)[0].state == "expired"


def test_the_outcome_is_durable_before_it_is_told_and_told_after_a_crash(bench: Bench) -> None:
    """The broker is away after the commit: nothing is acknowledged, the sweeper tells it later."""
    bench.request()
    reply = bench.mail("Approve", to=bench.reply_address())
    handler = bench.received_mail(f"amqp://127.0.0.1:{free_port()}/")
    queue = _listen(bench)
    with pytest.raises(PostroomError):
        handler([reply])
    assert bench.rows(approvals)[0].state == "decided"
    assert len(bench.rows(outbox)) == 2
    bench.now += timedelta(minutes=1)
    bench.relay().sweep()
    assert [each.message.TYPE for each in bench.published(queue)] == ["approval.decided"]
    assert bench.rows(outbox) == []
    assert bench.received_mail()([reply]) == [Ack()]
    assert bench.published(queue) == []


def test_what_people_wrote_to_a_confidential_account_is_in_no_event(bench: Bench) -> None:
    keep_accounts(
        bench.store, ACCOUNTS.replace("    dedicated: true", "    dedicated: true\n    confidential: true")
    )
    bench.request(id="r-1")
    bench.request(id="r-2")
    first, second = (
        f"release+{send.content.reply_token}@corp.example"
        for send in bench.sends()
        if send.content.kind == "approval"
    )
    replies = [bench.mail("Approve\n\nPatient 4711", to=first), bench.mail("Hm, patient 4711", to=second)]
    events = _events(bench, lambda: bench.received_mail()(replies))
    assert {each.TYPE for each in events} == {"approval.decided", "approval.unclear"}
    assert not any("4711" in str(each) for each in events)
    assert {row.comment for row in bench.rows(approvals)} == {"Patient 4711", None}


def _events(bench: Bench, act: Callable[[], object]) -> list[Message]:
    queue = _listen(bench)
    act()
    return [each.message for each in bench.published(queue)]


def _listen(bench: Bench) -> str:
    with connect(bench.broker_url, name="listen") as connection, connection.channel() as channel:
        channel.queue_declare("postroom.client.test", durable=True, exclusive=False, auto_delete=False)
        for pattern in ("approval.#", "deny.#"):
            channel.queue_bind("postroom.client.test", topology.EVENTS, pattern)
    return "postroom.client.test"


def test_mail_of_another_type_goes_to_quarantine(bench: Bench) -> None:
    (verdict,) = bench.received_mail()([delivery(envelop(ApprovalCancel(id="x"), source="/t", now=NOW))])
    assert "does not belong" in getattr(verdict, "reason", "")


def test_mail_too_large_for_a_message_is_read_from_the_spool(bench: Bench) -> None:
    bench.request()
    address = bench.reply_address()
    spool = Spool(bench.folder / "spool")
    inline = bench.mail("Approve", to=address)
    received = inline.envelope.message
    reference = spool.put([received.content])
    spooled = received.model_copy(update={"content": None, "dataref": reference})
    envelope = envelop(spooled, source="/test", now=NOW, message_id=inline.envelope.id)
    assert bench.received_mail()([delivery(envelope)]) == [Ack()]
    assert outcomes(bench) == Counter({"decided": 1})


def test_sent_mail_is_told_and_nothing_is_done_with_it(bench: Bench) -> None:
    bench.request()
    reply = bench.mail("Approve", to=bench.reply_address(), role="sent")
    ours = bench.mail("Please decide", role="sent")
    content = ours.envelope.message.content
    with bench.store.write() as connection:
        row: dict[str, Any] = {"send_id": "s-1", "account": "release", "recipient": "a@x", "kind": "plain"}
        row |= {"state": "sent", "message_id": f"<m{bench.uid}@x>", "content_sha256": content_sha256(content)}
        row |= {"attempts": 1, "detail": "", "correlation_id": "c"}
        connection.execute(insert(sends).values(row | {"created_at": NOW, "updated_at": NOW}))
    inbox = [bench.mail(f"Hello {number}", role="sent") for number in range(4)]
    assert bench.received_mail()([reply, ours, *inbox]) == [Ack()] * 6
    assert outcomes(bench) == Counter({"sent": 5, "own": 1})
    assert [row.state for row in bench.rows(approvals)] == ["pending"]
    assert [row.used for row in bench.rows(windows)] == [0]
    assert bench.published(topology.fetcher_commands(0)) == []
    assert bench.sends() == []
