"""Every message has a way, and every queue its net."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom import topology
from postroom.messages import (
    AccountFetchNow,
    ApprovalQuery,
    Command,
    MailboxDelete,
    MailDenied,
    MailReceived,
    MailSend,
    Message,
    PlainMail,
)
from postroom.topology import RETRY_DELAYS_S, retry_delay, route, shard_of

NOW = datetime(2026, 1, 31, tzinfo=UTC)
WHOLE = topology.topology(4)


def received(lane: str) -> Message:
    return MailReceived.model_validate(
        {
            "account": "ops",
            "folder": "INBOX",
            "uidvalidity": 1,
            "uid": 1,
            "size_bytes": 0,
            "sha256": "0" * 64,
            "arrived_at": NOW,
            "lane": lane,
            "content": b"",
        }
    )


def send(lane: str) -> Message:
    content = PlainMail(subject="x", text="")
    return MailSend.model_validate(
        {"id": "1", "account": "ops", "recipient": "a@x.example", "content": content, "lane": lane}
        | {"written_at": NOW}
    )


@pytest.mark.parametrize(
    ("message", "exchange", "key"),
    [
        (received("replies"), "postroom.events", "mail.received.replies.ops"),
        (received("inbox"), "postroom.events", "mail.received.inbox.ops"),
        (send("transactional"), "postroom.commands", "postroom.sender.transactional"),
        (send("bulk"), "postroom.commands", "postroom.sender.bulk"),
        (ApprovalQuery(reply_to="postroom.client.x"), "postroom.commands", "postroom.processor.commands"),
        (
            AccountFetchNow(account="ops"),
            "postroom.commands",
            f"postroom.fetcher.commands.{shard_of('ops', 4)}",
        ),
    ],
)
def test_a_message_goes_where_its_type_account_and_lane_say(
    message: Message, exchange: str, key: str
) -> None:
    found = route(message, 4)
    assert (found.exchange, found.routing_key, found.must_route) == (exchange, key, True)


def test_an_event_that_nobody_of_ours_needs_may_go_unheard() -> None:
    event = MailDenied(account="ops", mail_id="1", sha256="0" * 64, sender=None, reason="x")
    assert route(event, 4) == topology.Route("postroom.events", "mail.denied.ops", must_route=False)


@pytest.mark.parametrize("model", [each for each in Command.__subclasses__() if "TYPE" in vars(each)])
def test_every_command_has_queues_that_exist(model: type[Command]) -> None:
    names = {queue.name for queue in WHOLE.queues}
    for queue in topology.command_queues(model):
        assert queue in names or f"{queue}.0" in names


def test_commands_of_one_account_keep_their_order_in_one_queue() -> None:
    first = MailboxDelete(account="ops", folder="INBOX", uidvalidity=1, uids=(1,))
    assert route(first, 4).routing_key == route(AccountFetchNow(account="ops"), 4).routing_key


@given(st.text(min_size=1, max_size=63), st.integers(1, 256))
def test_an_account_has_one_shard(account: str, shards: int) -> None:
    assert 0 <= shard_of(account, shards) < shards
    assert shard_of(account, shards) == shard_of(account, shards)


def test_shards_are_the_same_for_ever() -> None:
    assert [shard_of(name, 4) for name in ("ops", "releases", "plain", "a")] == [1, 2, 3, 2]


@given(st.floats(allow_nan=False))
def test_a_delay_is_rounded_down_to_one_that_exists(delay_s: float) -> None:
    found = retry_delay(delay_s)
    assert found in RETRY_DELAYS_S
    assert found <= delay_s or found == RETRY_DELAYS_S[0]


def test_every_work_queue_has_its_delays_and_its_quarantine() -> None:
    by_name = {queue.name: queue for queue in WHOLE.queues}
    assert len(by_name) == len(WHOLE.queues)
    work = [name for name in by_name if ".retry." not in name and not name.endswith(".dead")]
    assert len(work) == 7 + 4
    for name in work:
        dead = by_name[topology.dead_queue(name)]
        assert [(each.exchange, each.routing_key) for each in dead.bindings] == [("postroom.dead", dead.name)]
        arguments = by_name[name].arguments
        assert arguments["x-dead-letter-routing-key"] == dead.name
        assert arguments["x-dead-letter-strategy"] == "at-least-once"
        for delay_s in RETRY_DELAYS_S:
            waiting = by_name[topology.retry_queue(name, delay_s)]
            assert waiting.arguments["x-message-ttl"] == 1000 * delay_s
            assert waiting.arguments["x-dead-letter-routing-key"] == name
            assert waiting.arguments["x-dead-letter-exchange"] == ""
