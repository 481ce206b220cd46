"""A mail that was not logged by itself is logged by hand, once, where people look for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from postroom.inbox import retention
from postroom.messages import PlainMail
from postroom.store import records
from postroom_sender.keeping import record_of
from tests.integration.inbox.desk import Desk
from tests.integration.inbox.test_retention import KEPT

MAIL = (
    b"From: Desk <desk@corp.example>\r\nTo: Bert <bert@other.example>\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Mon, 02 Mar 2026 10:00:00 +0100\r\nMessage-ID: <by-hand@corp.example>\r\n\r\nHello\r\n"
)


def eml(desk: Desk, content: bytes = MAIL, name: str = "mail.eml") -> str:
    path: Path = desk.folder / name
    path.write_bytes(content)
    return str(path)


def test_it_is_logged_once_with_its_event_and_under_the_contact_with_its_address(desk: Desk) -> None:
    contact = desk.json("contacts", "add", "Bert@other.example", "--account", "desk")["contact_id"]
    wanted = ("sends", "log", eml(desk), "--account", "desk", "--event", "offer")
    first, second = desk.json(*wanted), desk.json(*wanted)
    assert (first["is_new"], second["is_new"], first["id"] == second["id"]) == (True, False, True)
    (row,) = desk.json("sends", "list", "--event", "offer")["rows"]
    assert (row["state"], row["recipient"], row["subject"]) == ("logged", "bert@other.example", "Grüße")
    assert (row["contact_id"], row["at"][:16]) == (contact, "2026-03-02 09:00")
    copy = desk.folder / "copy.eml"
    assert desk.run("sends", "show", first["id"], "--copy", str(copy)).exit_code == 0
    assert copy.read_bytes() == MAIL
    assert [each["action"] for each in desk.rows("audit")].count("sends.log") == 1


def test_the_list_is_narrowed_by_account_state_recipient_event_and_time(desk: Desk) -> None:
    later = MAIL.replace(b"Bert <bert@", b"Carl <carl@").replace(b"Mon, 02 Mar", b"Tue, 03 Mar")
    desk.json("sends", "log", eml(desk), "--account", "desk", "--event", "offer")
    desk.json("sends", "log", eml(desk, later), "--account", "clinic", "--event", "invoice")
    task = desk.send("n-1", PlainMail(subject="Two", text="x"))
    with desk.store.write() as connection:
        records.add(connection, [record_of(task, None)])

    def to(*options: str) -> list[str]:
        return [row["recipient"].partition("@")[0] for row in desk.json("sends", "list", *options)["rows"]]

    assert to() == ["carl", "anna", "bert"]
    assert to("--account", "desk") == ["anna", "bert"]
    assert (to("--state", "sent"), to("--state", "logged")) == (["anna"], ["carl", "bert"])
    assert to("--recipient", "CARL@other.example") == ["carl"]
    assert (to("--event", "offer"), to("--event", "else")) == (["bert"], [])
    assert (to("--since", "2026-03-02T10:00"), to("--since", "2026-03-04")) == (["carl", "anna"], [])
    first = desk.json("sends", "list", "--limit", "2")
    assert to("--limit", "2", "--cursor", first["cursor"]) == ["bert"]


def test_a_record_has_the_event_and_the_links_that_the_order_names(desk: Desk) -> None:
    task = desk.send("n-1", PlainMail(subject="Two", text="x"))
    about = {"event": "offer", "contact_id": "c-1", "conversation_id": "v-1"}
    named = replace(task, job=replace(task.job, command=task.job.command.model_copy(update=about)))
    found, without = record_of(named, "the one that it joined"), record_of(task, "the one that it joined")
    assert (found.event, found.contact_id, found.conversation_id) == ("offer", "c-1", "v-1")
    assert (without.event, without.contact_id) == ("", None)
    assert without.conversation_id == "the one that it joined"


def test_what_was_logged_by_itself_is_not_logged_again(desk: Desk) -> None:
    task = desk.send("n-1", PlainMail(subject="Two", text="x"))
    logged = desk.json("sends", "log", eml(desk, task.mail.content), "--account", "desk")
    assert (logged["is_new"], logged["send_id"]) == (False, "n-1")


def test_what_is_no_mail_or_links_to_another_account_is_refused_with_a_sentence(desk: Desk) -> None:
    other = desk.json("contacts", "add", "zoe@other.example", "--account", "clinic")["contact_id"]
    no_mail = desk.run("sends", "log", eml(desk, b"\xff\x00 nothing", "x.eml"), "--account", "desk")
    linked = desk.run("sends", "log", eml(desk), "--account", "desk", "--contact", other)
    assert (no_mail.exit_code, "this is no mail" in no_mail.output) == (2, True)
    assert (linked.exit_code, "there is no contact" in linked.output) == (2, True)
    assert desk.rows("records") == []


def test_of_a_confidential_account_the_headers_are_kept_at_most_and_all_goes_in_time(desk: Desk) -> None:
    logged = desk.json("sends", "log", eml(desk), "--account", "clinic", "--log", "full")
    shown = desk.json("sends", "show", logged["id"])
    assert (shown["log"], shown["whole_mail"], "Hello" in shown["headers"]) == ("headers", False, False)
    own = desk.json("sends", "log", eml(desk), "--account", "desk", "--log", "headers")
    desk.now += timedelta(days=2)
    retention.tidy(desk.store, KEPT, None, desk.now)
    assert desk.json("sends", "show", own["id"])["headers"] == ""
    desk.now += timedelta(days=40)
    retention.tidy(desk.store, KEPT, None, desk.now)
    assert [each["account"] for each in desk.rows("records")] == ["clinic"]


def test_who_is_erased_has_no_records_either(desk: Desk) -> None:
    desk.json("contacts", "add", "bert@other.example", "--account", "desk")
    desk.json("sends", "log", eml(desk), "--account", "desk")
    assert desk.run("contacts", "erase", "bert@other.example", "--yes").exit_code == 0
    assert (desk.rows("records"), desk.rows("message_sources")) == ([], [])
