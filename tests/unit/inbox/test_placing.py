"""Mails join conversations by what they refer to, else by subject and people within a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from postroom.inbox.entry import MAX_REFERENCES, Entry, conversation_id
from postroom.inbox.placing import Lead, Placing, keys_of, place

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WITHIN = {"desk": 14 * DAY, "other": 14 * DAY}


def mail(name: str, **changes: Any) -> Entry:
    entry = Entry(
        id=name,
        account="desk",
        direction="in",
        at=NOW,
        author="anna@corp.example",
        correspondents=("anna@corp.example",),
        subject=f"About {name}",
        text="",
        outcome="accepted",
        message_id=f"{name}@x",
    )
    return replace(entry, **changes)


class Desk:
    """Remembers what the store would."""

    def __init__(self) -> None:
        self.leads: dict[str, Lead] = {}

    def take(self, *entries: Entry) -> Placing:
        known = {key: self.leads[key] for key in keys_of(entries) if key in self.leads}
        placing = place(entries, known, WITHIN)
        self.leads |= {key: lead for key, (_, lead) in placing.new_leads.items()} | placing.moved_leads
        return placing

    def where(self, entry: Entry) -> str:
        return self.take(entry).conversations[entry.id]


def test_a_reply_joins_whatever_its_subject_author_and_time() -> None:
    desk = Desk()
    first = desk.where(mail("a"))
    reply = mail("b", references=("a@x",), at=NOW + 400 * DAY, correspondents=("bert@corp.example",))
    assert desk.where(reply) == first


def test_the_nearest_reference_counts() -> None:
    desk = Desk()
    desk.where(mail("a"))
    nearer = desk.where(mail("b"))
    assert desk.where(mail("c", references=("b@x", "a@x"))) == nearer


def test_two_replies_to_a_mail_that_was_never_seen_meet() -> None:
    desk = Desk()
    first = desk.where(mail("a", references=("lost@x",)))
    assert desk.where(mail("b", references=("lost@x",))) == first
    assert desk.where(mail("lost", message_id="lost@x")) == first


def test_subject_and_author_lead_to_a_conversation_for_a_time_after_its_last_mail() -> None:
    desk = Desk()
    first = desk.where(mail("a", subject="Budget"))
    assert desk.where(mail("b", subject="AW: budget", at=NOW + 13 * DAY)) == first
    assert desk.where(mail("c", subject="Re: Budget", at=NOW + 26 * DAY)) == first
    later = desk.where(mail("d", subject="Budget", at=NOW + 41 * DAY))
    assert later != first
    assert desk.where(mail("e", subject="Budget", at=NOW + 42 * DAY)) == later


def test_another_author_or_an_empty_subject_begins_a_conversation() -> None:
    desk = Desk()
    first = desk.where(mail("a", subject="Budget"))
    assert desk.where(mail("b", subject="Budget", correspondents=("eve@evil.example",))) != first
    assert desk.where(mail("c", subject="Re:")) != desk.where(mail("d", subject=""))


def test_mail_that_went_out_is_found_by_each_of_its_recipients() -> None:
    desk = Desk()
    out = mail(
        "a", direction="out", subject="Hello", correspondents=("anna@corp.example", "bert@corp.example")
    )
    assert desk.where(mail("b", subject="Re: Hello", correspondents=("bert@corp.example",))) != ""
    desk = Desk()
    first = desk.where(out)
    assert desk.where(mail("b", subject="Re: Hello", correspondents=("bert@corp.example",))) == first


def test_accounts_share_nothing() -> None:
    desk = Desk()
    first = desk.where(mail("a", subject="Budget"))
    assert desk.where(mail("b", account="other", subject="Budget", references=("a@x",))) != first


def test_a_stranger_who_takes_anothers_id_leads_nobody_away() -> None:
    desk = Desk()
    first = desk.where(mail("a"))
    stranger = desk.where(mail("evil", message_id="a@x", correspondents=("eve@evil.example",)))
    assert stranger != first
    assert desk.where(mail("b", references=("a@x",))) == first


def test_the_mails_of_a_request_and_approver_are_one_conversation_and_of_no_other_request() -> None:
    desk = Desk()
    asked = mail("a", direction="out", subject="Decision", approval=("r-1", "Anna@corp.example"))
    first = desk.where(asked)
    reminder = mail("b", direction="out", subject="Decision", approval=("r-1", "anna@corp.example"))
    assert desk.where(reminder) == first
    assert (
        desk.where(replace(asked, id="c", message_id="c@x", approval=("r-2", "anna@corp.example"))) != first
    )


def test_mails_of_one_batch_find_each_other() -> None:
    placing = Desk().take(mail("a"), mail("b", references=("a@x",)), mail("c", references=("b@x",)))
    assert set(placing.conversations.values()) == {conversation_id(mail("a"))}
    assert list(placing.begun) == [conversation_id(mail("a"))]


def test_references_without_end_are_bounded() -> None:
    huge = mail("a", references=tuple(f"{number}@x" for number in range(10_000)))
    assert len(huge.strong_keys) == 2 * MAX_REFERENCES
    assert len(huge.own_keys) <= 4
    assert len(keys_of([huge])) <= 2 * MAX_REFERENCES + 6


def test_a_flood_of_one_subject_does_not_write_its_key_each_time() -> None:
    desk = Desk()
    desk.where(mail("a", subject="Disk full"))
    again = desk.take(mail("b", subject="Disk full", at=NOW + timedelta(minutes=5)))
    assert again.moved_leads == {}
