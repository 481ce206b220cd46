"""News wherever a server may tell of it, mailboxes that take turns, and the folder for sent mail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postroom.messages import AccountFetchNow, AccountFolders
from postroom_fetcher.deadline import Patience
from tests.integration.fetcher.mailroom import Mailroom, mail, open_mailroom
from tests.servers.certificates import Authority
from tests.servers.imap_connection import Connection, Step, Steps
from tests.servers.imap_grammar import Command
from tests.servers.imap_script import Answer, ExpectLine, ImapScript, Pause

QUICK = Patience(silence_s=2.0, command_s=4.0, sign_of_life_s=1.0, connect_s=2.0, opening_s=4.0)


def _entry(name: str, server: ImapScript, user: str = "", **imap: Any) -> dict[str, Any]:
    settings = {
        "host": server.host,
        "port": server.port,
        "security": "none",
        "user": user or server.user,
        "since": "beginning",
        "interval": "1h",
        "count": 1000,
    }
    return {"name": name, "address": "a@example.org", "imap": {**settings, **imap}}


EXISTS = b"* 1 EXISTS\r\n"
GO = b"+ go on\r\n"
DONE = ExpectLine(rb"DONE\s*")
PLACES: dict[str, tuple[Step | bytes, ...]] = {
    "before the +": (EXISTS, GO, DONE, Answer("OK done")),
    "with the +": (GO + EXISTS, DONE, Answer("OK done")),
    "after the +": (GO, Pause(0.2), EXISTS, DONE, Answer("OK done")),
    "between DONE and OK": (GO, DONE, EXISTS, Answer("OK done")),
    "after the OK": (GO, DONE, Answer("OK done"), EXISTS),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_news_is_found_wherever_around_idle_it_is_told(
    mailroom: Mailroom, tmp_path: Path, place: str, *, tls: bool
) -> None:
    authority = Authority.create(tmp_path / "authority")
    context = authority.issue("server").server_context() if tls else None
    with ImapScript(tls=context) as server:

        def come(_command: Command, connection: Connection) -> Steps:
            # The script tells of the mail in its own place, and the folder does not.
            folder, connection.folder = connection.folder, None
            assert folder is not None
            folder.close(connection)
            folder.add(mail(1))
            return PLACES[place]

        server.on("IDLE", come, times=1)
        entry = _entry("team", server, security="tls" if tls else "none")
        entry["ca_file"] = str(authority.certificate)
        mailroom.write_accounts(entry, password=server.password)
        with mailroom.fetcher(QUICK):
            server.wait_for("IDLE")
            if "DONE" in place or "OK" in place:
                mailroom.send(AccountFetchNow(account="team"))
            mailroom.wait_for_mails(1, timeout_s=10)


def test_sent_mail_is_read_at_the_interval_and_marked_as_such(mailroom: Mailroom) -> None:
    with ImapScript() as server:
        server.inbox.add(mail(1))
        server.mailbox.folder("Sent").add(mail(2))
        mailroom.write_accounts(_entry("team", server, interval="1s"), password=server.password)
        with mailroom.fetcher(QUICK):
            mailroom.wait_for_mails(2)
            server.mailbox.folder("Sent").add(mail(3))
            found = mailroom.wait_for_mails(3)
        assert server.record.connections == 1
    assert {each.content: each.role for each in found} == {mail(1): "inbox", mail(2): "sent", mail(3): "sent"}


def test_sent_mail_is_left_alone_where_the_account_says_so(mailroom: Mailroom) -> None:
    with ImapScript() as server:
        server.mailbox.folder("Sent").add(mail(2))
        entry = _entry("team", server, interval="1s", watch_sent=False)
        mailroom.write_accounts(entry, password=server.password)
        with mailroom.fetcher(QUICK):
            server.wait_for("IDLE", 3)
        assert not server.commands("STATUS")
    assert not mailroom.mails()


def test_mailboxes_take_turns_where_a_host_allows_few_connections(tmp_path: Path) -> None:
    with ImapScript() as server, open_mailroom(tmp_path, imap_connections_per_host=2) as mailroom:
        boxes = {f"box-{number}": server.account(f"{number}@example.org") for number in range(8)}
        most = 0

        def count(_command: Command, _connection: Connection) -> None:
            nonlocal most
            most = max(most, server.record.open_connections)

        server.on("EXAMINE", count)
        entries = [_entry(name, server, box.user, interval="1s") for name, box in boxes.items()]
        mailroom.write_accounts(*entries, password=server.password)
        with mailroom.fetcher(QUICK):
            for number in range(3):
                for box in boxes.values():
                    box.inbox.add(mail(number))
                for name in boxes:
                    mailroom.wait_for_mails(number + 1, account=name)
            for name in boxes:
                answer = mailroom.answer(mailroom.send(AccountFolders(account=name)))
                assert "INBOX" in [folder.name for folder in answer.folders]
    assert most <= 2
