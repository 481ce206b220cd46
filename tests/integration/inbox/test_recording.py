"""Every mail that is not denied becomes a message of a conversation, with its outcome; on both stores."""

from __future__ import annotations

import threading
import zlib
from collections import Counter
from datetime import timedelta

from postroom.broker.verdict import Ack, Delivery
from postroom.errors import Transient
from postroom.inbox.entry import Entry
from postroom.inbox.recording import record
from postroom.messages import ApprovalMail, PlainMail
from postroom.store import Store
from tests.integration.inbox.desk import TOKEN, Desk


def hello(subject: str = "Hello") -> PlainMail:
    return PlainMail(subject=subject, text="How are you?")


def request(approval_id: str) -> ApprovalMail:
    return ApprovalMail(
        approval_id=approval_id,
        subject="Release 4.2",
        body="",
        choices=("approve", "reject"),
        requester="",
        deadline=None,
        reply_token=TOKEN,
    )


def test_a_mail_becomes_a_message_and_the_event_tells_what_it_says(desk: Desk) -> None:
    conversation = desk.come(
        "Good morning", subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=", sender='"Bert" <Bert@other.example>'
    )
    (message,) = desk.rows("conversation_messages")
    assert (message["author"], message["author_name"]) == ("bert@other.example", "Bert")
    assert (message["subject"], message["text"], message["outcome"]) == ("Grüße", "Good morning", "accepted")
    (source,) = desk.rows("message_sources")
    assert zlib.decompress(source["content"]).endswith(b"\r\n\r\nGood morning\r\n")
    (event,) = desk.told("mail.accepted")
    assert (event.conversation_id, event.subject, event.text) == (conversation, "Grüße", "Good morning")


def test_a_large_mail_stays_in_the_spool_and_its_text_is_shown(desk: Desk) -> None:
    desk.come("A long letter\r\n" * 10_000, subject="Long", spooled=True)
    (message,), (source,) = desk.rows("conversation_messages"), desk.rows("message_sources")
    assert message["text"].startswith("A long letter\nA long letter") and len(message["text"]) <= 20_000
    assert (source["content"], source["dataref"][:13]) == (None, "spool:sha256:")
    target = desk.folder / "export"
    desk.json("contacts", "export", "bert@other.example", "--to", str(target))
    (mail,) = target.glob("mails/*.eml")
    assert mail.stat().st_size == source["size_bytes"] > 150_000


def test_a_mail_that_comes_again_is_there_once(desk: Desk) -> None:
    mail = desk.delivery()
    for _ in range(3):
        assert desk.processor()([mail, mail]) == [Ack(), Ack()]
    assert len(desk.rows("conversation_messages")) == len(desk.rows("conversations")) == 1


def test_every_outcome_but_denied_is_recorded(desk: Desk) -> None:
    desk.come(sender="eve@spam.example")
    desk.come(more="Auto-Submitted: auto-replied\r\n", subject="Out of office")
    desk.come(sender="a@b.example, c@d.example", subject="Two authors")
    desk.come(role="sent", sender="desk@corp.example", subject="From my phone")
    outcomes = Counter(row["outcome"] for row in desk.rows("conversation_messages"))
    assert outcomes == Counter({"ignored": 1, "accepted": 1, "sent": 1})


def test_a_mail_of_ours_is_shown_once_though_the_folder_for_sent_mail_has_it(desk: Desk) -> None:
    task = desk.send("n-1", hello())
    conversation = desk.come(role="sent", content=task.mail.content)
    (message,) = desk.rows("conversation_messages")
    assert (message["send_id"], message["direction"], message["conversation_id"]) == (
        "n-1",
        "out",
        conversation,
    )
    assert message["mail_id"] is not None
    reply = desk.come(more=f"In-Reply-To: {task.mail.message_id}\r\n", sender="somebody@else.example")
    assert reply == conversation


def test_who_is_written_to_is_a_contact_and_nobody_else(desk: Desk) -> None:
    desk.send("n-1", hello(), to="Anna@corp.example")
    desk.come(sender="bert@other.example")
    assert [row["address"] for row in desk.rows("contact_addresses")] == ["anna@corp.example"]
    desk.send("n-2", hello(), to="anna@corp.example")
    assert len(desk.rows("contacts")) == 1


def test_a_request_and_its_mails_are_one_conversation_without_the_token(desk: Desk) -> None:
    asked = desk.send("r-1:ask:0", request("r-1"))
    desk.send("r-1:remind:0", request("r-1"))
    desk.send("r-2:ask:0", request("r-2"))
    reply = desk.come(
        f"approve\r\n> Reference: {TOKEN}",
        sender="anna@corp.example",
        subject=f"Re: Decision needed: Release 4.2 [{TOKEN}]",
        more=f"In-Reply-To: {asked.mail.message_id}\r\n",
    )
    messages = desk.rows("conversation_messages", conversation_id=reply)
    assert len(messages) == 3 and len(desk.rows("conversations")) == 2
    assert not any(
        TOKEN in str(value) for message in desk.rows("conversation_messages") for value in message.values()
    )
    assert [row["size_bytes"] > 0 for row in desk.rows("message_sources")] == [True]  # the reply's


