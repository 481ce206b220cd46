# ruff: noqa: RUF001
"""What people do with conversations, on both stores: seen at once, audited, undone if that can be."""

from __future__ import annotations

import unicodedata
from base64 import b64encode

import pytest

from postroom import topology
from postroom.broker.verdict import Ack
from postroom.envelope import Wire, decode
from postroom.messages import MailboxDelete, PlainMail
from tests.integration.inbox.desk import Desk

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eevil\u2066\u200b\u200d\ufeff\u00ad\u3164\U000e0041x"
    + "e"
    + "\u0301" * 50
)
ALLOWED_MARKS = 4


def denied(desk: Desk, conversation: str, *options: str) -> str:
    """Block, and what becomes of the next mail."""
    desk.json("inbox", "block", conversation, *options)
    mail = desk.delivery(sender="Bert+shop@OTHER.example")
    assert desk.processor()([mail]) == [Ack()]
    return str(desk.rows("mails", mail_id=mail.envelope.id)[0]["outcome"])


def test_an_unknown_author_is_paired_and_unknown_again_when_that_is_undone(desk: Desk) -> None:
    conversation = desk.come(sender="bert@other.example", subject="Hello")
    known = desk.json("contacts", "add", "--account", "desk", "--name", "Bert", "bert@home.example")
    assert [row["state"] for row in desk.json("inbox", "list", "--unknown")["rows"]] == ["author not found"]
    deed = desk.json("inbox", "pair", conversation, known["contact_id"])
    (row,) = desk.json("inbox", "list", "--contact", known["contact_id"])["rows"]
    assert (row["contact_name"], row["state"]) == ("Bert", "known")
    assert desk.json("contacts", "show", known["contact_id"])["contact"]["addresses"] == [
        "bert@home.example",
        "bert@other.example",
    ]
    assert desk.json("audit", "undo")["undone"] == deed["deed"]
    assert len(desk.json("inbox", "list", "--unknown")["rows"]) == 1
    again = desk.run("audit", "undo", deed["deed"])
    assert (again.exit_code, "was undone before" in again.output) == (2, True)
    assert [row["action"] for row in desk.json("audit", "list")] == [
        "inbox.undo",
        "inbox.pair",
        "inbox.add-contact",
    ]


def test_a_conversation_whose_author_cannot_be_read_is_paired_by_hand(desk: Desk) -> None:
    conversation = desk.come(sender="a@b.example, c@d.example")
    contact = desk.json("contacts", "add", "--account", "desk", "x@y.example")["contact_id"]
    desk.json("inbox", "pair", conversation, contact)
    assert desk.json("inbox", "show", conversation)["conversation"]["contact_id"] == contact
    desk.json("audit", "undo")
    assert desk.json("inbox", "show", conversation)["conversation"]["contact_id"] is None
    for action in ("block", "add-contact"):
        refused = desk.run("inbox", action, conversation)
        assert (refused.exit_code, "its author cannot be read" in refused.output) == (2, True)


def test_a_contact_is_of_its_account_alone(desk: Desk) -> None:
    conversation = desk.come(sender="bert@other.example")
    other = desk.json("contacts", "add", "--account", "clinic", "bert@other.example")["contact_id"]
    refused = desk.run("inbox", "pair", conversation, other)
    assert (refused.exit_code, "another account" in refused.output) == (2, True)
    assert desk.json("inbox", "show", conversation)["conversation"]["state"] == "author not found"
    twice = desk.run("contacts", "add", "--account", "clinic", "BERT@other.example")
    assert (twice.exit_code, "already" in twice.output) == (2, True)


def test_a_blocked_author_is_denied_however_it_is_spelled_until_that_is_undone(desk: Desk) -> None:
    conversation = desk.come(sender="bert@other.example")
    assert denied(desk, conversation) == "denied"
    desk.json("audit", "undo")
    assert denied(desk, conversation, "--domain") == "denied"
    assert desk.json("inbox", "block", conversation, "--domain")["is_new"] is False


def test_deleted_mail_is_hidden_ordered_deleted_and_shown_again_when_undone(desk: Desk) -> None:
    conversation = desk.come(subject="One")
    desk.later(minutes=1)
    desk.come(subject="Re: One")
    task = desk.send("n-1", PlainMail(subject="Re: One", text="x"), to="bert@other.example")
    assert task.mail.subject == "Re: One"
    told = desk.json("inbox", "delete", conversation)
    assert (told["hidden"], told["ordered_on_server"]) == (3, 2)
    assert told["kept_on_server"] == {"our own copy only": 1}
    assert told["waiting"]
    (order,) = [row for row in desk.rows("outbox") if row["routing_key"] == topology.fetcher_commands(0)]
    wire = Wire(order["message_id"], order["headers"], bytes(order["body"]), order["content_type"])
    command = decode(wire).message
    assert isinstance(command, MailboxDelete)
    assert (command.TYPE, command.folder, command.uids) == ("mailbox.delete", "INBOX", (1, 2))
    assert desk.json("inbox", "list")["rows"] == desk.json("inbox", "search", "One")["rows"] == []
    desk.json("audit", "undo", told["deed"])
    (row,) = desk.json("inbox", "list")["rows"]
    assert row["messages"] == 3


