"""A mail is removed only if it is the one that was handed on, and not copied twice on the way."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from postroom.messages import MailboxDelete, MailboxMarkRead, MailboxMove
from postroom_fetcher.fingerprint import Fingerprint, header_sha256
from postroom_fetcher.mailbox import NO_UIDPLUS, Past, act
from postroom_fetcher.recognition import MAILS_AT_ONCE
from postroom_fetcher.session import Session
from tests.integration.fetcher.mailroom import Mailroom, entry, mail
from tests.servers.dovecot import Account, Dovecot

pytestmark = pytest.mark.needs("dovecot")

Open = Callable[..., Session]


@pytest.fixture
def user(dovecot: Dovecot) -> Account:
    """A mailbox with the mails 1 to 4."""
    account = dovecot.account()
    dovecot.append(account.user, "INBOX", [mail(number) for number in range(1, 5)])
    return account


@pytest.fixture
def open_session(mailroom: Mailroom, dovecot: Dovecot, user: Account) -> Iterator[Open]:
    """Opens sessions; on a server that lacks the capabilities given."""
    mailroom.write_accounts(entry("team", dovecot, user))
    account = mailroom.accounts().get("team")
    assert account is not None
    opened: list[Session] = []

    def open_one(*lacking: str) -> Session:
        session = mailroom.connect(account)
        session.__class__ = type(
            "Lacking",
            (_Counted,),
            {"has": lambda self, name: name not in lacking and Session.has(self, name)},
        )
        opened.append(session)
        return session

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture
def where(open_session: Open) -> dict[str, Any]:
    """Where the mails lie."""
    uidvalidity = open_session().examine("INBOX").uidvalidity
    return {"account": "team", "folder": "INBOX", "uidvalidity": uidvalidity}


class _Counted(Session):
    """Counts its commands."""

    calls: Counter[str]

    def fetch(self, *given: Any) -> Any:
        """As the session does."""
        return self._count("FETCH", super().fetch(*given))

    def search(self, *given: Any) -> Any:
        """As the session does."""
        return self._count("SEARCH", super().search(*given))

    def add_flag(self, *given: Any) -> None:
        """As the session does."""
        self._count("STORE", super().add_flag(*given))

    def expunge(self, *given: Any) -> None:
        """As the session does."""
        self._count("UID EXPUNGE", super().expunge(*given))

    def move(self, *given: Any) -> None:
        """As the session does."""
        self._count("MOVE", super().move(*given))

    def _count(self, name: str, answer: Any) -> Any:
        self.__dict__.setdefault("calls", Counter())[name] += 1
        return answer


def known(content: bytes) -> Fingerprint:
    """What the ledger keeps of a mail."""
    return Fingerprint(len(content), header_sha256(content), hashlib.sha256(content).hexdigest(), False)


KNOWN = {uid: known(mail(uid)) for uid in range(1, 5)}


def test_another_mail_under_the_same_uid_is_left_alone(
    open_session: Open, where: dict[str, Any], dovecot: Dovecot, user: Account
) -> None:
    past = Past({**KNOWN, 2: known(mail(9))})
    deleted = act(open_session(), MailboxDelete(**where, uids=(1, 2)), (1, 2), past)
    moved = act(open_session(), MailboxMove(**where, uids=(2, 3), target="Done"), (2, 3), past)
    assert (set(deleted.done), set(deleted.changed)) == ({1}, {2})
    assert (set(moved.done), set(moved.changed)) == ({3}, {2})
    assert dovecot.mails(user.user) == {2: mail(2), 4: mail(4)}
    assert set(dovecot.flags(user.user).values()) == {frozenset()}


def test_a_mail_that_the_ledger_does_not_know_is_left_alone(
    open_session: Open, where: dict[str, Any], dovecot: Dovecot, user: Account
) -> None:
    effect = act(open_session(), MailboxDelete(**where, uids=(1, 2, 9)), (1, 2, 9), Past({1: KNOWN[1]}))
    assert tuple(map(set, (effect.done, effect.unknown, effect.vanished))) == ({1}, {2}, {9})
    assert set(dovecot.mails(user.user)) == {2, 3, 4}


def test_marking_read_asks_nothing_of_the_ledger(
    open_session: Open, where: dict[str, Any], dovecot: Dovecot, user: Account
) -> None:
    effect = act(open_session(), MailboxMarkRead(**where, uids=(1, 9)), (1, 9), Past())
    assert tuple(map(set, (effect.done, effect.vanished, effect.unknown))) == ({1}, {9}, set())


@pytest.mark.parametrize(
    "shown", [{"header_sha256": None}, {"header_sha256": "0" * 64}], ids=["none noted", "another"]
)
def test_a_mail_whose_header_does_not_tell_is_known_by_all_its_bytes(
    open_session: Open, where: dict[str, Any], dovecot: Dovecot, user: Account, shown: dict[str, Any]
) -> None:
    past = Past({uid: replace(each, **shown) for uid, each in KNOWN.items()} | {3: known(mail(9))})
    effect = act(open_session(), MailboxDelete(**where, uids=(1, 3)), (1, 3), past)
    assert (set(effect.done), set(effect.changed)) == ({1}, {3})


def test_a_size_that_the_server_says_wrongly_does_not_matter(
    open_session: Open, where: dict[str, Any], dovecot: Dovecot, user: Account
) -> None:
    """Some count lines with one byte less: what counts are the bytes themselves."""
    session = open_session()
    honest = session.fetch

    def lying(uids: Any, items: Any) -> Any:
        return {
            uid: {name: b"7" if name == b"RFC822.SIZE" else value for name, value in each.items()}
            for uid, each in honest(uids, items).items()
        }

    session.__dict__["fetch"] = lying
    past = Past({**KNOWN, 2: known(mail(9))})
    effect = act(session, MailboxDelete(**where, uids=(1, 2)), (1, 2), past)
    assert (set(effect.done), set(effect.changed)) == ({1}, {2})


def test_the_mails_of_a_folder_need_one_command_each_however_many_they_are(
    open_session: Open, where: dict[str, Any], dovecot: Dovecot, user: Account
) -> None:
    contents = {uid: mail(uid) for uid in range(1, 601)}
    dovecot.append(user.user, "INBOX", list(contents.values())[4:])
    past = Past({uid: known(content) for uid, content in contents.items()})
    uids = tuple(uid for uid in contents if uid % 2)
    session = open_session()
    effect = act(session, MailboxDelete(**where, uids=uids), uids, past)
    assert effect.done == set(uids)
    assert session.__dict__["calls"] == {
        "FETCH": -(-len(uids) // MAILS_AT_ONCE),
        "STORE": 1,
        "UID EXPUNGE": 1,
    }
    assert set(dovecot.flags(user.user)) == set(contents) - set(uids)


def test_a_copy_that_was_made_before_the_end_of_a_try_is_not_made_again(
    open_session: Open, where: dict[str, Any], dovecot: Dovecot, user: Account
) -> None:
    class Cut(Exception):
        """The process ends here."""

    begun: list[int] = []

    def cut(_uid_set: str, _flag: str) -> None:
        raise Cut

    command = MailboxMove(**where, uids=(1, 2, 3), target="Done")
    session = open_session("MOVE")
    session.__dict__["add_flag"] = cut
    with pytest.raises(Cut):
        act(session, command, (1, 2), Past(KNOWN, begin_move=begun.extend))
    assert len(dovecot.mails(user.user, "Done")) == len(begun) == 2
    effect = act(
        open_session("MOVE"), command, (1, 2, 3), Past(KNOWN, frozenset(begun), begin_move=begun.extend)
    )
    assert effect.done == {1, 2, 3}
    assert begun == [1, 2, 3]
    assert sorted(dovecot.mails(user.user, "Done").values()) == [mail(1), mail(2), mail(3)]
    assert set(dovecot.mails(user.user)) == {4}


def test_a_copy_that_was_begun_and_not_made_is_made(
    open_session: Open, where: dict[str, Any], dovecot: Dovecot, user: Account
) -> None:
    command = MailboxMove(**where, uids=(1,), target="Done")
    effect = act(open_session("MOVE"), command, (1,), Past(KNOWN, frozenset({1})))
    assert effect.done == {1}
    assert list(dovecot.mails(user.user, "Done").values()) == [mail(1)]


def test_without_move_and_uidplus_a_repeat_makes_no_second_copy(
    open_session: Open, where: dict[str, Any], dovecot: Dovecot, user: Account
) -> None:
    begun: list[int] = []
    command = MailboxMove(**where, uids=(1, 2), target="Done")
    for _try in range(2):
        past = Past(KNOWN, frozenset(begun), begin_move=begun.extend)
        effect = act(open_session("MOVE", "UIDPLUS"), command, (1, 2), past)
        assert (effect.done, effect.refused) == (frozenset(), NO_UIDPLUS)
    assert sorted(dovecot.mails(user.user, "Done").values()) == [mail(1), mail(2)]
    assert {uid for uid, flags in dovecot.flags(user.user).items() if "\\Deleted" in flags} == {1, 2}


@pytest.mark.parametrize("target", ["INBOX", "inbox"])
def test_a_move_to_where_the_mail_is_does_nothing(
    open_session: Open, where: dict[str, Any], dovecot: Dovecot, user: Account, target: str
) -> None:
    effect = act(open_session(), MailboxMove(**where, uids=(1,), target=target), (1,), Past(KNOWN))
    assert "already" in effect.refused
    assert set(dovecot.mails(user.user)) == {1, 2, 3, 4}
