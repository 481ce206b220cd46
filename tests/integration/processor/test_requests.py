"""Requests with rules, votes, reminders, escalation, delegates and changed content, on both databases."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from postroom.broker.verdict import Ack
from postroom.errors import PostroomError
from postroom.messages import (
    ApprovalCancel,
    ApprovalDelegate,
    ApprovalMail,
    ApprovalState,
    Escalation,
    MailSend,
    Message,
    PlainMail,
)
from postroom.store.schema import approval_votes, approvals, approvers, former_tokens, mails
from postroom_processor.approval_states import read_states
from tests.integration.processor.test_receiving import NOW, Bench, _events, bench

__all__ = ["bench"]
ANNA, BERT, CARL, BOSS = (f"{name}@corp.example" for name in ("anna", "bert", "carl", "boss"))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Tokens = dict[str, str]


def asked(sends: list[MailSend]) -> Tokens:
    """The reply address that each person got last."""
    return {
        send.recipient: f"release+{send.content.reply_token}@corp.example"
        for send in sends
        if isinstance(send.content, ApprovalMail)
    }


def request(bench: Bench, **fields: Any) -> Tokens:
    bench.request(**{"approvers": (ANNA, BERT, CARL), **fields})
    return asked(bench.sends())


def answer(bench: Bench, tokens: Tokens, who: str, text: str, sender: str = "") -> list[Message]:
    reply = bench.mail(text, to=tokens[who], sender=sender or who)
    return _events(bench, lambda: bench.received_mail()([reply]))


def types(events: list[Message]) -> list[str]:
    return [each.TYPE for each in events]


def state(bench: Bench) -> ApprovalState:
    with bench.store.read() as connection:
        (found,) = read_states(connection, ["r-1"], 1)
    return found


def last_reason(bench: Bench) -> tuple[str, str]:
    newest = max(bench.rows(mails), key=lambda row: row.uid)
    return newest.outcome, newest.reason


def test_any_is_decided_by_the_first_vote_and_tells_the_second_who_was_first(bench: Bench) -> None:
    tokens = request(bench)
    (decided,) = answer(bench, tokens, BERT, "Approve\n\nFine.")
    assert decided.model_dump(include={"TYPE", "decision", "approver", "votes"}) == {
        "decision": "approve",
        "approver": BERT,
        "votes": (),
    }
    assert answer(bench, tokens, ANNA, "Reject") == []
    assert last_reason(bench) == ("ignored", f"already decided by {BERT} at 2026-03-02 12:00 UTC")


def notices(bench: Bench) -> list[tuple[str, str]]:
    """Whom the mails went to that say that a reply changed nothing, and why."""
    return [
        (send.recipient, send.content.text.partition("The reason: ")[2].partition("\n")[0])
        for send in bench.sends()
        if isinstance(send.content, PlainMail)
    ]


def test_who_replies_late_or_second_is_told_once_and_why(bench: Bench) -> None:
    tokens = request(bench, rule="2")
    answer(bench, tokens, ANNA, "Approve")
    answer(bench, tokens, ANNA, "Approve")
    assert notices(bench) == []
    answer(bench, tokens, ANNA, "Reject")
    assert notices(bench) == [
        (ANNA, "you already voted 'approve' at 2026-03-02 12:00 UTC; the first vote counts.")
    ]
    answer(bench, tokens, BERT, "Approve")
    answer(bench, tokens, BERT, "Thank you all")
    answer(bench, tokens, CARL, "I am out of the office until Monday.")
    answer(bench, tokens, CARL, "Approve", sender="eve@evil.example")
    assert notices(bench) == []
    answer(bench, tokens, CARL, "Reject")
    answer(bench, tokens, CARL, "Reject, really")
    answer(bench, tokens, ANNA, "Reject")
    assert notices(bench) == [(CARL, f"already decided by {BERT} at 2026-03-02 12:00 UTC.")]


@pytest.mark.parametrize("end", ["cancelled", "expired", "changed"])
def test_a_reply_to_what_ended_or_changed_is_answered_with_the_reason(bench: Bench, end: str) -> None:
    tokens = request(bench, deadline=NOW + HOUR)
    if end == "cancelled":
        bench.command(ApprovalCancel(id="r-1"))
    elif end == "changed":
        bench.request(approvers=(ANNA, BERT, CARL), body="Another")
    else:
        bench.now += 2 * HOUR
        bench.deadlines().tend()
    bench.sends()
    answer(bench, tokens, ANNA, "Approve")
    ((recipient, reason),) = notices(bench)
    assert recipient == ANNA
    assert end in reason


def test_all_is_decided_by_the_last_vote(bench: Bench) -> None:
    tokens = request(bench, rule="all")
    (first,) = answer(bench, tokens, ANNA, "Approve")
    assert first.TYPE == "approval.voted"
    assert getattr(first, "waiting_for", None) == (BERT, CARL)
    assert state(bench).waiting_for == (BERT, CARL)
    assert types(answer(bench, tokens, CARL, "Approve")) == ["approval.voted"]
    bench.now += HOUR
    (last,) = answer(bench, tokens, BERT, "Approve\n\nMe too.")
    assert last.TYPE == "approval.decided"
    assert [vote.approver for vote in getattr(last, "votes", ())] == [ANNA, CARL, BERT]
    found = state(bench)
    assert (found.state, found.decision, found.decided_by, found.comment) == (
        "decided",
        "approve",
        BERT,
        "Me too.",
    )


def test_all_ends_with_the_first_rejection(bench: Bench) -> None:
    tokens = request(bench, rule="all")
    answer(bench, tokens, ANNA, "Approve")
    assert types(answer(bench, tokens, BERT, "Reject")) == ["approval.decided"]
    assert state(bench).decision == "reject"


def test_two_of_three(bench: Bench) -> None:
    tokens = request(bench, rule="2")
    assert types(answer(bench, tokens, ANNA, "Reject")) == ["approval.voted"]
    assert types(answer(bench, tokens, BERT, "Approve")) == ["approval.voted"]
    assert types(answer(bench, tokens, CARL, "Approve")) == ["approval.decided"]
    assert state(bench).decision == "approve"


def test_the_first_vote_of_an_approver_counts_and_the_second_is_told_so(bench: Bench) -> None:
    tokens = request(bench, rule="all")
    answer(bench, tokens, ANNA, "Approve")
    assert answer(bench, tokens, ANNA, "Reject") == []
    kind, reason = last_reason(bench)
    assert kind == "ignored"
    assert reason.startswith("you already voted 'approve' at 2026-03-02 12:00 UTC")
    assert state(bench).state == "pending"


def test_votes_that_no_choice_can_win_end_undecided(bench: Bench) -> None:
    tokens = request(bench, rule={"at_least": 2}, choices=("red", "green", "blue"))
    answer(bench, tokens, ANNA, "red")
    answer(bench, tokens, BERT, "green")
    (ended,) = answer(bench, tokens, CARL, "blue")
    assert ended.TYPE == "approval.undecided"
    assert state(bench).state == "undecided"
    answer(bench, tokens, CARL, "red")
    assert last_reason(bench)[1].startswith("the request ended undecided")


def test_votes_of_one_batch_are_counted_one_after_the_other(bench: Bench) -> None:
    tokens = request(bench, rule="2")
    replies = [
        bench.mail(text, to=tokens[who], sender=who)
        for who, text in ((ANNA, "Approve"), (ANNA, "Reject"), (BERT, "Approve"), (CARL, "Reject"))
    ]
    events = _events(bench, lambda: bench.received_mail()(replies))
    assert types(events) == ["approval.voted", "approval.decided"]
    assert [row.outcome for row in sorted(bench.rows(mails), key=lambda row: row.uid)] == [
        "voted",
        "ignored",
        "decided",
        "ignored",
    ]


def test_several_processors_count_each_vote_once_and_decide_once(bench: Bench) -> None:
    tokens = request(bench, rule="2")
    replies = [bench.mail("Approve", to=tokens[who], sender=who) for who in (ANNA, BERT, CARL) * 2]

    def work(part: list[Any]) -> None:
        handler = bench.received_mail()
        for each in part:
            for _ in range(50):
                try:
                    assert handler([each]) == [Ack()]
                    break
                except PostroomError:
                    continue

    threads = [threading.Thread(target=work, args=(part,)) for part in (replies, replies[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bench.rows(approval_votes)) == 2
    assert [row.outcome for row in bench.rows(mails)].count("decided") == 1
    assert state(bench).decision == "approve"


def test_a_rejection_without_the_comment_it_needs_gets_help_that_says_so(bench: Bench) -> None:
    tokens = request(bench, comment_required=("reject",))
    (unclear,) = answer(bench, tokens, ANNA, "Reject")
    assert getattr(unclear, "reason_code", None) == "no-comment"
    (help_mail,) = bench.sends()
    assert help_mail.content.kind == "help"
    assert help_mail.content.reason_code == "no-comment"
    assert types(answer(bench, tokens, ANNA, "Reject\n\nToo early.")) == ["approval.decided"]


def test_an_approval_needs_no_comment_where_only_the_rejection_does(bench: Bench) -> None:
    tokens = request(bench, comment_required=("Reject",))
    assert types(answer(bench, tokens, ANNA, "Approve")) == ["approval.decided"]


def test_changed_content_voids_replies_and_votes_and_asks_afresh(bench: Bench) -> None:
    before = request(bench, rule="2")
    answer(bench, before, ANNA, "Approve")
    bench.now += HOUR
    events = _events(bench, lambda: bench.request(approvers=(ANNA, BERT), rule="2", subject="Release 4.3"))
    assert types(events) == ["approval.changed", "approval.requested"]
    tokens = asked(bench.sends())
    assert set(tokens) == {ANNA, BERT}
    assert tokens[ANNA] != before[ANNA]
    for who in (ANNA, CARL):
        assert answer(bench, before, who, "Approve") == []
        assert last_reason(bench) == (
            "ignored",
            "this request was changed at 2026-03-02 13:00 UTC; see the new mail",
        )
    found = state(bench)
    assert (found.round, found.subject, found.votes, found.waiting_for) == (
        2,
        "Release 4.3",
        (),
        (ANNA, BERT),
    )
    assert types(answer(bench, tokens, ANNA, "Approve")) == ["approval.voted"]
    assert types(answer(bench, tokens, BERT, "Approve")) == ["approval.decided"]
    assert len(bench.rows(former_tokens)) == 3


def test_what_is_changed_back_is_asked_a_third_time(bench: Bench) -> None:
    deadline = NOW + DAY
    first = request(bench, deadline=deadline)
    second = request(bench, deadline=deadline, subject="Another")
    third = request(bench, deadline=deadline)
    assert len({first[ANNA], second[ANNA], third[ANNA]}) == 3
    answer(bench, first, ANNA, "Approve")
    assert last_reason(bench)[0] == "ignored"
    assert types(answer(bench, third, ANNA, "Approve")) == ["approval.decided"]


def test_request_change_cancel_and_delegation_of_one_batch_take_effect_in_order(bench: Bench) -> None:
    bench.request(approvers=(ANNA,))
    bench.request(approvers=(ANNA,), subject="Another")
    bench.command(ApprovalDelegate(id="r-1", approver=ANNA, to=BERT))
    bench.command(ApprovalCancel(id="r-1"))
    found = state(bench)
    assert (found.round, found.state, found.approvers) == (2, "cancelled", (ANNA, BERT))


@pytest.mark.parametrize("end", ["decided", "cancelled", "expired"])
def test_what_has_ended_cannot_be_changed(bench: Bench, end: str) -> None:
    tokens = request(bench, deadline=NOW + HOUR)
    if end == "decided":
        answer(bench, tokens, ANNA, "Approve")
    elif end == "cancelled":
        bench.command(ApprovalCancel(id="r-1"))
    else:
        bench.now += 2 * HOUR
        bench.deadlines().tend()
    assert state(bench).state == end
    (refused,) = _events(bench, lambda: bench.request(subject="Another", deadline=bench.now + HOUR))
    assert (refused.TYPE, getattr(refused, "field", "")) == ("approval.refused", "id")
    assert bench.sends() == []


def test_a_change_is_refused_as_a_new_request_would_be(bench: Bench) -> None:
    request(bench)
    (refused,) = _events(bench, lambda: bench.request(approvers=("eve@evil.example",)))
    assert getattr(refused, "field", "") == "approvers[0]"
    assert state(bench).round == 1


def test_an_id_of_another_account_is_not_changed(bench: Bench) -> None:
    request(bench)
    (refused,) = _events(bench, lambda: bench.request(account="mute"))
    assert getattr(refused, "field", "") == "id"


def tend(bench: Bench) -> list[Message]:
    """What two processors that look at once tell."""
    both = [bench.deadlines(), bench.deadlines()]

    def act() -> None:
        threads = [threading.Thread(target=each.tend) for each in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return _events(bench, act)


def test_reminders_go_once_to_those_who_have_not_voted(bench: Bench) -> None:
    tokens = request(bench, rule="all", remind_after_s=(3600, 7200))
    answer(bench, tokens, ANNA, "Approve")
    assert tend(bench) == []
    bench.now += HOUR
    (reminded,) = tend(bench)
    assert getattr(reminded, "approvers", ()) == (BERT, CARL)
    sends = bench.sends()
    assert asked(sends) == {BERT: tokens[BERT], CARL: tokens[CARL]}
    assert [getattr(send.content, "reminder", 0) for send in sends] == [1, 1]
    assert tend(bench) == []
    bench.now += HOUR
    assert [getattr(each, "number", 0) for each in tend(bench)] == [2]
    bench.now += DAY
    assert tend(bench) == []
    found = state(bench)
    assert (found.reminders, found.next_due, found.next_due_at) == (2, "expiry", found.deadline)


def test_who_could_not_be_reached_is_not_reminded(bench: Bench) -> None:
    request(bench, rule="all", remind_after_s=(3600,))
    with bench.store.write() as connection:
        connection.execute(update(approvers).where(approvers.c.address == BERT).values(undelivered="gone"))
    bench.now += HOUR
    (reminded,) = tend(bench)
    assert getattr(reminded, "approvers", ()) == (ANNA, CARL)


def test_reminders_end_with_the_request(bench: Bench) -> None:
    tokens = request(bench, remind_every_s=3600)
    answer(bench, tokens, ANNA, "Approve")
    bench.sends()
    bench.now += 5 * HOUR
    assert tend(bench) == []
    assert bench.sends() == []


def test_it_escalates_once_and_either_may_decide_then(bench: Bench) -> None:
    escalation = Escalation(after_s=3600, to=(BOSS,))
    tokens = request(bench, approvers=(ANNA,), escalate=escalation)
    assert state(bench).next_due == "escalation"
    bench.now += HOUR
    (escalated,) = tend(bench)
    assert (escalated.TYPE, getattr(escalated, "to", ())) == ("approval.escalated", (BOSS,))
    (mail,) = bench.sends()
    assert isinstance(mail.content, ApprovalMail)
    assert mail.content.escalated
    assert tend(bench) == []
    tokens |= asked([mail])
    assert types(answer(bench, tokens, BOSS, "Approve")) == ["approval.decided"]
    assert answer(bench, tokens, ANNA, "Reject") == []
    assert state(bench).decided_by == BOSS


def test_an_escalation_that_never_comes_is_refused(bench: Bench) -> None:
    fields = {"deadline": NOW + HOUR, "escalate": Escalation(after_s=7200, to=(BOSS,))}
    (refused,) = _events(bench, lambda: bench.request(**fields))
    assert getattr(refused, "field", "") == "escalate.after_s"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"escalate": Escalation(after_s=60, to=("eve@evil.example",))}, "escalate.to[0]"),
        ({"delegates": {ANNA: "eve@evil.example"}}, f"delegates[{ANNA}]"),
    ],
)
def test_nobody_decides_who_may_not_be_asked(bench: Bench, changes: dict[str, Any], field: str) -> None:
    (refused,) = _events(bench, lambda: bench.request(**changes))
    assert getattr(refused, "field", "") == field


def test_a_delegate_of_the_request_decides_in_the_approvers_place(bench: Bench) -> None:
    tokens = request(bench, approvers=(ANNA, CARL), rule="all", delegates={ANNA: BERT})
    assert types(answer(bench, tokens, BERT, "Approve")) == ["approval.voted"]
    assert answer(bench, tokens, ANNA, "Reject") == []
    assert last_reason(bench)[1].startswith(f"{BERT} already voted 'approve'")
    (decided,) = answer(bench, tokens, CARL, "Approve")
    assert [vote.stands_for for vote in getattr(decided, "votes", ())] == [ANNA, None]


def test_a_delegate_may_answer_the_mail_that_the_approver_got(bench: Bench) -> None:
    tokens = request(bench, approvers=(ANNA, CARL), delegates={ANNA: BERT})
    answer(bench, tokens, CARL, "Approve", sender=BERT)
    assert last_reason(bench)[0] == "held"
    (decided,) = answer(bench, tokens, ANNA, "Approve", sender=BERT)
    assert getattr(decided, "approver", "") == BERT


def test_delegating_by_command_asks_the_delegate_and_tells_the_approver(bench: Bench) -> None:
    request(bench, approvers=(ANNA,))
    command = ApprovalDelegate(id="r-1", approver=ANNA, to=BERT, reason="on holiday")
    (delegated,) = _events(bench, lambda: bench.command(command))
    assert delegated.TYPE == "approval.delegated"
    to_bert, to_anna = bench.sends()
    assert (to_bert.recipient, to_anna.recipient) == (BERT, ANNA)
    assert isinstance(to_bert.content, ApprovalMail)
    assert to_bert.content.stands_for == ANNA
    assert "on holiday" in getattr(to_anna.content, "text", "")
    assert types(answer(bench, asked([to_bert]), BERT, "Approve")) == ["approval.decided"]
    assert state(bench).decided_by == BERT


REFUSED_DELEGATIONS = [
    (ANNA, "eve@evil.example", "to", "not known"),
    (ANNA, CARL, "to", "asked in this request already"),
    (BOSS, BERT, "approver", "not asked"),
    (CARL, BERT, "approver", "in already"),
    (ANNA, BOSS, "to", "if it escalates"),
]


@pytest.mark.parametrize(("approver", "to", "field", "reason"), REFUSED_DELEGATIONS)
def test_a_delegation_is_refused_with_the_field_named(
    bench: Bench, approver: str, to: str, field: str, reason: str
) -> None:
    escalation = Escalation(after_s=3600, to=(BOSS,))
    tokens = request(bench, approvers=(ANNA, CARL), rule="all", escalate=escalation)
    answer(bench, tokens, CARL, "Approve")
    command = ApprovalDelegate(id="r-1", approver=approver, to=to)
    (refused,) = _events(bench, lambda: bench.command(command))
    assert (refused.TYPE, getattr(refused, "field", "")) == ("approval.refused", field)
    assert re.search(reason, getattr(refused, "reason", ""))


def test_a_request_without_a_plan_is_stored_as_before(bench: Bench) -> None:
    request(bench)
    (row,) = bench.rows(approvals)
    assert (row.rule, row.round, row.changed_at, row.due_at) == ("any", 1, None, row.deadline)