def test_one_message_is_deleted_by_the_beginning_of_its_id(desk: Desk) -> None:
    conversation = desk.come(subject="One")
    desk.come(subject="Re: One")
    first = desk.json("inbox", "show", conversation)["messages"][0]["id"]
    assert desk.json("inbox", "delete", conversation, "--message", first[:8])["hidden"] == 1
    assert len(desk.json("inbox", "show", conversation)["messages"]) == 1
    gone = desk.run("inbox", "delete", conversation, "--message", first)
    assert (gone.exit_code, "there is no message" in gone.output) == (2, True)


def test_pages_follow_one_another_and_a_cursor_from_nowhere_is_refused(desk: Desk) -> None:
    for number in range(5):
        desk.come(subject=f"Number {number}", sender=f"b{number}@other.example")
        desk.later(seconds=number % 2)
    seen: list[str] = []
    cursor: tuple[str, ...] = ()
    while True:
        page = desk.json("inbox", "list", "--limit", "2", *cursor)
        seen += [row["id"] for row in page["rows"]]
        if page["cursor"] is None:
            break
        cursor = ("--cursor", page["cursor"])
    assert len(seen) == len(set(seen)) == 5
    assert seen == [row["id"] for row in desk.json("inbox", "list")["rows"]]
    for wrong in ("x", "", "!!", page_cursor_of_another_query(desk), "A" * 5000):
        refused = desk.run("inbox", "list", "--cursor", wrong)
        assert (refused.exit_code, "no page ended there" in refused.output) == (2, True), wrong


def page_cursor_of_another_query(desk: Desk) -> str:
    return str(desk.json("inbox", "list", "--limit", "2", "--account", "desk")["cursor"])


def test_a_search_takes_the_text_as_it_is(desk: Desk) -> None:
    desk.come("100% of it, under_score, back\\slash", subject="Größe ＡＢＣ")
    desk.come("nothing of the kind")
    for found in ("100% OF", "under_score", "back\\slash", "GRÖSSE", "abc", "of it,  under"):
        rows = desk.json("inbox", "search", found)["rows"]
        assert [row["subject"] for row in rows][-1:] == ["Größe ＡＢＣ"], found
    assert len(desk.json("inbox", "search", "Desk@corp.example")["rows"]) == 2
    for nothing in ("100%of", "under-score", "10__", "%%"):
        assert desk.json("inbox", "search", nothing)["rows"] == [], nothing
    for wrong in ("", "   ", "x" * 201):
        assert desk.run("inbox", "search", wrong).exit_code == 2


def test_nothing_of_a_mail_steers_the_terminal(desk: Desk) -> None:
    raw = HOSTILE.encode()
    conversation = desk.come(
        raw,
        subject=HOSTILE,
        sender=f"=?utf-8?b?{b64encode(raw).decode()}?= <bert@other.example>",
        more="Content-Type: text/plain; charset=utf-8\r\n",
    )
    contact = desk.json("inbox", "add-contact", conversation, "--name", "Bert")["contact_id"]
    commands = [
        ("inbox", "list"),
        ("inbox", "show", conversation),
        ("inbox", "search", "evil"),
        ("contacts", "list"),
        ("contacts", "show", contact),
    ]
    for command in commands:
        output = desk.run(*command).output
        assert "evil" in output or command[0] == "contacts"
        steering = [
            letter for letter in output if unicodedata.category(letter) in ("Cc", "Cf") and letter != "\n"
        ]
        assert steering == [], command
        assert "\u0301" * (ALLOWED_MARKS + 1) not in output


@pytest.mark.parametrize("name", ["x", "0" * 16, "../../etc", "' OR 1=1 --", "\u202e"])
def test_what_is_not_there_is_a_clear_refusal(desk: Desk, name: str) -> None:
    for command in (
        ("inbox", "show"),
        ("inbox", "block"),
        ("inbox", "delete"),
        ("audit", "undo"),
        ("contacts", "show"),
    ):
        result = desk.run(*command, name)
        assert (result.exit_code, "there is no" in result.output) == (2, True), command


def test_rules_that_were_added_or_removed_are_as_before_once_that_is_undone(desk: Desk) -> None:
    def rules() -> list[tuple[str, str]]:
        return [(row["pattern"], row["reason"]) for row in desk.json("deny", "list") if row["added_at"]]

    assert desk.run("deny", "add", "one.example", "two.example", "--reason", "spam").exit_code == 0
    assert desk.run("deny", "remove", "ONE.example.", "--account", "desk").exit_code == 2
    assert desk.run("deny", "remove", "ONE.example.").exit_code == 0
    assert desk.json("audit", "undo")["action"] == "deny.remove"
    assert rules() == [("one.example", "spam"), ("two.example", "spam")]
    assert desk.json("audit", "undo")["action"] == "deny.add"
    assert rules() == []
    nothing = desk.run("audit", "undo")
    assert (nothing.exit_code, "nothing that you did can be undone" in nothing.output) == (2, True)
    nowhere = desk.run("audit", "list", "--before", "nowhere")
    assert (nowhere.exit_code, "there is no 'nowhere'" in nowhere.output) == (2, True)


def test_whatever_strangers_write_ids_are_shown_whole(desk: Desk) -> None:
    address = f"{'a' * 60}@{'b' * 60}.example"
    conversation = desk.come(sender=address, subject="\N{CJK UNIFIED IDEOGRAPH-65E5}" * 300)
    for command in (("inbox", "list"), ("inbox", "search", "a")):
        output = desk.run(*command).output
        assert conversation in output and "desk" in output
        assert max(map(len, output.splitlines())) <= 110
