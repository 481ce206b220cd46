"""The table `sends`, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from postroom.clock import utc_now
from postroom.store import Store
from postroom.store.migrate import migrate
from postroom_sender import ledger
from postroom_sender.ledger import Claim, NewSend, Settled

NOW = utc_now()
LATER = NOW + timedelta(seconds=1)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of this test's own."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/store" if is_sqlite else request.getfixturevalue("postgresql_database")
    store = Store(url)
    migrate(store)
    yield store
    store.close()


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
