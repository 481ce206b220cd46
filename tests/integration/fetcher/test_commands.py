"""What the processor and the sender order is done to the mailbox, once, and told as a result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from postroom import topology
from postroom.broker.consumer import Ack, Consumer, Delivery
from postroom.messages import (
    AccountFolders,
    MailboxAppend,
    MailboxCommand,
    MailboxDelete,
    MailboxFind,
    MailboxMarkRead,
    MailboxMove,
    derive_id,
    mail_id,
)
from postroom.spool import Spool
from postroom.store.attempts import StoredAttempts
from postroom.store.schema import fetch_ledger
from postroom_fetcher.mailbox import Past, act
from postroom_fetcher.progress import Progress
from postroom_fetcher.session import Session
from tests.integration.fetcher.mailroom import SHARDS, Mailroom, entry, mail, open_mailroom
from tests.loops import running
from tests.servers.dovecot import Account, Dovecot
from tests.waiting import wait_until

pytestmark = pytest.mark.needs("dovecot")
COUNT = 8
TESTS = 14


@pytest.fixture(scope="module")
def mailroom(
    tmp_path_factory: pytest.TempPathFactory, dovecot: Dovecot, users: dict[str, Account]
) -> Iterator[Mailroom]:
    """A running fetcher that has handed on the mails 1 to 8 of every user, one for each test."""
    with open_mailroom(tmp_path_factory.mktemp("commands")) as room:
        room.write_accounts(*(entry(name, dovecot, user) for name, user in users.items()))
        for user in users.values():
            dovecot.append(user.user, "INBOX", [mail(number) for number in range(1, COUNT + 1)])
        with room.fetcher():
            room.wait_for_mails(COUNT * len(users), timeout_s=60)
            # The cursor follows the mail: the ledger must know it before a command is recorded there.
            wait_until(lambda: all(len(_actions(room, name)) == COUNT for name in users), 10, "the ledger")
            yield room


@pytest.fixture(scope="module")
def users(dovecot: Dovecot) -> dict[str, Account]:
    return {f"team-{number}": dovecot.account() for number in range(TESTS)}


@pytest.fixture(scope="module")
def unused(users: dict[str, Account]) -> Iterator[str]:
    return iter(users)


@pytest.fixture
def where(mailroom: Mailroom, unused: Iterator[str]) -> dict[str, Any]:
    """Where the mails of this test's own account lie."""
    account = next(unused)
    return {
        "account": account,
        "folder": "INBOX",
        "uidvalidity": mailroom.mails(account)[0].uidvalidity,
    }


@pytest.fixture
def dovecot_account(users: dict[str, Account], where: dict[str, Any]) -> Account:
    """The user of this test's own account."""
    return users[where["account"]]


def test_marking_read_sets_the_flag_and_nothing_else(
    mailroom: Mailroom, where: dict[str, Any], dovecot: Dovecot, dovecot_account: Account
) -> None:
    ids = [mailroom.send(MailboxMarkRead(**where, uids=uids)) for uids in ((1, 2), (4,), (7, 99))]
    results = [mailroom.answer(each) for each in ids]
    assert [each.done for each in results] == [(1, 2), (4,), (7,)]
    assert [each.vanished for each in results] == [(), (), (99,)]
    assert {each.action for each in results} == {"mark_read"}
    flags = dovecot.flags(dovecot_account.user)
    assert {uid for uid, each in flags.items() if "\\Seen" in each} == {1, 2, 4, 7}
    assert _actions(mailroom, where["account"]) == {
        uid: "mark_read" if uid in (1, 2, 4, 7) else None for uid in flags
    }


def test_deleting_leaves_what_somebody_else_marked_as_deleted(
    mailroom: Mailroom, where: dict[str, Any], dovecot: Dovecot, dovecot_account: Account
) -> None:
    with dovecot.client(dovecot_account.user) as client:
        client.select_folder("INBOX")
        client.add_flags([3], ["\\Deleted"])
        client.unselect_folder()
    result = mailroom.answer(mailroom.send(MailboxDelete(**where, uids=(2, 4, 5))))
    assert (result.done, result.refused) == ((2, 4, 5), "")
    assert set(dovecot.flags(dovecot_account.user)) == {1, 3, 6, 7, 8}


