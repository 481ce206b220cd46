"""Mail comes from the server to the queues, once each, over every kind of connection."""

from __future__ import annotations

import time

import pytest

from postroom.messages import mail_id
from tests.integration.fetcher.mailroom import Mailroom, entry, mail
from tests.servers.dovecot import Account, Dovecot

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
    assert [each.content for each in sorted(received, key=lambda each: each.uid)] == sent
    assert {each.lane for each in received} == {"inbox"}
    assert mailroom.mail_ids() == [
        mail_id("team", "INBOX", each.uidvalidity, each.uid) for each in mailroom.mails()
    ]
    assert not any(dovecot.flags(dovecot_account.user).values()), "reading must not mark mails as read"


def test_mail_that_arrives_while_the_mailbox_is_idle_is_published_at_once(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account
) -> None:
    mailroom.write_accounts(entry("team", dovecot, dovecot_account))
    with mailroom.fetcher():
        mailroom.wait_for_status("team", "green", "ok")
        for number in range(5):
            began = time.monotonic()
            dovecot.deliver(dovecot_account.user, mail(number))
            mailroom.wait_for_mails(number + 1)
            # Dovecot itself holds notices back for 0.5 s.
            assert time.monotonic() - began < 1.5
