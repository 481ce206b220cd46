"""A reply with too weak a proof waits until whoever reads the registered mailbox confirms it."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta

from sqlalchemy import select, text, update

from postroom.messages import ConfirmMail, MailSend, Message
from postroom.store import evidence
from postroom.store.schema import approvals, confirmations, mails
from postroom_processor.mail import Mail
from postroom_processor.signatures import Signature, Signatures
from tests.accounts import keep_accounts
from tests.integration.processor.test_receiving import ACCOUNTS, Bench, _events, bench, outcomes
from tests.waiting import wait_until

__all__ = ["bench"]  # the fixture


def questions(bench: Bench) -> list[MailSend]:
    return [each for each in bench.sends() if isinstance(each.content, ConfirmMail)]


def token_address(send: MailSend) -> str:
    return f"release+{getattr(send.content, 'reply_token', '')}@corp.example"


def test_a_weak_reply_is_confirmed_by_the_registered_address_and_decides_then(bench: Bench) -> None:
    bench.request(proof="token+confirm")
    weak = bench.mail("Approve\n\nAs agreed.", to=bench.reply_address(), sender="anna@private.example")
    events: list[Message] = _events(bench, lambda: bench.received_mail()([weak]))
    assert [each.TYPE for each in events] == ["approval.needs_confirmation"]
    assert bench.rows(approvals)[0].state == "pending"
    (asked,) = questions(bench)
    assert asked.recipient == "anna@corp.example"
    confirmation = bench.mail("Approve", to=token_address(asked), sender="anna@private.example")
    (decided,) = _events(bench, lambda: bench.received_mail()([confirmation]))
    assert decided.TYPE == "approval.decided"
    assert getattr(decided, "mail_id", "") == confirmation.envelope.id
    assert getattr(decided, "first_mail_id", "") == weak.envelope.id
    (row,) = bench.rows(approvals)
    assert (row.state, row.decision, row.decided_by) == ("decided", "approve", "anna@corp.example")
    assert row.comment == "As agreed."
    assert [each.answer for each in bench.rows(confirmations)] == ["confirmed"]
    with bench.store.read() as connection:
        entries = evidence.read_entries(connection, "r-1")
    mails = [each.mail for each in entries if each.mail is not None]
    assert mails == [weak.envelope.message.content, confirmation.envelope.message.content]


def test_one_question_a_day_and_approver(bench: Bench) -> None:
    bench.request(proof="token+from+confirm")
    address = bench.reply_address()
    for _ in range(3):
        bench.received_mail()([bench.mail("Approve", to=address), bench.mail("Reject", to=address)])
    assert len(questions(bench)) == 1
    bench.now += timedelta(days=1)
    bench.received_mail()([bench.mail("Approve", to=address)])
    assert len(questions(bench)) == 1
    # Those about which nobody is asked wait for nothing: they stay in the mailbox.
    assert outcomes(bench) == Counter({"pending_confirmation": 2, "held": 5})


def test_a_flood_of_weak_replies_leaves_one_piece_of_evidence_a_day(bench: Bench) -> None:
    bench.request(proof="token+from+confirm")
    address = bench.reply_address()
    bench.received_mail()([bench.mail("Approve", to=address)])
    flood = [bench.mail("Approve", to=address) for _ in range(10)]
    bench.received_mail()(flood)
    reasons = Counter(row.reason.partition("; ")[2] for row in bench.rows(mails))
    assert reasons == {"": 1, "whether a reply was theirs was asked today already": 10}
    with bench.store.read() as connection:
        kept = [each for each in evidence.read_entries(connection, "r-1") if each.mail is not None]
    assert len(kept) == 1


def test_a_request_that_is_changed_is_asked_back_about_the_same_day(bench: Bench) -> None:
    """A pending confirmation is void with the change, and the new round has its own question."""
    bench.request(proof="token+from+confirm")
    before = bench.reply_address()
    bench.received_mail()([bench.mail("Approve", to=before)])
    (old,) = questions(bench)
    bench.request(proof="token+from+confirm", body="Something else")
    address = bench.reply_address()
    bench.received_mail()(
        [
            bench.mail("Approve", to=token_address(old)),
            bench.mail("Approve", to=before),
            bench.mail("Approve", to=address),
        ]
    )
    assert outcomes(bench) == Counter({"pending_confirmation": 2, "ignored": 2})
    (asked,) = questions(bench)
    bench.received_mail()([bench.mail("Approve", to=token_address(old))])
    assert bench.rows(approvals)[0].state == "pending"
    bench.received_mail()([bench.mail("Approve", to=token_address(asked))])
    assert bench.rows(approvals)[0].state == "decided"


def test_a_question_is_answered_by_nobody_but_the_one_who_was_asked(bench: Bench) -> None:
    dora = "dora@corp.example"
    bench.request(proof="token+from+confirm", delegates={"anna@corp.example": dora})
    address = next(
        f"release+{getattr(each.content, 'reply_token', '')}@corp.example"
        for each in bench.sends()
        if each.recipient == "anna@corp.example"
    )
    bench.received_mail()([bench.mail("Approve", to=address)])
    (asked,) = questions(bench)
    bench.received_mail()(
        [
            bench.mail("Approve", to=token_address(asked), sender=dora),
            bench.mail("Approve", to=token_address(asked), sender="eve@corp.example"),
            bench.mail("Approve", to=token_address(asked), sender="anna+x@corp.example"),
        ]
    )
    assert outcomes(bench) == Counter({"pending_confirmation": 1, "held": 3})
    assert bench.rows(approvals)[0].state == "pending"


def test_an_answer_with_another_word_decides_nothing_and_ends_the_question(bench: Bench) -> None:
    bench.request(proof="token+from+confirm")
    bench.received_mail()([bench.mail("Approve", to=bench.reply_address())])
    (asked,) = questions(bench)
    for word in ("Reject", "Approve"):
        bench.received_mail()([bench.mail(word, to=token_address(asked))])
    assert outcomes(bench) == Counter({"pending_confirmation": 1, "held": 1, "ignored": 1})
    assert bench.rows(approvals)[0].state == "pending"


def test_of_two_answers_at_once_the_second_sees_the_first(bench: Bench) -> None:
    """Who waits for the request's row finds the question as it was left, not as it was before."""
    bench.request(proof="token+from+confirm")
    bench.received_mail()([bench.mail("Approve", to=bench.reply_address())])
    (asked,) = questions(bench)
    handler, reply = bench.received_mail(), bench.mail("Approve", to=token_address(asked))
    second = threading.Thread(target=handler, args=([reply],))
    with bench.store.write() as connection:
        connection.execute(select(approvals).with_for_update())
        second.start()
        if not bench.store.is_sqlite:  # there the second waits before it reads anything
            wait_until(lambda: waiting_for_locks(bench), 20, "the second to wait for the row")
        connection.execute(update(confirmations).values(answer="contradicted"))
    second.join(timeout=30)
    assert outcomes(bench) == Counter({"pending_confirmation": 1, "ignored": 1})
    assert bench.rows(approvals)[0].state == "pending"


