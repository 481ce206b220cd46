"""The client asks a real processor over both brokers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from postroom.client import Client, RequestRefused, UnknownApproval
from postroom.envelope import Envelope
from postroom.messages import ApprovalCancelled, ApprovalRequested, ApprovalState
from postroom_console.app import main
from tests.stack import SHARDS, Stack

ASKED: dict[str, Any] = {
    "account": "releases",
    "approvers": ["anna@example.com", "ben@example.com"],
    "subject": "Release?",
}


def next_about(approval_id: str, events: Iterator[Envelope[Any]]) -> str:
    """The type of the next event about this approval."""
    return next(str(each.message.TYPE) for each in events if each.message.approval_id == approval_id)


def test_a_request_is_accepted_and_pending(client: Client, new_id: str) -> None:
    requested = client.request(id=new_id, **ASKED)
    assert requested.approvers == ("anna@example.com", "ben@example.com")
    state = client.state(new_id)
    assert (state.state, state.decision, state.choices) == ("pending", None, ("approve", "reject"))


def test_an_identical_repeat_is_the_same_request_and_a_changed_one_is_asked_afresh(
    client: Client, new_id: str
) -> None:
    first = client.request(id=new_id, **ASKED)
    assert client.request(id=new_id, **ASKED) == first
    assert client.request(id=new_id, **{**ASKED, "subject": "Another?"}).subject == "Another?"
    assert client.state(new_id).round == 2
    client.cancel(new_id)
    client.wait(new_id, timeout_s=20)
    with pytest.raises(RequestRefused) as refused:
        client.request(id=new_id, **ASKED)
    assert refused.value.field == "id"
    assert [state.id for state in client.states().approvals].count(new_id) == 1


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"account": "nobody"}, "account"),
        ({"approvers": ["eve@elsewhere.example"]}, "approvers[0]"),
        ({"deadline": datetime.now(UTC) - timedelta(hours=1)}, "deadline"),
    ],
)
def test_the_processor_refuses_with_the_field_named(
    client: Client, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        client.request(**{**ASKED, **changed})
    assert refused.value.field == field


def test_a_program_denies_and_denies_no_longer_and_hears_what_came_of_it(client: Client) -> None:
    assert client.deny(["Shop.example", "eve@x.example"], "releases", "spam").added == (
        "Shop.example",
        "eve@x.example",
    )
    assert client.deny(["shop.example"], "releases").added == ()
    assert client.undeny(["SHOP.example", "other.example"], "releases").removed == ("Shop.example",)
    for patterns, account, field in ((["com"], None, "patterns[0]"), (["a.example"], "nobody", "account")):
        with pytest.raises(RequestRefused) as refused:
            client.deny(patterns, account)
        assert refused.value.field == field
    with pytest.raises(RequestRefused, match="patterns"):
        client.deny("shop.example")


def test_waiting_ends_when_the_approval_does(processor: Stack, client: Client, new_id: str) -> None:
    client.request(id=new_id, **ASKED)
    ended: list[ApprovalState] = []

    def wait() -> None:
        with Client(processor.broker_url, shards=SHARDS) as other:
            ended.append(other.wait(new_id, timeout_s=30))

    waiting = threading.Thread(target=wait)
    waiting.start()
    client.cancel(new_id, "not today")
    waiting.join(40)
    assert [(state.state, state.comment) for state in ended] == [("cancelled", "not today")]
    assert client.wait(new_id, timeout_s=10).state == "cancelled"


def test_waiting_without_an_answer_times_out(client: Client, new_id: str) -> None:
    client.request(id=new_id, **ASKED)
    with pytest.raises(TimeoutError, match=new_id):
        client.wait(new_id, timeout_s=0.3)


def test_an_unknown_id_is_said_to_be_unknown(client: Client) -> None:
    with pytest.raises(UnknownApproval, match="r9"):
        client.wait("r9", timeout_s=20)
    with pytest.raises(UnknownApproval):
        client.state("r9")


def test_without_a_processor_a_request_waits_in_the_queue(
    processor: Stack, client: Client, new_id: str
) -> None:
    processor.stop("processor")
    with pytest.raises(TimeoutError, match="waits in the queue"):
        client.request(id=new_id, **ASKED, wait_accepted_s=0.2)
    processor.start("processor")
    assert client.request(id=new_id, **ASKED, wait_accepted_s=30).approval_id == new_id


def test_events_are_kept_in_a_named_queue_and_come_again_until_acknowledged(
    client: Client, new_id: str
) -> None:
    before = client.events(ApprovalRequested, ApprovalCancelled, queue=new_id)
    client.request(id=new_id, **ASKED)
    assert next_about(new_id, before) == "approval.requested"
    del before
    client.cancel(new_id)
    client.wait(new_id, timeout_s=20)
    after = client.events(ApprovalRequested, ApprovalCancelled, queue=new_id)
    assert [next_about(new_id, after) for _ in range(2)] == ["approval.requested", "approval.cancelled"]


def test_events_of_one_account_leave_out_the_others(client: Client, new_id: str) -> None:
    others = client.events(ApprovalRequested, account="others", queue=f"{new_id}-others")
    ours = client.events(ApprovalRequested, account="releases")
    client.request(id=new_id, **ASKED)
    assert next_about(new_id, ours) == "approval.requested"
    del others


def test_writing_to_somebody_is_an_order_with_an_id(client: Client) -> None:
    order = client.send("releases", "anna@example.com", "Done", "Release 7 is out.")
    assert order.id.startswith("test:")
    assert order.recipient == "anna@example.com"


@pytest.mark.parametrize(
    ("to", "subject", "field"),
    [("nobody", "Done", "recipient"), ("anna@example.com", "two\nlines", "subject")],
)
def test_a_malformed_letter_is_refused_with_the_field_named(
    client: Client, to: str, subject: str, field: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        client.send("releases", to, subject, "text")
    assert refused.value.field == field


def test_a_list_of_the_newest_requests_says_that_there_are_older_ones(
    client: Client, processor: Stack
) -> None:
    for _ in range(2):
        client.request(**ASKED)
    variables = {"POSTROOM_DATA_DIR": str(processor.folder), "POSTROOM_SHARDS": str(SHARDS)}
    variables["POSTROOM_BROKER_URL"] = processor.broker_url
    listed = CliRunner().invoke(main, ["approvals", "list", "--limit", "1", "--json"], env=variables)
    assert listed.exit_code == 0, listed.output
    assert len(json.loads(listed.stdout)) == 1
    assert listed.stderr == "there is more: --limit takes 999 at most; of others say the id to `show`\n"
