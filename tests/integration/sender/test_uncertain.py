"""A mail that may have been sent or not: found, sent again as the same mail, or left to a person."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from click.testing import CliRunner
from sqlalchemy import select, update

from postroom import topology
from postroom.accounts_watch import AccountsLoop
from postroom.broker.consumer import Consumer
from postroom.broker.outgoing import Outgoing
from postroom.broker.publisher import PublishResult
from postroom.broker.verdict import Ack, Delivery, Verdict
from postroom.clock import utc_now
from postroom.envelope import encode, envelop
from postroom.messages import MailBounced, MailboxAppend, MailboxDone, MailboxFind, MailSent, MailUncertain
from postroom.service import Parts
from postroom.spool import Spool
from postroom.store.attempts import StoredAttempts
from postroom.store.outbox import OutboxRelay
from postroom.store.schema import doubts, sent_copies
from postroom_console.app import main
from postroom_processor.results import Results
from tests.integration.sender.scripted import friendly, scripted
from tests.integration.sender.sendroom import SHARDS, TOKEN, Sendroom, approval, entry, plain
from tests.loops import running

Order = MailboxFind | MailboxAppend
IMAP = {"host": "127.0.0.1", "port": 1, "security": "none", "user": "u", "password": "env:P"}


def lost(times: int, before: Callable[[], None] = lambda: None) -> Callable[[str, int], bytes | None]:
    """A server's script: it takes mails, and the connection is lost before it says so; so many times."""

    def script(command: str, count: int) -> bytes | None:
        if command == "dot" and count < times:
            before()
            return None
        return friendly(command, count)

    return script


def filing(port: int, **changes: Any) -> dict[str, Any]:
    """An account whose provider files what it sends."""
    return entry("releases", port, imap=IMAP, smtp={"files_sent_copies": True}, **changes)


class _Unheard:
    """Takes what is to be published; the test looks into the store."""

    def publish(self, _messages: Sequence[Outgoing]) -> PublishResult:
        return PublishResult(unheard=0)


def results(room: Sendroom) -> Results:
    """The processor's handler of reports."""
    return Results(room.store, OutboxRelay(room.store, _Unheard(), "processor"), SHARDS, utc_now)


def report(room: Sendroom, message: MailboxDone | MailBounced, times: int = 1) -> None:
    """Let the processor hear it, so many times."""
    envelope = envelop(message, source="test", now=utc_now(), message_id="report")
    delivery = Delivery("q", envelope, encode(envelope), redelivered=False, attempt=1)
    for _ in range(times):
        assert results(room)([delivery]) == [Ack()]


