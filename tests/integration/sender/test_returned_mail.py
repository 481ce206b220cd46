"""A mail that a real Postfix returns to a real mailbox ends as bounced, and its recipient as suppressed."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroom.store.schema import account_status, records, sends, suppressions
from tests.integration.sender.sendroom import plain
from tests.integration.sender.test_sent_copies import order, prepared, rows, services
from tests.servers.dovecot import Dovecot
from tests.servers.nodes import Nodes
from tests.waiting import wait_until


@pytest.mark.needs("dovecot", "postfix")
def test_a_mail_that_postfix_returns_bounces_and_suppresses_its_recipient(
    tmp_path: Path, dovecot: Dovecot, nodes: Nodes
) -> None:
    user = dovecot.account()
    domain = user.user.partition("@")[2]
    nobody = f"nobody@{domain}"
    postfix = nodes.postfix(domain, dovecot.lmtp_port)
    settings, store = prepared(tmp_path, dovecot, user, postfix.port)
    with services(settings):
        # What lies in a mailbox at the first look is not read.
        wait_until(
            lambda: "green" in {row["colour"] for row in rows(store, account_status)}, 20, "the first look"
        )
        order(settings, plain(1, recipient=nobody))

        def bounced() -> bool:
            return sorted(row["kind"] for row in rows(store, records)) == ["bounce", "send"]

        wait_until(bounced, 40, "the mail to come back")
    (send,) = rows(store, sends)
    assert (send["recipient"], send["state"], send["code"]) == (nobody, "bounced", 550)
    assert "User doesn't exist" in send["detail"]
    (suppressed,) = rows(store, suppressions)
    assert (suppressed["key"], suppressed["reason"]) == (nobody, "hard")
    store.close()