def test_a_repeated_command_has_the_same_result_and_no_further_effect(
    mailroom: Mailroom, where: dict[str, Any], dovecot: Dovecot, dovecot_account: Account
) -> None:
    command = MailboxMove(**where, uids=(1, 2), target="Done/This year")
    first = mailroom.answer(mailroom.send(command, "the-command"))
    mailroom.send(command, "the-command")
    wait_until(lambda: len(_answers(mailroom, "the-command")) == 2, 10, "the second answer")
    again = _answers(mailroom, "the-command")[1]
    assert again.message == first
    assert again.id == derive_id("the-command", "mailbox.done")
    assert len(dovecot.mails(dovecot_account.user, "Done/This year")) == 2


def test_moving_creates_the_folder_and_keeps_the_bytes(
    mailroom: Mailroom, where: dict[str, Any], dovecot: Dovecot, dovecot_account: Account
) -> None:
    result = mailroom.answer(
        mailroom.send(MailboxMove(**where, uids=(3, 5, 77), target="Erledigt & Grüße/2026"))
    )
    assert (result.done, result.vanished) == ((3, 5), (77,))
    moved = dovecot.mails(dovecot_account.user, "Erledigt & Grüße/2026")
    assert sorted(moved.values()) == [mail(3), mail(5)]
    assert set(dovecot.flags(dovecot_account.user)) == {1, 2, 4, 6, 7, 8}


def test_nothing_is_done_where_uidvalidity_changed(
    mailroom: Mailroom, where: dict[str, Any], dovecot: Dovecot, dovecot_account: Account
) -> None:
    elsewhere = where | {"uidvalidity": where["uidvalidity"] + 1}
    result = mailroom.answer(mailroom.send(MailboxDelete(**elsewhere, uids=(1,))))
    assert "UIDVALIDITY changed" in result.refused
    assert result.done == ()
    assert len(dovecot.flags(dovecot_account.user)) == COUNT


def test_a_missing_folder_is_a_refusal(mailroom: Mailroom, where: dict[str, Any]) -> None:
    result = mailroom.answer(mailroom.send(MailboxDelete(**where | {"folder": "Nowhere"}, uids=(1,))))
    assert "'Nowhere' cannot be opened" in result.refused


def test_a_sent_mail_is_appended_once_and_found_by_its_whole_message_id(
    mailroom: Mailroom, where: dict[str, Any], dovecot: Dovecot, dovecot_account: Account
) -> None:
    dataref = Spool(mailroom.settings.spool).put([mail(100)])
    message_id = "<mail-100@example.net>"
    # Without a name it is the folder for sent mail.
    sent: dict[str, Any] = {"account": where["account"], "message_id": message_id}
    before = mailroom.answer(mailroom.send(MailboxFind(**sent)))
    results = [
        mailroom.answer(mailroom.send(MailboxAppend(**sent, dataref=dataref), command_id))
        for command_id in ("first", "second")
    ]
    after = mailroom.answer(mailroom.send(MailboxFind(**sent)))
    part = mailroom.answer(mailroom.send(MailboxFind(**sent | {"message_id": "mail-100@example.net"})))
    assert [each.found for each in (before, *results, after, part)] == [False, False, True, True, False]
    assert {each.folder for each in (before, *results, after)} == {"Sent"}
    assert list(dovecot.mails(dovecot_account.user, "Sent").values()) == [mail(100)]
    assert set(dovecot.flags(dovecot_account.user, "Sent").values()) == {frozenset({"\\Seen"})}


def test_a_mail_is_appended_to_a_folder_that_was_missing(
    mailroom: Mailroom, where: dict[str, Any], dovecot: Dovecot, dovecot_account: Account
) -> None:
    dataref = Spool(mailroom.settings.spool).put([mail(100)])
    sent: dict[str, Any] = {
        "account": where["account"],
        "folder": "Sent 2026",
        "message_id": "<mail-100@example.net>",
    }
    missing = mailroom.answer(mailroom.send(MailboxFind(**sent)))
    done = mailroom.answer(mailroom.send(MailboxAppend(**sent, dataref=dataref, flags=())))
    assert "'Sent 2026' cannot be opened" in missing.refused
    assert (done.found, done.refused) == (False, "")
    assert list(dovecot.mails(dovecot_account.user, "Sent 2026").values()) == [mail(100)]


