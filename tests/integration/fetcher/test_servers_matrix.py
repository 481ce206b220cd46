"""The fetcher on real servers of several kinds: what it does is the same on each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from postroom.messages import (
    AccountFetchNow,
    AccountFolders,
    AccountTest,
    MailboxAppend,
    MailboxDelete,
    MailboxFind,
    MailboxMarkRead,
    MailboxMove,
    MailReceived,
)
from postroom.spool import Spool
from tests.integration.fetcher import site
from tests.integration.fetcher.mailroom import Mailroom, mail, open_mailroom
from tests.integration.fetcher.site import Box, Site
from tests.waiting import wait_until

COUNT = 6
LARGE = mail(7, size=700_000)
LONG_AGO = datetime(2020, 5, 1, 12, 0, tzinfo=UTC)
SETTINGS: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "unread": {"messages": "unread"},
    "from-now": {"since": "now"},
    "from-a-day": {"since": "2020-06-01"},
    "pushed": {},
    "polled": {"interval": "10s"},
    "large": {},
    "marked": {},
    "deleted": {},
    "moved": {},
    "appended": {},
    "recreated": {"folder": "Work"},
    "writes": {},
}
"""An account for each test, with what its settings have of their own."""
SITES: Mapping[str, Callable[[pytest.FixtureRequest], Site]] = {
    "dovecot-sdbox": lambda request: site.with_accounts(request.getfixturevalue("dovecot")),
    "dovecot-maildir": lambda request: site.with_accounts(
        _nodes(request).dovecot(mail_format="maildir").server
    ),
    "cyrus": lambda request: site.with_accounts(request.getfixturevalue("cyrus")),
    "pymap": lambda request: site.pymap(_nodes(request).pymap()),
}
NEEDS = {"dovecot-sdbox": ["dovecot"], "dovecot-maildir": ["dovecot"], "cyrus": ["cyrus"], "pymap": []}


def _nodes(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("session_nodes")


@dataclass(frozen=True)
class Place:
    """A running fetcher and the server whose mailboxes it watches; `boxes` by account."""

    room: Mailroom
    site: Site
    boxes: Mapping[str, Box]

    def where(self, account: str) -> dict[str, Any]:
        """Where the mails of an account lie."""
        (uidvalidity,) = {each.uidvalidity for each in self.received(account)}
        return {"account": account, "folder": self.boxes[account].folder, "uidvalidity": uidvalidity}

    def received(self, account: str) -> list[MailReceived]:
        """What of the account's folder was handed on so far."""
        return [each for each in self.room.mails(account) if each.role == "inbox"]

    def wait_for(self, account: str, count: int) -> list[MailReceived]:
        """The same, once there are so many."""
        wait_until(lambda: len(self.received(account)) >= count, 20, f"{count} mails of {account}")
        return self.received(account)

    def append(self, account: str, *mails: bytes) -> None:
        """Put mails into the account's folder."""
        box = self.boxes[account]
        with self.site.access.client(box.user.user) as client:
            for each in mails:
                client.append(box.folder, each)

    def mails(self, account: str, folder: str | None = None) -> dict[int, bytes]:
        """The mails in a folder, by default the one that is read."""
        box = self.boxes[account]
        return self.site.access.mails(box.user.user, folder or box.folder)

    def flags(self, account: str) -> dict[int, frozenset[str]]:
        """Their flags."""
        return self.site.access.flags(self.boxes[account].user.user, self.boxes[account].folder)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(make, id=name, marks=[pytest.mark.needs(*NEEDS[name])]) for name, make in SITES.items()
    ],
)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A fetcher that has handed on what was there when it started."""
    on: Site = request.param(request)
    with open_mailroom(tmp_path_factory.mktemp("matrix")) as room:
        place = Place(room, on, {name: _box(on, settings) for name, settings in SETTINGS.items()})
        for name in SETTINGS:
            _fill(place, name)
        entries = [on.entry(name, place.boxes[name], **_server(each)) for name, each in SETTINGS.items()]
        room.write_accounts(*entries)
        with room.fetcher():
            for name in SETTINGS:
                room.wait_for_status(name, "green", "ok", timeout_s=30)
            yield place


def _server(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "folder"}


def _box(on: Site, settings: dict[str, Any]) -> Box:
    box = on.new_box()
    if "folder" not in settings:
        return box
    on.access.create(box.user.user, settings["folder"])
    return Box(box.user, settings["folder"])


def _fill(place: Place, account: str) -> None:
    """The mails 1 to 6; of them 1 is read, and 2 old."""
    box = place.boxes[account]
    with place.site.access.client(box.user.user) as client:
        client.append(box.folder, mail(1), ["\\Seen"])
        client.append(box.folder, mail(2), (), LONG_AGO)
        for number in range(3, COUNT + 1):
            client.append(box.folder, mail(number))
        if account == "writes":
            client.append("Sent", mail(9), ["\\Seen"])


def numbers(mails: list[MailReceived]) -> list[bytes | None]:
    """Their bytes, in order."""
    return [each.content for each in mails]


def test_every_mail_is_handed_on_as_it_is_and_stays_unread(place: Place) -> None:
    received = place.wait_for("plain", COUNT)
    assert numbers(received) == [mail(number) for number in range(1, COUNT + 1)]
    assert {uid for uid, flags in place.flags("plain").items() if "\\Seen" in flags} == {received[0].uid}
    assert place.mails("plain") == {each.uid: each.content for each in received}


def test_read_mail_is_left_out_where_only_unread_is_wanted(place: Place) -> None:
    received = place.wait_for("unread", COUNT - 1)
    assert numbers(received) == [mail(number) for number in range(2, COUNT + 1)]


def test_from_now_on_begins_with_the_next_mail(place: Place) -> None:
    place.append("from-now", mail(7))
    assert numbers(place.wait_for("from-now", 1)) == [mail(7)]


def test_mail_from_before_a_day_is_left_out(place: Place) -> None:
    received = place.wait_for("from-a-day", COUNT - 1)
    assert numbers(received) == [mail(1), *(mail(number) for number in range(3, COUNT + 1))]


def test_mail_that_arrives_is_handed_on_without_waiting_for_the_interval(place: Place) -> None:
    place.wait_for("pushed", COUNT)
    for number in (7, 8):
        place.append("pushed", mail(number))
        assert place.wait_for("pushed", number)[-1].content == mail(number)


def test_a_look_can_be_ordered(place: Place) -> None:
    place.wait_for("polled", COUNT)
    place.append("polled", mail(7))
    place.room.send(AccountFetchNow(account="polled"))
    assert place.wait_for("polled", COUNT + 1)[-1].content == mail(7)


def test_a_large_mail_goes_through_the_spool_byte_for_byte(place: Place) -> None:
    place.append("large", LARGE)
    received = place.wait_for("large", COUNT + 1)[-1]
    assert received.dataref is not None
    assert Spool(place.room.settings.spool).get(received.dataref) == LARGE
    assert (received.size_bytes, received.truncated) == (len(LARGE), False)
    done = place.room.answer(place.room.send(MailboxDelete(**place.where("large"), uids=(received.uid,))))
    assert done.done == (received.uid,)


def test_marking_read_sets_the_flag(place: Place) -> None:
    uids = [each.uid for each in place.wait_for("marked", COUNT)]
    command = MailboxMarkRead(**place.where("marked"), uids=(uids[2], uids[4], uids[-1] + 9))
    result = place.room.answer(place.room.send(command))
    assert (result.done, result.vanished) == ((uids[2], uids[4]), (uids[-1] + 9,))
    assert {uid for uid, flags in place.flags("marked").items() if "\\Seen" in flags} == {
        uids[index] for index in (0, 2, 4)
    }


def test_deleting_takes_these_mails_and_no_other_that_is_marked(place: Place) -> None:
    uids = [each.uid for each in place.wait_for("deleted", COUNT)]
    box = place.boxes["deleted"]
    with place.site.access.client(box.user.user) as client:
        client.select_folder(box.folder)
        client.add_flags([uids[3]], ["\\Deleted"])
    command = MailboxDelete(**place.where("deleted"), uids=(uids[1], uids[2], uids[-1] + 9))
    results = [place.room.answer(place.room.send(command, f"delete {number}")) for number in range(2)]
    assert {(each.done, each.vanished) for each in results} == {((uids[1], uids[2]), (uids[-1] + 9,))}
    assert set(place.mails("deleted")) == {uids[index] for index in (0, 3, 4, 5)}


def test_moving_makes_the_folder_and_keeps_the_bytes(place: Place) -> None:
    uids = [each.uid for each in place.wait_for("moved", COUNT)]
    command = MailboxMove(**place.where("moved"), uids=(uids[1], uids[3]), target="Erledigt & Grüße")
    results = [place.room.answer(place.room.send(command, f"move {number}")) for number in range(2)]
    assert {(each.done, each.vanished, each.refused) for each in results} == {((uids[1], uids[3]), (), "")}
    assert sorted(place.mails("moved", "Erledigt & Grüße").values()) == [mail(2), mail(4)]
    assert set(place.mails("moved")) == {uids[index] for index in (0, 2, 4, 5)}


def test_a_sent_mail_is_filed_once_and_found(place: Place) -> None:
    room = place.room
    sent: dict[str, Any] = {
        "account": "appended",
        "folder": "Sent 2026",
        "message_id": "<mail-7@example.net>",
    }
    filed = MailboxAppend(**sent, dataref=Spool(room.settings.spool).put([LARGE]), flags=("\\Seen",))
    results = [room.answer(room.send(filed, f"append {number}")) for number in range(2)]
    found = room.answer(room.send(MailboxFind(**sent)))
    other = room.answer(room.send(MailboxFind(**sent | {"message_id": "<mail-8@example.net>"})))
    part = room.answer(room.send(MailboxFind(**sent | {"message_id": "mail-7@example.net"})))
    assert [each.found for each in (*results, found, other, part)] == [False, True, True, False, False]
    assert list(place.mails("appended", "Sent 2026").values()) == [LARGE]


def test_the_folders_are_listed_with_the_one_for_sent_mail(place: Place) -> None:
    listed = place.room.answer(place.room.send(AccountFolders(account="plain")))
    assert place.boxes["plain"].folder in {folder.name for folder in listed.folders}
    assert (listed.sent_folder, listed.sent_rule) == ("Sent", place.site.sent_rule)


def test_mail_that_was_sent_from_elsewhere_is_handed_on_as_such(place: Place) -> None:
    def sent() -> list[MailReceived]:
        return [each for each in place.room.mails("writes") if each.role == "sent"]

    (found,) = wait_until(sent, 20, "the mail in the folder for sent mail")
    assert (found.folder, found.lane, found.content) == ("Sent", "inbox", mail(9))
    assert set(place.mails("writes", "Sent")) == {found.uid}


def test_a_mailbox_passes_its_test(place: Place) -> None:
    tested = place.room.answer(place.room.send(AccountTest(account="plain")))
    assert tested.ok, tested.stages


def test_a_folder_that_was_made_anew_is_handed_on_where_it_is_new(place: Place) -> None:
    place.wait_for("recreated", COUNT)
    old, box = place.where("recreated"), place.boxes["recreated"]
    with place.site.access.client(box.user.user) as client:
        client.delete_folder(box.folder)
        # Some give a folder the UIDVALIDITY of the second in which it was made.
        wait_until(lambda: _uidvalidity(client, box.folder) != old["uidvalidity"], 10, "another UIDVALIDITY")
    place.append("recreated", mail(3), mail(7), mail(4), mail(4))

    def looked() -> bool:
        place.room.send(AccountFetchNow(account="recreated"))
        return len(place.received("recreated")) >= COUNT + 2

    wait_until(looked, 20, "the new mails")
    assert numbers(place.received("recreated"))[COUNT:] == [mail(7), mail(4)]
    refused = place.room.answer(place.room.send(MailboxDelete(**old, uids=(1,))))
    assert "UIDVALIDITY changed" in refused.refused
    assert len(place.mails("recreated")) == 4


def _uidvalidity(client: Any, folder: str) -> int:
    if client.folder_exists(folder):
        client.delete_folder(folder)
    client.create_folder(folder)
    return int(client.folder_status(folder, ["UIDVALIDITY"])[b"UIDVALIDITY"])
