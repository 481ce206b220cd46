"""Accepted mail of a campaign account in a queue of its own: nothing is lost, nobody is held up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from postroom.accounts_watch import Accounts
from postroom.broker.connection import connect
from postroom.broker.publisher import Publisher, outgoing
from postroom.broker.verdict import Ack, Delivery
from postroom.clock import utc_now
from postroom.envelope import encode, envelop
from postroom.event_queues import campaign_family
from postroom.evidence.chain import SigningKeys
from postroom.messages import MailReceived
from postroom.reply_token import TokenKey, TokenKeys
from postroom.spool import Spool
from postroom.store.outbox import OutboxRelay
from postroom.store.schema import outbox
from postroom_processor.campaign import copies
from postroom_processor.evidence import Origin
from postroom_processor.receiving import ReceivedMail
from postroom_processor.recording import Recorder
from postroom_processor.signatures import Signatures
from tests.integration.notifier.office import SHARDS, Office, accepted
from tests.waiting import wait_until

OPS = campaign_family("ops")
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "campaign_consumer.py"


def receive(office: Office, publisher: Publisher, *uids: int) -> None:
    """Let a processor handle mails to the account."""
    accounts = Accounts(office.store)
    handler = ReceivedMail(
        store=office.store,
        spool=Spool(office.folder / "spool"),
        relay=OutboxRelay(office.store, publisher, "processor"),
        accounts=accounts,
        keys=TokenKeys((TokenKey(1, b"k" * 32),)),
        tag_keys=TokenKeys((TokenKey(1, b"k" * 32),)),
        recorder=Recorder(accounts, SigningKeys([b"e" * 32]), Origin("0", "c0de")),
        check=lambda _mail, _domain: Signatures(()),
        shards=SHARDS,
        clock=utc_now,
    )
    assert list(handler([_delivery(uid) for uid in uids])) == [Ack()] * len(uids)


def _delivery(uid: int) -> Delivery:
    content = f"From: anna@corp.example\r\nSubject: Order {uid}\r\n\r\nTwo, please.\r\n".encode()
    message = MailReceived(
        account="ops",
        folder="INBOX",
        uidvalidity=1,
        uid=uid,
        size_bytes=len(content),
        sha256=f"{uid:064x}",
        arrived_at=utc_now(),
        lane="inbox",
        content=content,
    )
    envelope = envelop(message, source="/test", now=utc_now(), message_id=f"mail-{uid}")
    return Delivery("postroom.processor.inbox", envelope, encode(envelope), False, 1)


def waiting_in_outbox(office: Office) -> list[str]:
    with office.store.read() as connection:
        return list(connection.execute(select(outbox.c.routing_key)).scalars())


def taken(office: Office, count: int) -> list[dict[str, Any]]:
    """So many messages out of the account's queue, by the example where there is RabbitMQ."""
    if office.settings.broker.startswith("amqp"):
        environment = {**os.environ, "POSTROOM_BROKER_URL": office.settings.broker}
        command = [sys.executable, str(EXAMPLE), "ops", "--count", str(count)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=30, check=True
        )
        return [json.loads(line) for line in done.stdout.splitlines()]
    found = []
    with closing(connect(office.settings.broker, name="look")) as connection, connection.channel() as channel:
        for _ in range(count):
            message = channel.basic_get(OPS.name)
            headers = message.properties["application_headers"]
            found.append({"id": headers["cloudEvents_id"], **json.loads(message.body)})
            channel.basic_ack(message.delivery_info["delivery_tag"])
    return found


def test_mail_of_a_campaign_waits_for_its_queue_and_then_in_it(office: Office) -> None:
    office.apply(campaigns=("ops",))
    with Publisher(office.settings.broker, name="test") as publisher:
        receive(office, publisher, 1, 2)
        assert waiting_in_outbox(office) == [OPS.name] * 2
        with office.notifier():
            office.wait_for_queue(OPS)
        later = lambda: utc_now() + timedelta(minutes=1)  # noqa: E731
        OutboxRelay(office.store, publisher, "processor", later).sweep()
        receive(office, publisher, 3)
    assert waiting_in_outbox(office) == []
    # Nobody runs any more, and what is unread stays.
    assert office.depth(OPS.name) == 3
    mails = taken(office, 3)
    assert [each["subject"] for each in mails] == ["Order 1", "Order 2", "Order 3"]
    assert all(each["text"] == "Two, please." and each["account"] == "ops" for each in mails)
    assert len({each["id"] for each in mails}) == 3
    assert office.depth(OPS.name) == 0


def test_a_team_that_stopped_reading_holds_nobody_up_and_the_oldest_give_way(office: Office) -> None:
    office.apply(campaigns=("ops",))
    with office.notifier():
        office.wait_for_queue(OPS)
    with Publisher(office.settings.broker, name="test") as publisher:
        for hundred in range(3):
            told = [
                outgoing(envelop(accepted(number), source="/test", now=utc_now(), message_id=f"e{number}"), 1)
                for number in range(hundred * 100, hundred * 100 + 100)
            ]
            publisher.publish(copies(told, {"ops"}))
            wait_until(lambda: office.depth(OPS.name) == 100, 10, "the bound of the queue")
    wait_until(lambda: office.depth(OPS.dead) == 100, 10, "the bound of its quarantine")
    assert [each["id"] for each in taken(office, 2)] == ["e200", "e201"]


def test_the_queue_of_a_former_campaign_stays_until_it_is_read(office: Office) -> None:
    office.apply(campaigns=("ops",))
    with office.notifier(grace_s=0), Publisher(office.settings.broker, name="test") as publisher:
        office.wait_for_queue(OPS)
        event = envelop(accepted(1), source="/test", now=utc_now())
        publisher.publish(copies([outgoing(event, SHARDS)], {"ops"}))
        office.apply()
        office.wait_until_retired(OPS)
        assert office.depth(OPS.name) == 1
        taken(office, 1)
        wait_until(lambda: office.depth(OPS.name) is None, 10, "the queue to go")


@pytest.mark.parametrize("accounts", [set(), {"news"}])
def test_only_accepted_mail_of_campaign_accounts_is_copied(accounts: set[str]) -> None:
    event = outgoing(envelop(accepted(1), source="/test", now=utc_now()), SHARDS)
    assert copies([event], accounts) == []
    (copy,) = copies([event, replace(event, routing_key="mail.accepted.news")], {"ops"})
    assert (copy.routing_key, copy.must_route) == (OPS.name, True)
    assert (copy.wire.headers, copy.wire.body) == (event.wire.headers, event.wire.body)
