"""Commands at servers that can do less, that come before the ledger, or that many wait for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select

from postroom.messages import MailboxDelete, MailboxMarkRead, MailboxMove, MailReceived
from postroom.store.schema import fetch_ledger
from tests.integration.fetcher.mailroom import Mailroom
from tests.servers.imap_script import Command, Connection, ImapScript
from tests.waiting import wait_until

COUNT = 10


@pytest.fixture(params=[()])
def server(request: pytest.FixtureRequest) -> Iterator[ImapScript]:
    """A server with ten mails that lacks what the test says."""
    with ImapScript(without=request.param) as there:
        there.inbox.fill(COUNT)
        yield there


def account(server: ImapScript, **settings: Any) -> dict[str, Any]:
    """An entry of the accounts file."""
    imap = {
        "host": server.host,
        "port": server.port,
        "security": "none",
        "user": server.user,
        "since": settings.pop("since", "beginning"),
        "interval": "1h",
    }
    return {"name": "team", "address": server.user, "imap": imap, **settings}


def place_of(received: MailReceived) -> dict[str, Any]:
    """Where a mail lies."""
    return {"account": "team", "folder": received.folder, "uidvalidity": received.uidvalidity}


def handed_on(mailroom: Mailroom) -> dict[str, Any]:
    """Where the ten mails lie, once the ledger has them."""
    place = place_of(mailroom.wait_for_mails(COUNT)[0])
    wait_until(lambda: _recorded(mailroom) == COUNT, 10, "the ledger")
    return place


def _recorded(mailroom: Mailroom) -> int:
    with mailroom.store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(fetch_ledger)).scalar_one())


@pytest.mark.parametrize("server", [("UIDPLUS", "MOVE")], indirect=True, ids=["without UIDPLUS and MOVE"])
@pytest.mark.parametrize(
    "after",
    [{"after_processing": "delete", "dedicated": True}, {"after_processing": "move", "move_to": "Done"}],
)
def test_where_deleted_mails_can_only_be_flagged_result_and_status_say_so(
    mailroom: Mailroom, server: ImapScript, after: dict[str, Any]
) -> None:
    mailroom.write_accounts(account(server, **after))
    with mailroom.fetcher():
        place = handed_on(mailroom)
        result = mailroom.answer(mailroom.send(MailboxDelete(**place, uids=(2, 3))))
        status = mailroom.wait_for_status("team", "green", "ok")
    assert (result.done, "UIDPLUS" in result.refused) == ((), True)
    assert "no UIDPLUS" in status.sentence
    assert {uid for uid in server.inbox.uids() if "\\Deleted" in server.inbox.flags(uid)} == {2, 3}
    assert server.commands("EXPUNGE") == server.commands("UID EXPUNGE") == server.commands("CLOSE") == 0


@pytest.mark.parametrize(
    ("server", "after"),
    [(("UIDPLUS",), {"after_processing": "move", "move_to": "Done"}), (("UIDPLUS", "MOVE"), {})],
    indirect=["server"],
    ids=["moves by MOVE", "removes nothing"],
)
def test_a_lack_that_does_not_matter_is_not_mentioned(
    mailroom: Mailroom, server: ImapScript, after: dict[str, Any]
) -> None:
    mailroom.write_accounts(account(server, **after))
    with mailroom.fetcher():
        assert mailroom.wait_for_status("team", "green", "ok").sentence == "the mailbox is watched"


def test_the_commands_for_a_folder_become_one(mailroom: Mailroom, server: ImapScript) -> None:
    mailroom.write_accounts(account(server))
    with mailroom.fetcher():
        place = handed_on(mailroom)
    ids = [mailroom.send(MailboxMarkRead(**place, uids=(uid,))) for uid in (1, 3, 5)]
    ids += [mailroom.send(MailboxDelete(**place, uids=(uid,))) for uid in (2, 4, 6)]
    ids += [mailroom.send(MailboxMove(**place, uids=(uid,), target="Done")) for uid in (7, 8)]
    with mailroom.fetcher():
        results = [mailroom.answer(each) for each in ids]
    assert [each.done for each in results] == [(uid,) for uid in (1, 3, 5, 2, 4, 6, 7, 8)]
    names = ("UID STORE", "UID EXPUNGE", "UID MOVE")
    assert {name: server.commands(name) for name in names} == {
        "UID STORE": 2,
        "UID EXPUNGE": 1,
        # The first finds no folder, which is made then.
        "UID MOVE": 2,
    }
    assert list(server.inbox.uids()) == [1, 3, 5, 9, 10]


def test_a_mail_that_was_never_handed_on_is_not_deleted(mailroom: Mailroom, server: ImapScript) -> None:
    mailroom.write_accounts(account(server, since="now"))
    with mailroom.fetcher():
        mailroom.wait_for_status("team", "green", "ok")
        server.inbox.fill(1)
        place = place_of(mailroom.wait_for_mails(1)[0])
        result = mailroom.answer(mailroom.send(MailboxDelete(**place, uids=(3, COUNT + 1))))
    assert (result.done, result.changed) == ((COUNT + 1,), (3,))
    assert list(server.inbox.uids()) == list(range(1, COUNT + 1))


def test_a_mail_that_changed_under_its_uid_is_left_alone(mailroom: Mailroom, server: ImapScript) -> None:
    """A restored mailbox with the same UIDVALIDITY, which it should not have."""
    mailroom.write_accounts(account(server))
    with mailroom.fetcher():
        place = handed_on(mailroom)
        server.inbox.remove(4)
        server.inbox.add(b"Subject: restored\r\n\r\nAnother mail.\r\n", uid=4)
        result = mailroom.answer(mailroom.send(MailboxDelete(**place, uids=(4, 5))))
    assert (result.done, result.changed, result.vanished) == ((5,), (4,), ())
    assert server.inbox.has(4)


def test_a_removal_whose_answer_is_lost_ends_with_the_mails_gone(
    mailroom: Mailroom, server: ImapScript
) -> None:
    """Whether we or somebody else removed them cannot be known then."""

    def cut(_command: Command, connection: Connection) -> None:
        connection.wire.reset()

    server.on("UID EXPUNGE", cut, times=1)
    mailroom.write_accounts(account(server))
    with mailroom.fetcher():
        place = handed_on(mailroom)
        result = mailroom.answer(mailroom.send(MailboxDelete(**place, uids=(4, 5))))
    assert (result.done, result.vanished, result.refused) == ((), (4, 5), "")
    assert list(server.inbox.uids()) == [1, 2, 3, *range(6, COUNT + 1)]