@contextmanager
def mailbox(
    room: Sendroom, answer: Callable[[int], bool | str]
) -> Iterator[list[MailboxFind | MailboxAppend]]:
    """Stands in for the fetcher: each order is answered by its number, twice, as brokers may."""
    orders: list[Order] = []

    def obey(deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        for each in deliveries:
            command = each.envelope.message
            said = answer(len(orders))
            orders.append(command)
            done = MailboxDone(
                account=command.account,
                command_id=each.envelope.id,
                action=command.TYPE.partition(".")[2],
                folder="Sent",
                found=None if isinstance(said, str) else said,
                refused=said if isinstance(said, str) else "",
            )
            report(room, done, times=2)
        return [Ack()] * len(deliveries)

    queues = [topology.fetcher_commands(shard) for shard in range(SHARDS)]
    attempts = StoredAttempts(room.store)
    with running(Consumer(room.settings.broker, queues, obey, name="mailbox", attempts=attempts)):
        yield orders


@contextmanager
def sending(room: Sendroom, account: dict[str, Any]) -> Iterator[Parts]:
    """A sender that has this account."""
    room.write_accounts(account)
    with room.sender() as parts:
        yield parts


def has(parts: Parts, room: Sendroom, account: dict[str, Any]) -> None:
    """Let the sender have another account from now on."""
    room.write_accounts(account)
    accounts = parts.loops["accounts"]
    assert isinstance(accounts, AccountsLoop)
    accounts.look()


def copy_of(room: Sendroom) -> Any:
    """The one copy for the folder for sent mail."""
    with room.store.read() as connection:
        return connection.execute(select(sent_copies)).mappings().first() or {"state": ""}


def said(room: Sendroom, *arguments: str) -> tuple[int, Any]:
    """What `postroom sends` says: the exit code, and the JSON or the words."""
    environment = {"POSTROOM_DATA_DIR": str(room.folder), "POSTROOM_SHARDS": str(SHARDS)}
    result = CliRunner().invoke(main, ["sends", *arguments], env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, json.loads(result.stdout) if result.exit_code == 0 else result.output


def in_doubt(room: Sendroom) -> list[Any]:
    with room.store.read() as connection:
        return list(connection.execute(select(doubts)))


def test_a_mail_of_a_program_is_parked_told_and_sent_again_as_the_same_mail_when_a_person_says_so(
    room: Sendroom,
) -> None:
    def rename() -> None:
        has(parts, room, entry("releases", server.port, from_name="Another name"))

    with scripted(lost(1, rename)) as server, sending(room, entry("releases", server.port)) as parts:
        room.order(plain(1, event="build.done"))
        room.wait_for(MailUncertain)
        room.wait_for_state("build-1", "uncertain")
        code, shown = said(room, "show", "build-1", "--json")
        assert (code, shown["state"], shown["event"]) == (0, "uncertain", "build.done")
        assert shown["doubt"]["parked_at"] is not None
        _, listed = said(room, "list", "--state", "uncertain", "--json")
        assert [row["send_id"] for row in listed["rows"]] == ["build-1"]
        assert said(room, "resolve", "build-1", "resend", "--json")[1]["resolved"] == ["build-1"]
        room.wait_for(MailSent)
        again = said(room, "resolve", "build-1", "resend", "--json")
        contrary = said(room, "resolve", "build-1", "sent", "--json")
    assert server.contents[0] == server.contents[1]
    assert len(server.contents) == 2
    assert (again[0], again[1]["resolved"], again[1]["repeated"]) == (0, [], ["build-1"])
    assert (contrary[0], "only what is uncertain can be resolved" in contrary[1]) == (2, True)
    assert len(room.events(MailUncertain)) == 1


def test_a_request_is_sent_again_byte_for_byte_whatever_the_settings_are_by_then(room: Sendroom) -> None:
    def rename() -> None:
        has(parts, room, entry("releases", server.port, from_name="Another name"))

    with scripted(lost(1, rename)) as server, sending(room, entry("releases", server.port)) as parts:
        room.order(approval(1))
        room.wait_for(MailSent)
        room.wait_until(lambda: not in_doubt(room), "what was kept to be forgotten")
    assert server.contents[0] == server.contents[1]
    assert len(server.contents) == 2
    assert room.events(MailUncertain) == []
    assert room.row("deploy-1:ask:0").settled_by == "policy"


def test_a_request_that_is_lost_each_time_is_sent_three_times_and_then_parked(room: Sendroom) -> None:
    with scripted(lost(9)) as server, sending(room, entry("releases", server.port)):
        room.order(approval(1))
        room.wait_for(MailUncertain)
    assert len(server.contents) == 3
    assert in_doubt(room)[0].parked_at is not None


def test_what_lies_in_the_folder_for_sent_mail_was_sent(room: Sendroom) -> None:
    with (
        scripted(lost(1)) as server,
        mailbox(room, lambda _number: True) as orders,
        # Though it would be sent again if it were not there.
        sending(room, filing(server.port, uncertain="resend")),
    ):
        room.order(plain(1))
        room.wait_for_state("build-1", "sent")
        assert in_doubt(room) == []
    (look,) = orders
    assert isinstance(look, MailboxFind)
    assert (look.folder, look.message_id) == (None, room.row("build-1").message_id)
    assert len(server.contents) == 1
    assert room.row("build-1").settled_by == "found"


def test_after_each_step_a_sender_may_end_and_another_goes_on(room: Sendroom) -> None:
    """Nothing is sent a second time while the folder for sent mail has not been looked into."""
    found: list[bool] = []
    with scripted(lost(1)) as server:
        room.write_accounts(filing(server.port))
        room.order(plain(1))
        with room.sender():
            room.wait_for_state("build-1", "uncertain")
        with room.sender():
            room.wait_until(lambda: in_doubt(room)[0].look_id is not None, "a look to be ordered")
        assert room.row("build-1").state == "uncertain"
        with mailbox(room, lambda _number: True) as orders, room.sender():
            room.wait_for_state("build-1", "sent")
            found.append(True)
    assert len(server.contents) == 1
    assert len(orders) >= 1
    assert room.row("build-1").settled_by == "found"


def test_where_the_folder_does_not_have_it_nobody_sends_it_again_but_a_person(room: Sendroom) -> None:
    with (
        scripted(lost(1)) as server,
        mailbox(room, lambda _number: False),
        sending(room, filing(server.port)),
    ):
        room.order(plain(1))
        room.wait_until(lambda: any(each.parked_at for each in in_doubt(room)), "the mail to be parked")
        assert in_doubt(room)[0].answer == "not in the folder for sent mail"
        # Said to be sent after all: an answer that comes later changes nothing.
        assert said(room, "resolve", "build-1", "sent", "--json")[1]["resolved"] == ["build-1"]
        room.wait_for(MailSent)
    assert len(server.contents) == 1
    assert len(room.events(MailUncertain)) == 1


def test_a_bounce_settles_it(room: Sendroom) -> None:
    with scripted(lost(1)) as server, sending(room, entry("releases", server.port)):
        room.order(plain(1, event="build.done"))
        room.wait_for_state("build-1", "uncertain")
        row = room.row("build-1")
        bounce = MailBounced(
            account="releases",
            send_id="build-1",
            recipient=row.recipient,
            message_id=row.message_id,
            reason_code="hard_bounce",
            reason="no such user",
        )
        report(room, bounce, times=2)
    assert room.row("build-1").state == "bounced"
    _, listed = said(room, "list", "--event", "build.done", "--json")
    assert {row["kind"] for row in listed["rows"]} == {"bounce", "send"}
    assert len(listed["rows"]) == 2


def test_a_copy_that_the_mailbox_refuses_does_not_fail_the_mail_and_is_ordered_again(
    room: Sendroom,
) -> None:
    def answer(number: int) -> bool | str:
        return "over quota" if number == 0 else False

    with (
        scripted(friendly) as server,
        mailbox(room, answer) as orders,
        sending(room, entry("releases", server.port, imap=IMAP)),
    ):
        room.order(plain(1))
        room.wait_for(MailSent)
        room.wait_until(lambda: copy_of(room)["state"] == "refused", "the copy to be refused")
        assert copy_of(room)["detail"] == "over quota"
        with room.store.write() as connection:
            connection.execute(update(sent_copies).values(due_at=utc_now()))
        room.wait_until(lambda: copy_of(room)["state"] == "filed", "the copy to be filed")
    first, second = orders
    assert isinstance(first, MailboxAppend)
    assert first == second
    assert Spool(room.settings.spool).get(first.dataref) == server.contents[0]


def test_of_what_is_sent_as_much_is_kept_as_mail_and_account_say(room: Sendroom) -> None:
    depths = {1: "full", 2: "headers", 3: "nothing"}
    with scripted(friendly) as server, sending(room, entry("releases", server.port)):
        room.order(*[plain(number, log=depth) for number, depth in depths.items()], approval(4))
        room.wait_for(MailSent, 4)
    shown = {number: said(room, "show", f"build-{number}", "--json")[1] for number in depths}
    assert {number: each["log"] for number, each in shown.items()} == depths
    assert [each["whole_mail"] for each in shown.values()] == [True, False, False]
    assert "Subject: Build 2" in shown[2]["headers"]
    assert (shown[1]["headers"], shown[3]["headers"], shown[3]["subject"]) == ("", "", "")
    assert shown[1]["conversation_id"] is not None
    assert said(room, "show", "build-1", "--copy", str(room.folder / "copy.eml"), "--json")[0] == 0
    assert (room.folder / "copy.eml").read_bytes() in server.contents
    # What proves who may decide is told to nobody.
    asked = said(room, "show", "deploy-4:ask:0", "--json")[1]
    assert TOKEN not in json.dumps(asked)
    assert (asked["log"], asked["headers"]) == ("headers", "")
