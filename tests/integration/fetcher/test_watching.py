"""Mail comes from the server to the queues, once each."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from postroom.messages import AccountFetchNow, MailboxMarkRead, mail_id
from postroom.reply_token import TokenClaim, TokenKey, TokenKeys, make_token
from postroom.spool import Spool
from tests.integration.fetcher.mailroom import Mailroom, entry, mail, open_mailroom
from tests.servers.dovecot import Account, Dovecot
from tests.servers.nodes import Nodes
from tests.servers.rabbitmq import Vhost

pytestmark = pytest.mark.needs("dovecot")


def test_every_mail_of_a_mailbox_is_published_with_its_bytes(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account
) -> None:
    sent = [mail(number) for number in range(120)]
    dovecot.append(dovecot_account.user, "INBOX", sent)
    mailroom.write_accounts(entry("team", dovecot, dovecot_account))
    with mailroom.fetcher():
        received = mailroom.wait_for_mails(120)
        mailroom.wait_for_status("team", "green", "ok")
    assert [each.content for each in received] == sent
    assert {each.lane for each in received} == {"inbox"}
    assert mailroom.mail_ids() == [mail_id("team", "INBOX", each.uidvalidity, each.uid) for each in received]
    assert not any(dovecot.flags(dovecot_account.user).values()), "reading must not mark mails as read"


@pytest.mark.needs("rabbitmq", "postgresql")
def test_rabbitmq_and_postgresql_serve_as_well(
    tmp_path: Path,
    dovecot: Dovecot,
    dovecot_account: Account,
    rabbitmq_vhost: Vhost,
    postgresql_store: str,
) -> None:
    sent = [mail(number) for number in range(250)]
    dovecot.append(dovecot_account.user, "INBOX", sent)
    urls = {"broker_url": rabbitmq_vhost.url, "store_url": postgresql_store}
    with open_mailroom(tmp_path, **urls) as mailroom:
        mailroom.write_accounts(entry("team", dovecot, dovecot_account))
        with mailroom.fetcher():
            received = mailroom.wait_for_mails(250)
            where = {"account": "team", "folder": "INBOX", "uidvalidity": received[0].uidvalidity}
            command = MailboxMarkRead.model_validate(where | {"uids": (1, 2)})
            result = mailroom.answer(mailroom.send(command))
    assert [each.content for each in received] == sent
    assert result.done == (1, 2)


def test_mail_that_arrives_while_the_mailbox_is_idle_is_published_at_once(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account
) -> None:
    mailroom.write_accounts(entry("team", dovecot, dovecot_account))
    with mailroom.fetcher():
        mailroom.wait_for_status("team", "green", "ok")
        for number in range(3):
            began = time.monotonic()
            dovecot.deliver(dovecot_account.user, mail(number))
            mailroom.wait_for_mails(number + 1)
            # Dovecot itself holds notices back for 0.5 s.
            assert time.monotonic() - began < 1.5


def test_no_mail_is_missed_between_two_idles(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account
) -> None:
    mailroom.write_accounts(entry("team", dovecot, dovecot_account))
    with mailroom.fetcher():
        mailroom.wait_for_status("team", "green", "ok")
        for number in range(60):
            dovecot.append(dovecot_account.user, "INBOX", [mail(number)])
        received = mailroom.wait_for_mails(60)
    assert [each.content for each in received] == [mail(number) for number in range(60)]


def test_mail_with_a_reply_token_in_its_header_goes_to_the_replies_lane(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account
) -> None:
    claim = TokenClaim("release-1", "person@example.net", "0" * 64, datetime(2030, 1, 1, tzinfo=UTC))
    token = make_token(claim, TokenKeys((TokenKey(1, b"k" * 32),)))
    in_header = mail(1, to=f"approvals+{token}@example.org")
    in_body = mail(2, text=f"the token {token}")
    dovecot.append(dovecot_account.user, "INBOX", [in_header, in_body])
    mailroom.write_accounts(entry("team", dovecot, dovecot_account))
    with mailroom.fetcher():
        received = mailroom.wait_for_mails(2)
    assert {each.uid: each.lane for each in received} == {1: "replies", 2: "inbox"}


@pytest.mark.parametrize(
    ("imap", "expected"),
    [
        ({"since": "now"}, [3]),
        ({"since": "beginning"}, [1, 2, 3]),
        ({"since": "beginning", "messages": "unread"}, [2, 3]),
        ({"since": "2020-01-01"}, [1, 2, 3]),
        ({"since": "2099-01-01"}, []),
    ],
    ids=["now", "beginning", "unread", "a past day", "a coming day"],
)
def test_the_account_says_which_mail_is_read(
    mailroom: Mailroom,
    dovecot: Dovecot,
    dovecot_account: Account,
    imap: dict[str, Any],
    expected: list[int],
) -> None:
    user = dovecot_account.user
    dovecot.append(user, "INBOX", [mail(1)], flags=["\\Seen"])
    dovecot.append(user, "INBOX", [mail(2)])
    mailroom.write_accounts(entry("team", dovecot, dovecot_account, **imap))
    with mailroom.fetcher():
        mailroom.wait_for_status("team", "green", "ok")
        dovecot.append(user, "INBOX", [mail(3)])
        mailroom.wait_for_mails(len(expected))
    assert [each.uid for each in mailroom.mails()] == expected


def test_large_mail_goes_through_the_spool_and_the_largest_is_truncated(
    tmp_path: Path, dovecot: Dovecot, dovecot_account: Account
) -> None:
    small, large, huge = mail(1), mail(2, size=700_000), mail(3, size=1_200_000)
    dovecot.append(dovecot_account.user, "INBOX", [small, large, huge, mail(4)])
    with open_mailroom(tmp_path, max_size_bytes=1_000_000) as mailroom:
        mailroom.write_accounts(entry("team", dovecot, dovecot_account))
        with mailroom.fetcher():
            first, second, third, fourth = mailroom.wait_for_mails(4)
        spool = Spool(mailroom.settings.spool)
    assert first.content == small
    assert second.content is None
    assert second.dataref is not None
    assert spool.get(second.dataref) == large
    assert (second.sha256, second.size_bytes, second.truncated) == (
        hashlib.sha256(large).hexdigest(),
        len(large),
        False,
    )
    assert third.dataref is not None
    head = spool.get(third.dataref)
    assert third.truncated
    assert third.size_bytes == len(huge)
    assert huge.startswith(head)
    assert 256 * 1024 <= len(head) < 300 * 1024
    assert fourth.content == mail(4)


def test_a_changed_uidvalidity_brings_only_what_was_not_handed_on(mailroom: Mailroom, nodes: Nodes) -> None:
    node = nodes.dovecot()
    user = node.server.account()
    node.server.append(user.user, "INBOX", [mail(1), mail(1), mail(2)])
    mailroom.write_accounts(entry("team", node.server, user))
    with mailroom.fetcher():
        before = mailroom.wait_for_mails(3)
    node.set_uidvalidity(user.user, "INBOX", before[0].uidvalidity + 1)
    node.server.append(user.user, "INBOX", [mail(1), mail(3)])
    with mailroom.fetcher():
        after = mailroom.wait_for_mails(5)[3:]
    # A third copy of the first mail is a new mail; the first two are the ones handed on before.
    assert [each.content for each in after] == [mail(1), mail(3)]
    assert {each.uidvalidity for each in after} == {before[0].uidvalidity + 1}


def test_a_lost_connection_is_made_anew_without_turning_red(mailroom: Mailroom, nodes: Nodes) -> None:
    node = nodes.dovecot()
    user = node.server.account()
    mailroom.write_accounts(entry("team", node.server, user))
    with mailroom.fetcher():
        since = mailroom.wait_for_status("team", "green", "ok").since
        node.doveadm("kick", user.user)
        node.server.append(user.user, "INBOX", [mail(1)])
        mailroom.wait_for_mails(1)
        assert mailroom.status("team").since == since


def test_fetch_now_looks_at_once_and_does_not_wait_for_the_next_try(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account
) -> None:
    mailroom.write_accounts(entry("team", dovecot, dovecot_account), password="a wrong password")
    with mailroom.fetcher():
        red = mailroom.wait_for_status("team", "red", "auth_failed")
        (mailroom.folder / "password").write_text(dovecot_account.password)
        mailroom.send(AccountFetchNow(account="team"))
        green = mailroom.wait_for_status("team", "green", "ok")
    assert green.since < red.next_try_at


def test_accounts_are_taken_up_and_dropped_as_they_change(mailroom: Mailroom, dovecot: Dovecot) -> None:
    first, second = dovecot.account(), dovecot.account()
    dovecot.append(second.user, "INBOX", [mail(2)])
    mailroom.write_accounts(entry("one", dovecot, first))
    with mailroom.fetcher():
        mailroom.wait_for_status("one", "green", "ok")
        disabled = entry("one", dovecot, first) | {"enabled": False}
        mailroom.write_accounts(disabled, entry("two", dovecot, second))
        mailroom.wait_for_mails(1, account="two")
        mailroom.wait_for_status("one", "grey", "disabled")
        dovecot.append(first.user, "INBOX", [mail(1)])
        dovecot.append(second.user, "INBOX", [mail(3)])
        mailroom.wait_for_mails(2, account="two")
    assert mailroom.mails("one") == []
