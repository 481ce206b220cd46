"""Copies of sent mail are filed together: each Message-ID once, and each with an answer of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from postroom.errors import Permanent
from postroom.messages import MailboxAppend
from postroom.spool import Spool
from postroom_fetcher.fault import Refused, Unavailable
from postroom_fetcher.filing import SMALL_BYTES, file
from postroom_fetcher.session import Session
from tests.integration.fetcher.mailroom import Mailroom, entry
from tests.servers.dovecot import Account, Dovecot

pytestmark = pytest.mark.needs("dovecot")

SEEN = ("\\Seen",)
GONE = f"spool:sha256:{'0' * 64}"


class _Counted(Session):
    """Counts the round trips; some capabilities are lacking, and some commands refused."""

    calls: Counter[str]
    lacking: tuple[str, ...]
    refuses: Callable[[str, Any], bool]

    def has(self, capability: str) -> bool:
        """As the session does, but for what is lacking."""
        return capability not in self.lacking and super().has(capability)

    def append(self, folder: str, size_bytes: int, parts: Any, flags: Sequence[str]) -> None:
        """As the session does."""
        self._count("append", size_bytes)
        super().append(folder, size_bytes, parts, flags)

    def append_all(self, folder: str, contents: Sequence[bytes], flags: Sequence[str]) -> None:
        """As the session does."""
        self._count("append_all", contents)
        super().append_all(folder, contents, flags)

    def search_message_ids(self, message_ids: Sequence[str], since: Any = None) -> list[int]:
        """As the session does."""
        self._count("search", message_ids)
        return super().search_message_ids(message_ids, since)

    def _count(self, name: str, given: Any) -> None:
        self.calls[name] += 1
        if self.refuses(name, given):
            raise Refused("over quota", "OVERQUOTA")


Open = Callable[..., _Counted]


@pytest.fixture
def user(dovecot: Dovecot) -> Account:
    """A mailbox without mail."""
    return dovecot.account()


@pytest.fixture
def open_session(mailroom: Mailroom, dovecot: Dovecot, user: Account) -> Iterator[Open]:
    """Opens sessions that count."""
    mailroom.write_accounts(entry("team", dovecot, user))
    account = mailroom.accounts().get("team")
    assert account is not None
    opened: list[Session] = []

    def open_one(
        *lacking: str, refuses: Callable[[str, Any], bool] = lambda _name, _given: False
    ) -> _Counted:
        session: Any = mailroom.connect(account)
        opened.append(session)
        session.__class__ = _Counted
        session.calls, session.lacking, session.refuses = Counter(), lacking, refuses
        found: _Counted = session
        return found

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Where the copies wait."""
    return Spool(tmp_path / "copies")


def sent(number: int, *, at: datetime | None = None, size: int = 0) -> bytes:
    """A mail that was sent, with bytes of all kinds."""
    date = format_datetime(at or datetime.now(UTC))
    head = f"Message-ID: {id_of(number)}\r\nDate: {date}\r\nSubject: Grüße {number} {{3+}}\r\n\r\n".encode()
    return head + b"Date: Mon, 1 Jan 1990 00:00:00 +0000\r\n\xff\x80" + b"x" * size + b"\r\n"


def id_of(number: int) -> str:
    """The Message-ID of such a mail."""
    return f"<copy-{number}@postroom.example>"


def put(spool: Spool, mails: Sequence[bytes], start: int = 0) -> dict[str, str]:
    """The mails in the spool, by Message-ID."""
    return {id_of(number): spool.put([content]) for number, content in enumerate(mails, start)}


def test_many_cost_a_search_for_twenty_and_one_append(
    open_session: Open, spool: Spool, dovecot: Dovecot, user: Account
) -> None:
    session = open_session()
    mails = [sent(number) for number in range(45)]
    found = file(session, "Sent", put(spool, mails), SEEN, spool)
    assert set(found.values()) == {False}
    assert session.calls == {"search": 3, "append_all": 1}
    assert list(dovecot.mails(user.user, "Sent").values()) == mails
    assert set(dovecot.flags(user.user, "Sent").values()) == {frozenset(SEEN)}


def test_what_is_there_already_stays_alone(
    open_session: Open, spool: Spool, dovecot: Dovecot, user: Account
) -> None:
    mails = [sent(number) for number in range(6)]
    dovecot.append(user.user, "Sent", [mails[4], sent(1) + b"longer", mails[4]])
    found = file(open_session(), "Sent", put(spool, mails), SEEN, spool)
    assert found == {id_of(number): number in (1, 4) for number in range(6)}
    again = file(open_session(), "Sent", put(spool, mails), SEEN, spool)
    assert set(again.values()) == {True}
    assert len(dovecot.mails(user.user, "Sent")) == 3 + 4


