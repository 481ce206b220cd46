"""Bounces, complaints and unsubscribing: what proves itself counts, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from postroom import topology
from postroom.broker.verdict import Ack, Delivery
from postroom.mail_tag import make_tag
from postroom.messages import MailBounced, MailSent
from postroom.store import suppressions
from postroom.store.schema import approvers, mails, send_recipients, sends
from postroom.store.schema import suppressions as suppressed
from postroom.suppression import RULES
from postroom_processor.results import Results
from postroom_sender import ledger
from postroom_sender.compose import compose
from postroom_sender.ledger import NewSend, Settled, SettledRecipient
from postroom_sender.material import Material
from tests.accounts import keep_accounts
from tests.integration.processor.test_policies import bench as bench
from tests.integration.processor.test_receiving import ACCOUNTS, KEYS, NOW, Bench, delivery
from tests.unit.processor.test_returned import complaint, report

HARD, SOFT = ("5.1.1", "550 5.1.1 user unknown"), ("5.2.2", "552 5.2.2 mailbox full")


def has_sent(bench: Bench, send_id: str, state: ledger.State = "sent", to: str = "Anna@corp.example") -> None:
    """The sender sent a mail."""
    new = NewSend(send_id, "release", to, "plain", f"<{send_id}@corp.example>", "c-1")
    with bench.store.write() as connection:
        ledger.claim(connection, [new], NOW)
        ledger.begin(connection, [send_id], NOW, "me")
        ledger.settle(connection, [Settled(send_id, state, 250, "ok")], NOW)


def came(bench: Bench, text: str, tag: str = "") -> Delivery:
    """A mail with this text; the tag takes the place of the one in it."""
    whole = text.replace("\n", "\r\n")
    if tag:
        old = whole.partition("X-Postroom-Tag: ")[2].partition("\r\n")[0]
        whole = whole.replace(old, tag)
    empty = bench.mail("")
    received = empty.envelope.message.model_copy(update={"content": whole.encode()})
    return replace(empty, envelope=replace(empty.envelope, message=received))


def tag_of(send_id: str) -> str:
    """What our mail carries."""
    return make_tag("bounce", send_id, KEYS)


def told(bench: Bench) -> list[MailBounced | MailSent]:
    """The events about mails of ours so far."""
    return [each.message for each in bench.published(topology.RESULTS)]


def covered(bench: Bench, lane: str = "transactional") -> bool:
    """Whether anna gets no mail now."""
    wanted = ("release", "anna@corp.example", lane)
    with bench.store.read() as connection:
        return wanted in suppressions.covering(connection, [wanted], bench.now)  # type: ignore[list-item]


def test_a_hard_bounce_marks_its_mail_and_suppresses_the_address_for_a_while(bench: Bench) -> None:
    has_sent(bench, "build-1")
    handler = bench.received_mail()
    assert handler([came(bench, report(*HARD), tag_of("build-1"))]) == [Ack()]
    (row,) = bench.rows(sends)
    assert (row.state, row.code, row.reason_code) == ("bounced", 550, "hard_bounce")
    (event,) = told(bench)
    assert isinstance(event, MailBounced)
    assert (event.send_id, event.kind, event.status, event.suppressed) == ("build-1", "hard", "5.1.1", True)
    (found,) = bench.rows(suppressed)
    assert (found.key, found.account, found.reason) == ("anna@corp.example", "release", "hard")
    bench.now = NOW + timedelta(days=179, hours=23)
    assert covered(bench)
    bench.now = NOW + timedelta(days=180, hours=1)
    assert not covered(bench)


def test_the_same_bounce_twice_is_told_once(bench: Bench) -> None:
    has_sent(bench, "build-1")
    handler = bench.received_mail()
    for _ in range(2):
        handler([came(bench, report(*HARD), tag_of("build-1"))])
    assert len(told(bench)) == 1


@pytest.mark.parametrize("forged", ["another mail's", "no key of ours", "none"])
def test_a_forged_bounce_or_complaint_suppresses_nobody(bench: Bench, forged: str) -> None:
    has_sent(bench, "build-1")
    right = tag_of("build-1")
    tags = {
        # The reference is that of the mail; the proof is of another.
        "another mail's": right[:16] + tag_of("build-2")[16:],
        "no key of ours": right[:-1] + ("a" if right[-1] != "a" else "q"),
        "none": "gone",
    }
    handler = bench.received_mail()
    handler([came(bench, report(*HARD), tags[forged]), came(bench, complaint("abuse"), tags[forged])])
    assert [row.state for row in bench.rows(sends)] == ["sent"]
    assert bench.rows(suppressed) == []
    assert told(bench) == []
    assert all("nothing proves" in row.reason for row in bench.rows(mails))


def test_the_third_soft_bounce_suppresses_bulk_alone(bench: Bench) -> None:
    handler = bench.received_mail()
    for number in range(3):
        assert not covered(bench, "bulk")
        has_sent(bench, f"build-{number}")
        handler([came(bench, report(*SOFT), tag_of(f"build-{number}"))])
    assert covered(bench, "bulk")
    assert not covered(bench)
    assert [event.suppressed for event in told(bench) if isinstance(event, MailBounced)] == [
        False,
        False,
        True,
    ]


def test_soft_bounces_count_for_two_weeks_and_until_the_address_is_taken_off(bench: Bench) -> None:
    with bench.store.write() as connection:
        begun = NOW - timedelta(days=14, hours=1)
        counts = [
            suppressions.note_soft(connection, f"build-{number}", "Anna@corp.example", "release", at)
            for number, at in enumerate([begun, begun + timedelta(hours=2), NOW])
        ]
        assert counts == [1, 2, 2]
        suppressions.suppress(
            connection,
            "anna@corp.example",
            "soft",
            account="release",
            source="x",
            now=NOW,
            until=RULES["soft"].until(NOW),
        )
    bench.now = NOW + timedelta(days=13, hours=23)
    assert covered(bench, "bulk")
    bench.now = NOW + timedelta(days=14, hours=1)
    assert not covered(bench, "bulk")
    with bench.store.write() as connection:
        assert suppressions.remove(connection, "anna@corp.example", account="release") == 1
        assert suppressions.note_soft(connection, "build-9", "anna@corp.example", "release", NOW) == 1


def test_a_bounce_or_a_delay_ends_a_doubt(bench: Bench) -> None:
    for name in ("bounced", "delayed"):
        has_sent(bench, name, "uncertain")
    delayed = report("4.4.1", action="delayed")
    bench.received_mail()(
        [came(bench, report(*HARD), tag_of("bounced")), came(bench, delayed, tag_of("delayed"))]
    )
    rows = {row.send_id: row for row in bench.rows(sends)}
    assert (rows["bounced"].state, rows["bounced"].settled_by) == ("bounced", "bounce")
    assert (rows["delayed"].state, rows["delayed"].settled_by) == ("sent", "bounce")
    assert sorted(event.TYPE for event in told(bench)) == ["mail.bounced", "mail.sent"]


def test_a_bounce_of_one_recipient_ends_the_doubt_about_the_others_and_they_are_told_of(bench: Bench) -> None:
    new = NewSend(
        "both", "release", "Anna@corp.example", "plain", "<b@corp.example>", "c", cc=("bert@corp.example",)
    )
    lost = [
        SettledRecipient(each, "uncertain", None, "lost")
        for each in ("Anna@corp.example", "bert@corp.example")
    ]
    with bench.store.write() as connection:
        ledger.claim(connection, [new], NOW)
        ledger.begin(connection, ["both"], NOW, "me")
        ledger.settle(connection, [Settled("both", "uncertain", None, "lost", tuple(lost))], NOW)
    bench.received_mail()([came(bench, report(*HARD), tag_of("both"))])
    found = {(event.TYPE, event.recipient) for event in told(bench)}
    assert found == {("mail.bounced", "Anna@corp.example"), ("mail.sent", "bert@corp.example")}
    assert {(row.recipient, row.state) for row in bench.rows(send_recipients)} == {
        ("Anna@corp.example", "bounced"),
        ("bert@corp.example", "sent"),
    }


def has_sent_to_both(bench: Bench) -> None:
    """The sender sent one mail to two."""
    both = ("Anna@corp.example", "bert@corp.example")
    new = NewSend("both", "release", both[0], "plain", "<b@corp.example>", "c", cc=both[1:])
    sent = tuple(SettledRecipient(each, "sent", 250, "ok") for each in both)
    with bench.store.write() as connection:
        ledger.claim(connection, [new], NOW)
        ledger.begin(connection, ["both"], NOW, "me")
        ledger.settle(connection, [Settled("both", "sent", 250, "ok", sent)], NOW)


def about(*said: tuple[str, str, str]) -> str:
    """A report that says this of these: address, action, status."""
    blocks = [
        f"Final-Recipient: rfc822; {name}\nAction: {action}\nStatus: {status}"
        for name, action, status in said
    ]
    whole = report("5.1.1")
    begin, end = whole.index("Final-Recipient"), whole.index("\n--b\nContent-Type: text/rfc822")
    return whole[:begin] + "\n\n".join(blocks) + "\n" + whole[end:]


def test_one_report_about_several_recipients_counts_for_each_of_them(bench: Bench) -> None:
    has_sent_to_both(bench)
    both = about(("anna@corp.example", "failed", "5.2.2"), ("BERT@corp.example", "failed", "5.1.1"))
    for _ in range(2):
        bench.received_mail()([came(bench, both, tag_of("both"))])
    events = [each for each in told(bench) if isinstance(each, MailBounced)]
    assert [(event.recipient, event.kind) for event in events] == [
        ("Anna@corp.example", "soft"),
        ("bert@corp.example", "hard"),
    ]
    assert {(row.recipient, row.state) for row in bench.rows(send_recipients)} == {
        ("Anna@corp.example", "bounced"),
        ("bert@corp.example", "bounced"),
    }
    assert [row.key for row in bench.rows(suppressed)] == ["bert@corp.example"]


def test_a_report_about_one_of_several_recipients_changes_nothing_for_the_others(bench: Bench) -> None:
    has_sent_to_both(bench)
    mixed = about(("anna@corp.example", "delayed", "4.4.1"), ("bert@corp.example", "failed", "5.1.1"))
    stranger = about(("anna@else.example", "failed", "5.1.1"))
    bench.received_mail()([came(bench, each, tag_of("both")) for each in (stranger, mixed)])
    assert {(row.recipient, row.state) for row in bench.rows(send_recipients)} == {
        ("Anna@corp.example", "sent"),
        ("bert@corp.example", "bounced"),
    }
    assert [row.key for row in bench.rows(suppressed)] == ["bert@corp.example"]
    assert [row.state for row in bench.rows(sends)] == ["sent"]


def test_of_a_mail_to_one_person_the_report_is_about_that_person_wherever_it_was_forwarded(
    bench: Bench,
) -> None:
    has_sent(bench, "build-1")
    forwarded = about(
        ("x@else.example", "delayed", "4.4.1"),
        ("y@else.example", "failed", "5.1.1"),
        ("z@else.example", "delayed", "4.4.1"),
    )
    bench.received_mail()([came(bench, forwarded, tag_of("build-1"))])
    assert [event.recipient for event in told(bench)] == ["Anna@corp.example"]
    assert [row.key for row in bench.rows(suppressed)] == ["anna@corp.example"]


def test_what_is_denied_or_lies_in_the_folder_for_sent_mail_unsubscribes_nobody(bench: Bench) -> None:
    has_sent(bench, "build-1")
    subject = f"unsubscribe {make_tag('unsubscribe', 'build-1', KEYS)}"
    wish = f"From: b@corp.example\nTo: release@corp.example\nSubject: {subject}\n\n\n"
    sent = came(bench, wish)
    received = sent.envelope.message.model_copy(update={"role": "sent"})
    sent = replace(sent, envelope=replace(sent.envelope, message=received))
    denied = came(bench, wish.replace("b@corp.example", "b@spam.example"))
    assert bench.received_mail()([denied, sent]) == [Ack(), Ack()]
    assert bench.rows(suppressed) == []
    assert bench.received_mail()([came(bench, wish)]) == [Ack()]
    assert [row.reason for row in bench.rows(suppressed)] == ["unsubscribe"]


def test_the_words_of_another_server_may_quote_a_confidential_mail_and_are_not_told(bench: Bench) -> None:
    marked = ACCOUNTS.replace("    dedicated: true", "    dedicated: true\n    confidential: true")
    keep_accounts(bench.store, marked)
    has_sent(bench, "build-1")
    quoting = report("5.1.1", "550 5.1.1 user unknown: Patient 4711")
    bench.received_mail()([came(bench, quoting, tag_of("build-1"))])
    (event,) = told(bench)
    assert isinstance(event, MailBounced)
    assert event.reason == "5.1.1"
    stored = [str(row) for table in (sends, suppressed, mails) for row in bench.rows(table)]
    assert not any("4711" in each for each in stored)


def test_a_complaint_and_unsubscribing_end_bulk_and_the_mail_did_arrive(bench: Bench) -> None:
    has_sent(bench, "build-1")
    has_sent(bench, "build-2", to="bert@corp.example")
    unsubscribe = make_tag("unsubscribe", "build-2", KEYS)
    wish = f"From: b@elsewhere.example\nTo: release@corp.example\nSubject: unsubscribe {unsubscribe}\n\n\n"
    bench.received_mail()([came(bench, complaint("abuse"), tag_of("build-1")), came(bench, wish)])
    assert {row.state for row in bench.rows(sends)} == {"sent"}
    assert {(row.key, row.reason) for row in bench.rows(suppressed)} == {
        ("anna@corp.example", "complaint"),
        ("bert@corp.example", "unsubscribe"),
    }
    assert covered(bench, "bulk")
    assert not covered(bench)
    assert [row.outcome for row in bench.rows(mails)] == ["ignored", "ignored"]
    (event,) = told(bench)
    assert isinstance(event, MailBounced)
    assert (event.send_id, event.kind, event.reason_code) == ("build-1", "complaint", "complaint")


def test_an_approver_whose_mail_came_back_is_shown_as_undelivered(bench: Bench) -> None:
    bench.request()
    (order,) = bench.sends()
    has_sent(bench, order.id, to=order.recipient)
    bench.received_mail()([came(bench, report(*HARD), tag_of(order.id))])
    results = Results(bench.store, bench.relay(), 1, bench.clock)
    (envelope,) = bench.published(topology.RESULTS)
    assert results([delivery(envelope)]) == [Ack()]
    assert [row.undelivered for row in bench.rows(approvers)] == ["5.1.1 550 5.1.1 user unknown"]


def test_what_is_suppressed_is_compared_without_case_and_for_the_account_or_all(bench: Bench) -> None:
    with bench.store.write() as connection:
        about = {"source": "me", "now": NOW}
        suppressions.suppress(connection, "Anna@CORP.example", "manual", account="mute", **about)  # type: ignore[arg-type]
        suppressions.suppress(connection, "bert@corp.example", "manual", **about)  # type: ignore[arg-type]
        asked = [
            ("mute", "ANNA@corp.example", "bulk"),
            ("release", "anna@corp.example", "bulk"),
            ("release", "BERT@corp.example", "transactional"),
        ]
        found = suppressions.covering(connection, asked, NOW)  # type: ignore[arg-type]
        assert set(found) == {asked[0], asked[2]}
        assert suppressions.remove(connection, "anna@corp.example", account="mute") == 1
        assert suppressions.remove(connection, "anna@corp.example", account="mute") == 0


def test_a_bounce_to_the_envelope_sender_of_our_mail_is_enough(bench: Bench) -> None:
    bench.request()
    (order,) = bench.sends()
    has_sent(bench, order.id, to=order.recipient)
    account = bench.received_mail()._accounts.get("release")
    assert account is not None
    mail = compose(order, account, Material(bounce_tag=tag_of(order.id)))
    assert mail.sender == f"release+{tag_of(order.id)}@corp.example"
    assert f"\r\nX-Postroom-Tag: {tag_of(order.id)}\r\n".encode() in mail.content
    # Some servers repeat nothing of the mail.
    bounce = report(*HARD, to=mail.sender.upper()).replace("X-Postroom-Tag", "X-Other")
    bench.received_mail()([came(bench, bounce)])
    assert [row.state for row in bench.rows(sends)] == ["bounced"]
