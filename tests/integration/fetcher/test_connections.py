"""How a mailbox is reached, and what its account's status says when it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imapclient
import pytest

from postroom.messages import AccountStatusChanged, MailboxDelete, MailboxMarkRead, MailboxMove
from tests.integration.fetcher.mailroom import Mailroom, entry, mail
from tests.servers.certificates import Authority
from tests.servers.dovecot import Account, Dovecot
from tests.servers.nodes import Nodes
from tests.servers.process import free_port

pytestmark = pytest.mark.needs("dovecot")


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_mail_is_fetched_over_a_verified_connection(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account, security: str
) -> None:
    port = dovecot.tls_port if security == "tls" else dovecot.port
    account = entry("team", dovecot, dovecot_account, security=security, port=port)
    account["ca_file"] = str(dovecot.ca_file)
    mailroom.write_accounts(account)
    with mailroom.fetcher():
        mailroom.wait_for_status("team", "green", "ok")
        dovecot.deliver(dovecot_account.user, mail(1), mail(2))
        mailroom.wait_for_mails(2)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_of_another_authority_is_refused(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account, tmp_path: Path, security: str
) -> None:
    port = dovecot.tls_port if security == "tls" else dovecot.port
    account = entry("team", dovecot, dovecot_account, security=security, port=port)
    account["ca_file"] = str(Authority.create(tmp_path / "other").certificate)
    mailroom.write_accounts(account)
    with mailroom.fetcher():
        row = mailroom.wait_for_status("team", "red", "certificate")
    assert "ca_file" in row.sentence


def test_tls_to_a_port_without_tls_says_so(
    mailroom: Mailroom, dovecot: Dovecot, dovecot_account: Account
) -> None:
    mailroom.write_accounts(entry("team", dovecot, dovecot_account, security="tls"))
    with mailroom.fetcher():
        row = mailroom.wait_for_status("team", "red", "tls_failed")
    assert "imap.security and imap.port" in row.sentence


def test_without_starttls_nothing_is_sent(mailroom: Mailroom, dovecot: Dovecot, nodes: Nodes) -> None:
    pymap = nodes.pymap()
    user = Account(pymap.user, pymap.password)
    mailroom.write_accounts(entry("team", dovecot, user, port=pymap.port, security="starttls"))
    with mailroom.fetcher():
        mailroom.wait_for_status("team", "red", "starttls_missing")


def test_one_account_in_trouble_does_not_stop_another_and_heals(mailroom: Mailroom, dovecot: Dovecot) -> None:
    good, bad, gone = (dovecot.account() for _ in range(3))
    password = mailroom.folder / "other-password"
    password.write_text("a wrong password")
    mailroom.write_accounts(
        entry("bad", dovecot, bad, password=f"file:{password}"),
        entry("away", dovecot, gone, port=free_port()),
        entry("lost", dovecot, gone, folder="No such folder"),
        entry("nameless", dovecot, gone, host="no-such-host.invalid"),
        entry("secretless", dovecot, gone, password="env:NO_SUCH_SECRET"),
        entry("good", dovecot, good),
    )
    with mailroom.fetcher():
        refused = mailroom.wait_for_status("bad", "red", "auth_failed")
        mailroom.wait_for_status("away", "red", "unreachable")
        mailroom.wait_for_status("nameless", "red", "unknown_host")
        mailroom.wait_for_status("secretless", "red", "secret_missing")
        missing = mailroom.wait_for_status("lost", "red", "folder_missing")
        dovecot.append(good.user, "INBOX", [mail(1)])
        mailroom.wait_for_mails(1, account="good")
        password.write_text(bad.password)
        dovecot.create(gone.user, "No such folder")
        mailroom.wait_for_status("lost", "green", "ok", timeout_s=25)
        mailroom.wait_for_status("bad", "green", "ok", timeout_s=25)
    changes = [each.message for each in mailroom.heard if isinstance(each.message, AccountStatusChanged)]
    assert [each.colour for each in changes if each.account == "bad"] == ["red", "green"]
    assert [each.colour for each in changes if each.account == "good"] == ["green"]
    assert "imap.password" in refused.sentence
    assert "a wrong password" not in refused.sentence
    assert refused.next_try_at > refused.since
    assert "No such folder" in missing.sentence


def test_pymap_is_read_and_obeys_too(mailroom: Mailroom, dovecot: Dovecot, nodes: Nodes) -> None:
    pymap = nodes.pymap()
    user = Account(pymap.user, pymap.password)
    mailroom.write_accounts(entry("team", dovecot, user, port=pymap.port), password=pymap.password)
    client = imapclient.IMAPClient(pymap.host, port=pymap.port, ssl=False)
    client.login(user.user, user.password)
    with mailroom.fetcher():
        mailroom.wait_for_status("team", "green", "ok")
        for number in (1, 2, 3):
            client.append("INBOX", mail(number))
        received = mailroom.wait_for_mails(3)
        where: dict[str, Any] = {"account": "team", "folder": "INBOX", "uidvalidity": received[0].uidvalidity}
        first, second, third = (each.uid for each in received)
        moved = mailroom.answer(mailroom.send(MailboxMove(**where, uids=(first,), target="Done")))
        deleted = mailroom.answer(mailroom.send(MailboxDelete(**where, uids=(second,))))
        marked = mailroom.answer(mailroom.send(MailboxMarkRead(**where, uids=(third,))))
        client.select_folder("INBOX", readonly=True)
        flags = client.get_flags(client.search())
        client.logout()
    assert [each.content for each in received] == [mail(number) for number in (1, 2, 3)]
    assert [moved.done, deleted.done, marked.done] == [(first,), (second,), (third,)]
    assert list(flags) == [third]
    assert b"\\Seen" in flags[third]
