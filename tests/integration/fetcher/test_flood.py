"""A valid reply behind tens of thousands of other mails is published within seconds of being visible."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from postroom.reply_token import TokenClaim, TokenKey, TokenKeys, make_token
from tests.integration.fetcher.mailroom import Mailroom, mail
from tests.servers.imap_script import ImapScript
from tests.waiting import wait_until

FLOOD = 50_000
WITHIN_S = 5.0
TOKEN = make_token(
    TokenClaim("release-1", "person@example.net", "0" * 64, datetime(2030, 1, 1, tzinfo=UTC)),
    TokenKeys((TokenKey(1, b"k" * 32),)),
)
REPLY = mail(1, to=f"approvals+{TOKEN}@example.org")


def _write_account(mailroom: Mailroom, server: ImapScript, **imap: object) -> None:
    entry = {
        "host": server.host,
        "port": server.port,
        "security": "none",
        "user": server.user,
        "since": "beginning",
        **imap,
    }
    mailroom.write_accounts({"name": "team", "address": server.user, "imap": entry})


def _reply(mailroom: Mailroom) -> Callable[[], bool]:
    return lambda: any(each.lane == "replies" for each in mailroom.mails())


@pytest.mark.parametrize("count", [30, 1_000_000], ids=["few an interval", "no limit"])
def test_a_reply_behind_a_flood_that_waits_already(mailroom: Mailroom, count: int) -> None:
    with ImapScript() as server:
        server.inbox.fill(FLOOD)
        server.inbox.add(REPLY)
        _write_account(mailroom, server, count=count)
        began = time.monotonic()
        with mailroom.fetcher():
            wait_until(_reply(mailroom), 20, "the reply")
            assert time.monotonic() - began < WITHIN_S


def test_a_reply_that_arrives_while_the_flood_is_read(mailroom: Mailroom) -> None:
    with ImapScript() as server:
        server.inbox.fill(FLOOD)
        _write_account(mailroom, server, count=1_000_000)
        with mailroom.fetcher():
            mailroom.wait_for_mails(500)
            server.inbox.add(REPLY)
            server.inbox.fill(200)
            began = time.monotonic()
            wait_until(_reply(mailroom), 20, "the reply")
            assert time.monotonic() - began < WITHIN_S