def waiting_for_locks(bench: Bench) -> int:
    """How many sessions of the bench's PostgreSQL database wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    found = text(f"{waiting} AND datname = current_database()")
    with bench.store.read() as connection:
        return int(connection.execute(found).scalar_one())


def test_a_question_is_void_once_the_deadline_is_over(bench: Bench) -> None:
    bench.request(proof="token+from+confirm", deadline=bench.now + timedelta(hours=1))
    bench.received_mail()([bench.mail("Approve", to=bench.reply_address())])
    (asked,) = questions(bench)
    bench.now += timedelta(hours=2)
    bench.received_mail()([bench.mail("Approve", to=token_address(asked))])
    assert outcomes(bench) == Counter({"pending_confirmation": 1, "ignored": 1})


def test_a_question_is_void_once_the_request_is_another(bench: Bench) -> None:
    bench.request(proof="token+from+confirm")
    bench.received_mail()([bench.mail("Approve", to=bench.reply_address())])
    (asked,) = questions(bench)
    bench.request(proof="token+from+confirm", body="Something else")
    bench.received_mail()([bench.mail("Approve", to=token_address(asked))])
    assert outcomes(bench) == Counter({"pending_confirmation": 1, "ignored": 1})
    assert bench.rows(approvals)[0].state == "pending"


def test_signatures_are_looked_at_only_for_a_proven_token_whose_level_needs_them(bench: Bench) -> None:
    looked_at: list[str] = []

    def check(_mail: Mail, domain: str) -> Signatures:
        looked_at.append(domain)
        return Signatures((Signature(domain, f"s._domainkey.{domain}", "pass", "", {"to": 1}),))

    bench.check = check
    bench.request(id="plain")
    bench.received_mail()([bench.mail("Approve", to=bench.reply_address())])
    bench.request(id="signed", proof="token+from+dmarc")
    address = bench.reply_address()
    tampered = address.replace("@", "a@")[:-1] if address else address
    bench.received_mail()(
        [
            bench.mail("Hello"),
            bench.mail("Approve", to=tampered),
            bench.mail("Approve", to=address, sender="mallory@evil.example"),
        ]
    )
    assert looked_at == []
    bench.received_mail()([bench.mail("Approve", to=address)])
    assert looked_at == ["corp.example"]
    assert {row.id: row.state for row in bench.rows(approvals)} == {"plain": "decided", "signed": "decided"}


def test_a_request_cannot_go_below_the_level_of_its_account(bench: Bench) -> None:
    keep_accounts(bench.store, ACCOUNTS.replace("    deny:", "    proof: token+from+confirm\n    deny:"))
    (refused,) = _events(bench, lambda: bench.request(id="low", proof="token+from+dmarc"))
    assert (refused.TYPE, getattr(refused, "field", "")) == ("approval.refused", "proof")
    bench.request(id="unsaid")
    bench.request(id="more", proof="token+from+dmarc+confirm")
    assert {row.id: row.proof for row in bench.rows(approvals)} == {
        "unsaid": "token+from+confirm",
        "more": "token+from+dmarc+confirm",
    }