@pytest.mark.parametrize("lacking", ["MULTIAPPEND", "LITERAL+"])
def test_on_a_server_that_takes_one_at_a_time_they_go_one_by_one(
    lacking: str, open_session: Open, spool: Spool, dovecot: Dovecot, user: Account
) -> None:
    session = open_session(lacking)
    mails = [sent(number) for number in range(3)]
    assert set(file(session, "Sent", put(spool, mails), (), spool).values()) == {False}
    assert session.calls == {"search": 1, "append": 3}
    assert list(dovecot.mails(user.user, "Sent").values()) == mails


def test_large_mail_goes_in_alone_and_a_missing_one_keeps_nobody_back(
    open_session: Open, spool: Spool, dovecot: Dovecot, user: Account
) -> None:
    session = open_session()
    mails = [sent(0), sent(1, size=SMALL_BYTES), sent(2)]
    found = file(session, "New/Sent", {**put(spool, mails), id_of(3): GONE}, SEEN, spool)
    assert isinstance(found.pop(id_of(3)), Permanent)
    assert set(found.values()) == {False}
    assert session.calls["append"] == session.calls["append_all"] == 1
    assert sorted(dovecot.mails(user.user, "New/Sent").values()) == sorted(mails)


def test_the_one_that_is_refused_is_told_from_the_others(
    open_session: Open, spool: Spool, dovecot: Dovecot, user: Account
) -> None:
    mails = [sent(0), sent(1, size=2_000), sent(2)]
    session = open_session(refuses=lambda name, given: name == "append_all" or given == len(mails[1]))
    found = file(session, "Sent", put(spool, mails), SEEN, spool)
    assert [isinstance(each, Refused) for each in found.values()] == [False, True, False]
    assert list(dovecot.mails(user.user, "Sent").values()) == [mails[0], mails[2]]


def test_a_server_that_takes_no_search_for_many_is_asked_for_each(
    open_session: Open, spool: Spool, dovecot: Dovecot, user: Account
) -> None:
    mails = [sent(number) for number in range(3)]
    dovecot.append(user.user, "Sent", [mails[2]])
    session = open_session(refuses=lambda name, given: name == "search" and len(given) > 1)
    found = file(session, "Sent", put(spool, mails), SEEN, spool)
    assert found == {id_of(0): False, id_of(1): False, id_of(2): True}


@pytest.mark.parametrize("days", [-40_000, -400, 0, 400])
def test_whatever_the_date_says_nothing_is_filed_twice(
    days: int, open_session: Open, spool: Spool, dovecot: Dovecot, user: Account
) -> None:
    mails = [sent(number, at=datetime.now(UTC) + timedelta(days=days)) for number in range(2)]
    for expected in (False, True):
        found = file(open_session(), "Sent", put(spool, mails), SEEN, spool)
        assert set(found.values()) == {expected}
    assert len(dovecot.mails(user.user, "Sent")) == 2


def test_what_came_long_before_the_mail_was_written_is_not_looked_through(
    open_session: Open, spool: Spool
) -> None:
    now = datetime.now(UTC)
    session = open_session()
    for number, days in enumerate((100, 2, 100)):
        session._client.append("Sent", sent(number), msg_time=now - timedelta(days=days))
    old = {id_of(2): spool.put([sent(2, at=now - timedelta(days=100))])}
    assert file(session, "Sent", put(spool, [sent(0), sent(1)]), SEEN, spool) == {
        id_of(0): False,
        id_of(1): True,
    }
    assert file(session, "Sent", old, SEEN, spool) == {id_of(2): True}


def test_a_connection_that_breaks_is_no_answer_about_a_mail(open_session: Open, spool: Spool) -> None:
    session = open_session()
    session.examine("INBOX")
    session.interrupt()
    with pytest.raises(Unavailable):
        file(session, "Sent", put(spool, [sent(0), sent(1)]), SEEN, spool)


def test_orders_of_one_batch_are_each_answered(mailroom: Mailroom, dovecot: Dovecot, user: Account) -> None:
    mailroom.write_accounts(entry("team", dovecot, user))
    spool = Spool(mailroom.settings.spool)
    datarefs = put(spool, [sent(number) for number in range(5)])
    orders = [*datarefs.items(), (id_of(0), datarefs[id_of(1)])]
    causes = [
        mailroom.send(MailboxAppend(account="team", message_id=message_id, dataref=dataref))
        for message_id, dataref in orders
    ]
    with mailroom.fetcher():
        answers = [mailroom.answer(cause) for cause in causes]
    assert [each.found for each in answers] == [False] * 5 + [True]
    assert Counter(dovecot.mails(user.user, "Sent").values()) == Counter(map(spool.get, datarefs.values()))
