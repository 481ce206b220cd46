"""Commands of one kind share a step."""

from __future__ import annotations

from datetime import UTC, datetime

from postroom.broker.consumer import Delivery
from postroom.envelope import encode, envelop
from postroom.messages import (
    AccountFolders,
    ApprovalCancel,
    Command,
    MailboxDelete,
    MailboxFind,
    MailboxMarkRead,
    MailboxMove,
)
from postroom_fetcher.command import handler_of, steps

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def delivery(command: Command) -> Delivery:
    envelope = envelop(command, source="test", now=NOW)
    return Delivery("queue", envelope, encode(envelope), redelivered=False, attempt=1)


def read(uid: int, uidvalidity: int = 1, folder: str = "INBOX") -> Delivery:
    return delivery(MailboxMarkRead(account="team", folder=folder, uidvalidity=uidvalidity, uids=(uid,)))


def move(uid: int, target: str) -> Delivery:
    return delivery(MailboxMove(account="team", folder="INBOX", uidvalidity=1, uids=(uid,), target=target))


def test_commands_about_the_same_folder_and_action_are_one_step() -> None:
    deliveries = [
        read(1),
        delivery(MailboxDelete(account="team", folder="INBOX", uidvalidity=1, uids=(2,))),
        read(3),
        read(4, uidvalidity=2),
        read(5, folder="Other"),
        move(6, "Done"),
        move(7, "Elsewhere"),
        move(8, "Done"),
    ]
    uids = [[each.envelope.message.uids[0] for each in step] for step in steps(deliveries)]
    assert uids == [[1, 3], [2], [4], [5], [6, 8], [7]]


def test_commands_about_one_mail_or_the_account_stay_alone() -> None:
    find = MailboxFind(account="team", folder="Sent", message_id="<a@b>")
    deliveries = [delivery(find), delivery(find), delivery(AccountFolders(account="team"))]
    assert [len(step) for step in steps(deliveries)] == [1, 1, 1]


def test_a_command_for_another_service_has_no_handler() -> None:
    assert handler_of(ApprovalCancel(id="release-1")) is None
    assert handler_of(AccountFolders(account="team")) is not None