@pytest.mark.parametrize("lacking", [("MOVE",), ("UIDPLUS",), ("MOVE", "UIDPLUS")], ids="+".join)
def test_a_server_with_fewer_capabilities_is_used_as_far_as_it_goes(
    mailroom: Mailroom,
    where: dict[str, Any],
    dovecot: Dovecot,
    dovecot_account: Account,
    lacking: tuple[str, ...],
) -> None:
    user = dovecot_account.user
    account = mailroom.accounts().get(where["account"])
    assert account is not None
    session = mailroom.connect(account)
    session.__class__ = type("Lacking", (Session,), {"has": lambda _self, name: name not in lacking})
    move = MailboxMove.model_validate(where | {"uids": (1, 2), "target": "Done"})
    delete = MailboxDelete.model_validate(where | {"uids": (3,)})
    effects = [act(session, command, command.uids, _past(mailroom, command)) for command in (move, delete)]
    session.close()
    assert list(dovecot.mails(user, "Done").values()) == [mail(1), mail(2)]
    left = {uid for uid, flags in dovecot.flags(user).items() if "\\Deleted" not in flags}
    assert left == {4, 5, 6, 7, 8}
    if "UIDPLUS" in lacking:
        assert "UIDPLUS" in effects[1].refused
        assert 3 in dovecot.flags(user)
    else:
        assert [effect.done for effect in effects] == [{1, 2}, {3}]
        assert set(dovecot.flags(user)) == left


def test_the_folders_are_listed_with_the_one_for_sent_mail(mailroom: Mailroom, where: dict[str, Any]) -> None:
    listed = mailroom.answer(mailroom.send(AccountFolders(account=where["account"])))
    assert {folder.name for folder in listed.folders} == {"INBOX", "Sent", "Trash"}
    assert (listed.sent_folder, listed.sent_rule) == ("Sent", "special-use")


def test_what_cannot_be_handled_goes_to_quarantine_with_the_reason(
    mailroom: Mailroom, where: dict[str, Any]
) -> None:
    mailroom.send(MailboxMarkRead(**where | {"account": "nobody"}, uids=(1,)))
    mailroom.send(
        MailboxAppend(account=where["account"], folder="Sent", message_id="<x@y>", dataref="spool:sha256:0")
    )
    reasons = _quarantined(mailroom, 2)
    assert any("there is no account 'nobody'" in reason for reason in reasons)
    assert any("no reference into the spool" in reason for reason in reasons)


def _past(mailroom: Mailroom, command: MailboxCommand) -> Past:
    """What the ledger has of the command's mails."""
    ids = {uid: mail_id(command.account, command.folder, command.uidvalidity, uid) for uid in command.uids}
    known = Progress(mailroom.store).known(list(ids.values()))
    return Past({uid: known[own_id].fingerprint for uid, own_id in ids.items()})


def _actions(mailroom: Mailroom, account: str) -> dict[int, str | None]:
    with mailroom.store.read() as connection:
        wanted = select(fetch_ledger.c.uid, fetch_ledger.c.action)
        rows = connection.execute(wanted.where(fetch_ledger.c.account == account))
        return {row.uid: row.action for row in rows}


def _answers(mailroom: Mailroom, command_id: str) -> list[Any]:
    return [each for each in list(mailroom.heard) if each.causation_id == command_id]


def _quarantined(mailroom: Mailroom, count: int) -> list[str]:
    reasons: list[str] = []

    def note(deliveries: Any) -> list[Ack]:
        reasons.extend(_reason(each) for each in deliveries)
        return [Ack()] * len(deliveries)

    queues = [topology.dead_queue(topology.fetcher_commands(shard)) for shard in range(SHARDS)]
    attempts = StoredAttempts(mailroom.store)
    with running(Consumer(mailroom.settings.broker, queues, note, name="grave", attempts=attempts)):
        wait_until(lambda: len(reasons) >= count, 20, f"{count} messages in quarantine")
    return reasons


def _reason(delivery: Delivery) -> str:
    return str(delivery.wire.headers["x-postroom-reason"])
