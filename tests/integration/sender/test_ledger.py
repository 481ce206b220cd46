"""The table `sends`, on both databases."""

from __future__ import annotations

from datetime import timedelta

from postroom.clock import utc_now
from postroom.store import Store
from postroom_sender import ledger
from postroom_sender.ledger import Claim, NewSend, Others, Settled, SettledRecipient

NOW = utc_now()
LATER = NOW + timedelta(seconds=1)


def mails(*send_ids: str) -> list[NewSend]:
    return [NewSend(each, "releases", "boss@example.net", "plain", "<id@x>", "journey") for each in send_ids]


def test_a_claim_says_how_each_mail_was_found(store: Store) -> None:
    with store.write() as connection:
        assert ledger.claim(connection, mails("b", "a"), NOW) == {"a": Claim(None, 0), "b": Claim(None, 0)}
        assert ledger.begin(connection, ["a"], NOW) == {"a"}
    with store.write() as connection:
        found = ledger.claim(connection, mails("a", "b", "c"), LATER)
    assert found == {"a": Claim("in_data", 1), "b": Claim("sending", 0), "c": Claim(None, 0)}


def test_a_mail_that_another_has_claimed_since_is_not_begun(store: Store) -> None:
    with store.write() as connection:
        ledger.claim(connection, mails("a", "b"), NOW)
        ledger.claim(connection, mails("a"), LATER)
        assert ledger.begin(connection, ["a", "b"], NOW) == {"b"}
        assert ledger.begin(connection, ["a", "b"], LATER) == {"a"}


def test_a_mail_that_is_settled_for_good_is_not_claimed(store: Store) -> None:
    with store.write() as connection:
        ledger.claim(connection, mails("a", "b", "c"), NOW)
        ledger.begin(connection, ["a", "b", "c"], NOW)
        settled = [
            Settled("a", "sent", 250, "taken"),
            Settled("b", "failed", 550, "x" * 1000),
            Settled("c", "retrying", 450, "later"),
        ]
        ledger.settle(connection, settled, NOW)
        found = ledger.claim(connection, mails("a", "b", "c"), LATER)
        assert found == {"a": Claim("sent", 1), "b": Claim("failed", 1), "c": Claim("retrying", 1)}
        assert ledger.begin(connection, ["a", "b", "c"], LATER) == {"c"}


def test_what_is_sent_stays_so_whatever_a_late_worker_found(store: Store) -> None:
    with store.write() as connection:
        ledger.claim(connection, mails("a"), NOW)
        ledger.settle(connection, [Settled("a", "uncertain", None, "lost")], NOW)
        ledger.settle(connection, [Settled("a", "sent", 250, "taken")], NOW)
        ledger.settle(connection, [Settled("a", "uncertain", None, "lost")], NOW)
        assert ledger.claim(connection, mails("a"), LATER) == {"a": Claim("sent", 0)}


def test_what_a_living_sender_hands_over_is_not_claimed(store: Store) -> None:
    with store.write() as connection:
        for name in ("slow", "dead"):
            ledger.claim(connection, mails(name), NOW)
            ledger.begin(connection, [name], NOW, holder=name)
        ledger.beat(connection, "slow", LATER)
        ledger.beat(connection, "dead", NOW - timedelta(minutes=1))
        found = ledger.claim(connection, mails("slow", "dead"), LATER, Others("me", NOW))
        assert {name: claim.held for name, claim in found.items()} == {"slow": True, "dead": False}
        again = ledger.claim(connection, mails("slow"), LATER, Others("slow", NOW))
        assert again["slow"] == Claim("in_data", 1)
        ledger.leave(connection, "slow")


def test_recipients_that_are_settled_stay_so(store: Store) -> None:
    mail = NewSend("a", "releases", "boss@x", "plain", "<id@x>", "journey", cc=("anna@x", "bert@x"))
    with store.write() as connection:
        ledger.claim(connection, [mail], NOW)
        ends = (
            SettledRecipient("boss@x", "sent", 250, "taken"),
            SettledRecipient("anna@x", "retrying", 450, "later"),
            SettledRecipient("bert@x", "failed", 550, "who"),
        )
        ledger.settle(connection, [Settled("a", "retrying", 450, "later", recipients=ends)], NOW)
        found = ledger.claim(connection, [mail], LATER)
    assert found["a"].settled == {"boss@x": "sent", "bert@x": "failed"}