def test_a_stranger_who_quotes_an_id_joins_and_changes_no_contact(desk: Desk) -> None:
    conversation = desk.come(sender="bert@other.example", message_id="<known@x>")
    desk.json("inbox", "add-contact", conversation, "--name", "Bert")
    desk.later(minutes=1)
    stranger = desk.come(sender="eve@evil.example", more="References: <known@x>\r\n")
    elsewhere = desk.come(sender="eve@evil.example", more="References: <known@x>\r\n", account="clinic")
    assert stranger == conversation != elsewhere
    shown = desk.json("inbox", "show", conversation)
    assert (shown["conversation"]["contact_name"], shown["conversation"]["state"]) == ("Bert", "known")
    assert [each["state"] for each in shown["messages"]] == ["known", "author not found"]


def test_a_confidential_text_is_in_no_preview_search_or_event(desk: Desk) -> None:
    conversation = desk.come("The findings are here", subject="Findings", account="clinic")
    (row,) = desk.json("inbox", "list")["rows"]
    assert (row["preview"], row["subject"]) == ("", "Findings")
    assert desk.json("inbox", "search", "findings are")["rows"] == []
    assert len(desk.json("inbox", "search", "Findings")["rows"]) == 1
    (event,) = desk.told("mail.accepted")
    assert (event.subject, event.text, event.conversation_id) == ("", "", conversation)
    assert desk.json("inbox", "show", conversation)["messages"][0]["text"] == "The findings are here"


def test_hostile_bytes_are_recorded_and_stop_nobody(desk: Desk) -> None:
    hostile = [
        b"",
        b"\x00" * 1000,
        b"From: \xff\x00\r\nSubject: \x1b[31m\xf0\r\nMessage-ID: <\x00@\xff>\r\n\r\n\x00\x1b]0;x\x07\xed",
        b"References: " + b" ".join(b"<%d@x>" % number for number in range(20_000)) + b"\r\n\r\nx",
        b"From: " + b"a" * 50_000 + b"@x\r\nTo: " + b"b" * 50_000 + b"\r\n\r\nx",
        b"Subject: " + b"Re: " * 20_000 + b"\r\nContent-Type: text/html\r\n\r\n" + b"<!--" * 30_000,
    ]
    deliveries = [desk.delivery(content=each or b"\r\n") for each in hostile]
    assert desk.processor()(deliveries) == [Ack()] * len(hostile)
    assert len(desk.rows("conversation_messages")) == len(hostile)


def test_others_who_begin_the_same_conversation_are_joined(desk: Desk) -> None:
    """Senders hold no lock of an account: what they write meets in the keys alone."""
    start, placed = threading.Barrier(2), []

    def write(name: str, store: Store) -> None:
        entry = Entry(
            id=name,
            account="desk",
            direction="out",
            at=desk.now,
            author=None,
            correspondents=("bert@other.example",),
            subject="Hello",
            text="",
            outcome="send",
            references=("lost@x",),
        )
        start.wait(30)
        with store.write() as connection:
            placed.append(record(connection, [entry], {"desk": timedelta(days=14)}, desk.now)[name])

    stores = [Store(desk.url) for _ in range(2)]
    for turn in range(10):
        threads = [
            threading.Thread(target=write, args=(f"{turn}-{number}", store))
            for number, store in enumerate(stores)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    for store in stores:
        store.close()
    assert len(placed) == 20
    assert len(set(placed)) == len(desk.rows("conversations")) == 1


def work(desk: Desk, store: Store, mails: list[Delivery], faults: list[BaseException]) -> None:
    """Handle the mails, five at a time, as a process of its own does; tried again as the broker would."""
    handler = desk.processor(store)
    batches = [mails[start : start + 5] for start in range(0, len(mails), 5)] * 3
    for batch in batches:
        try:
            handler(batch)
        except Transient as error:
            faults.append(error)


def test_two_processors_at_once_begin_each_conversation_once(desk: Desk) -> None:
    mails = [
        desk.delivery(
            subject="Re: Disk full",
            sender="alerts@other.example",
            more=f"References: <lost{number % 7}@x>\r\n",
        )
        for number in range(60)
    ]
    stores = [Store(desk.url) for _ in range(2)]
    faults: list[BaseException] = []
    threads = [
        threading.Thread(target=work, args=(desk, store, mails[offset::2], faults))
        for offset, store in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for store in stores:
        store.close()
    assert len(faults) < 12  # who is overtaken tries again
    messages = desk.rows("conversation_messages")
    assert len(messages) == 60
    assert len({row["conversation_id"] for row in messages}) == len(desk.rows("conversations")) == 1
