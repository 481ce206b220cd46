"""Servers that are hostile, strange or broken: each harms its own mailbox only, and none of its mail is lost.

All of them are watched by one fetcher, together with a good one. Each dialogue is judged, then its server
behaves again, and all its mail must have been published once, whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from postroom.account import Account
from postroom.messages import AccountFetchNow
from postroom_fetcher.deadline import Patience
from postroom_fetcher.status import SET_ASIDE_CODE
from tests.integration.fetcher.hostile import HOSTILITIES, READ
from tests.integration.fetcher.mailroom import Mailroom, mail, open_mailroom
from tests.servers.imap_connection import Steps
from tests.servers.imap_script import Answer, Command, Connection, Default, ImapScript
from tests.waiting import wait_until

MAILS = [mail(number, size=500) for number in range(3)]
PATIENCE = Patience(silence_s=1.0, command_s=3.0, sign_of_life_s=1.0, connect_s=1.0, opening_s=3.0)
FETCH_NOW_EVERY_S = 0.25


def _entry(name: str, server: ImapScript, **imap: Any) -> dict[str, Any]:
    settings = {
        "host": server.host,
        "port": server.port,
        "security": "none",
        "user": server.user,
        "since": "beginning",
        "interval": "2s",
        "count": 1000,
    }
    return {"name": name, "address": server.user, "imap": {**settings, **imap}}


def _named(hostility: str) -> str:
    return hostility.replace(" ", "-").lower()


@dataclass
class Ward:
    """A fetcher that watches one hostile server of each kind, and a good one."""

    mailroom: Mailroom
    servers: dict[str, ImapScript]
    good: ImapScript

    def wait_for_all(self, hostility: str, mails: list[bytes]) -> None:
        """Wait until the mails of a server have been published, asking for them again and again."""
        name = _named(hostility)

        def there() -> bool:
            if len(self.mailroom.mails(name)) >= len(mails):
                return True
            self.mailroom.send(AccountFetchNow(account=name))
            return False

        wait_until(there, 30, f"the mails of {name}", interval_s=FETCH_NOW_EVERY_S)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """The fetcher at work; all servers are hostile from the beginning."""
    with ExitStack() as stack:
        servers = {name: stack.enter_context(ImapScript()) for name in HOSTILITIES}
        good = stack.enter_context(ImapScript())
        for name, server in servers.items():
            for each in MAILS:
                server.inbox.add(each)
            HOSTILITIES[name].begin(server)
        mailroom = stack.enter_context(open_mailroom(tmp_path_factory.mktemp("ward")))
        entries = [_entry(_named(name), server) for name, server in servers.items()]
        mailroom.write_accounts(*entries, _entry("good", good), password=good.password)
        with mailroom.fetcher(PATIENCE):
            yield Ward(mailroom, servers, good)


@pytest.mark.parametrize("hostility", HOSTILITIES)
def test_what_a_server_does_harms_its_own_mailbox_only(ward: Ward, hostility: str) -> None:
    name, server = _named(hostility), ward.servers[hostility]
    outcome = HOSTILITIES[hostility].outcome
    if outcome == READ:
        ward.wait_for_all(hostility, MAILS)
        ward.mailroom.wait_for_status(name, "green", "ok")
    else:
        ward.mailroom.wait_for_status(name, "red", outcome, timeout_s=40)
        assert not ward.mailroom.mails(name), "nothing is published before it is whole"
    server.behave()
    server.inbox.add(mail(99))
    ward.wait_for_all(hostility, [*MAILS, mail(99)])
    ward.mailroom.wait_for_status(name, "green", "ok")
    assert sorted(each.content or b"" for each in ward.mailroom.mails(name)) == sorted([*MAILS, mail(99)])


def test_a_good_mailbox_beside_hostile_ones_has_its_mail_at_once(ward: Ward) -> None:
    before = len(ward.mailroom.mails("good"))
    ward.mailroom.wait_for_status("good", "green", "ok")
    for number in range(5):
        ward.good.inbox.add(mail(number))
        ward.mailroom.wait_for_mails(before + number + 1, timeout_s=5, account="good")


def _hurried(mailroom: Mailroom, reason_code: str) -> Any:
    """The status with this reason code, or None; the pauses between tries are left out."""
    row = mailroom.status("team")
    if row is not None and row.reason_code == reason_code:
        return row
    mailroom.send(AccountFetchNow(account="team"))
    return None


def test_one_mail_that_does_not_come_is_set_aside_and_the_mailbox_goes_on(tmp_path: Path) -> None:
    def withhold(command: Command, _connection: Connection) -> Steps | None:
        asked = b"BODY.PEEK[]" in command.text
        return [Default(change=lambda data: re.sub(rb"UID 2 ", b"UID 77 ", data))] if asked else None

    with ImapScript() as server, open_mailroom(tmp_path) as mailroom:
        for each in MAILS:
            server.inbox.add(each)
        server.on("UID FETCH", withhold)
        mailroom.write_accounts(_entry("team", server, interval="1h"), password=server.password)
        with mailroom.fetcher(PATIENCE):
            row = wait_until(
                lambda: _hurried(mailroom, SET_ASIDE_CODE),
                20,
                "a mail set aside",
                interval_s=FETCH_NOW_EVERY_S,
            )
            assert row.colour == "green"
            assert "1 mail is set aside" in row.sentence
            assert "UID 2" in row.sentence
            assert sorted(each.uid for each in mailroom.wait_for_mails(2)) == [1, 3]
            server.inbox.add(mail(99))
            mailroom.wait_for_mails(3)
        with mailroom.fetcher(PATIENCE):
            # Another process knows it too, and an operator's word makes it try again.
            mailroom.wait_for_status("team", "green", SET_ASIDE_CODE)
            server.behave()
            mailroom.send(AccountFetchNow(account="team"))
            mailroom.wait_for_mails(4)
            mailroom.wait_for_status("team", "green", "ok")
        assert sorted(each.uid for each in mailroom.mails()) == [1, 2, 3, 4]


@pytest.mark.parametrize("folder", ["INBOX\r\nA1 DELETE x", "INBOX\n", "a\0b", "tab\there", ""])
@pytest.mark.parametrize("setting", ["folder", "sent_folder"])
def test_folder_names_that_cannot_be_said_are_refused_by_the_settings(setting: str, folder: str) -> None:
    server = {"host": "imap.example.org", "user": "a", "password": "env:X", setting: folder}
    with pytest.raises(ValidationError, match=setting):
        Account.model_validate({"name": "team", "address": "a@example.org", "imap": server})


def test_the_wait_that_a_busy_server_asks_for_is_kept(tmp_path: Path) -> None:
    with ImapScript() as server, open_mailroom(tmp_path) as mailroom:
        answer = "NO Request is throttled. Suggested Backoff Time: 299999 milliseconds"
        server.on("EXAMINE", Answer(answer))
        mailroom.write_accounts(_entry("team", server), password=server.password)
        with mailroom.fetcher(PATIENCE):
            row = mailroom.wait_for_status("team", "red", "throttled")
        assert (row.next_try_at - row.since).total_seconds() > 290
