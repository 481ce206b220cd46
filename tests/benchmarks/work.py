"""The work that both pipelines of the benchmark do, and how it is recognised as done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from postroom.messages import ApprovalRequest
from postroom.reply_token import TokenClaim, TokenKey, TokenKeys, make_token
from postroom_processor.requests import content_hash
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import SmtpSink
from tests.waiting import wait_until

ACCOUNT = "bench"
KEYS = TokenKeys((TokenKey(1, b"benchmark benchmark benchmark 32"),))
MAIL_BYTES = 2_000
FILLER = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor.\r\n"


@dataclass(frozen=True)
class Servers:
    """Where the mail is: a mailbox on Dovecot, a sink for what is sent."""

    dovecot: Dovecot
    sink: SmtpSink
    user: str
    password: str

    def accounts(self, *, copies: bool) -> list[dict[str, Any]]:
        """The entry of the accounts file; `copies`: what is sent is filed in the mailbox."""
        return [
            {
                "name": ACCOUNT,
                "address": self.user,
                "after_processing": "delete",
                "dedicated": True,
                "sent_copies": copies,
                "imap": {
                    "host": self.dovecot.host,
                    "port": self.dovecot.port,
                    "security": "none",
                    "user": self.user,
                    "password": self.password,
                    "since": "beginning",
                    "count": 1_000_000,
                },
                "smtp": {"host": self.sink.host, "port": self.sink.port, "security": "none"},
            }
        ]


@dataclass(frozen=True)
class Work:
    """So many mails of 2 kB, the first `replies` of them replies to as many requests."""

    mails: int
    replies: int

    def requests(self) -> list[ApprovalRequest]:
        """The requests, in the order of their replies."""
        deadline = (datetime.now(UTC) + timedelta(days=7)).replace(microsecond=0)
        return [
            ApprovalRequest(
                id=f"bench-{number}",
                account=ACCOUNT,
                approvers=(f"person-{number}@corp.example",),
                subject=f"Release {number}",
                body="Shall it go out today?",
                deadline=deadline,
            )
            for number in range(self.replies)
        ]

    def contents(self, requests: Sequence[ApprovalRequest], user: str) -> list[bytes]:
        """The mails as they lie in the mailbox, replies evenly among the others."""
        step = self.mails / max(1, self.replies)
        places = {int(number * step): request for number, request in enumerate(requests)}
        return [_mail(number, user, places.get(number)) for number in range(self.mails)]


def token_of(request: ApprovalRequest) -> str:
    """The reply token that Postroom makes for a request of the benchmark."""
    assert request.deadline is not None
    claim = TokenClaim(request.id, request.approvers[0], content_hash(request), request.deadline)
    return make_token(claim, KEYS)


def _mail(number: int, user: str, request: ApprovalRequest | None) -> bytes:
    local, _, domain = user.rpartition("@")
    sender, recipient, first = f"stranger-{number}@else.example", user, "Hello there"
    if request is not None:
        sender, recipient = request.approvers[0], f"{local}+{token_of(request)}@{domain}"
        first = "Approve" if number % 2 else "Reject"
    head = (
        f"From: {sender}\r\nTo: {recipient}\r\nSubject: Re: Release {number}\r\n"
        f"Message-ID: <{number}@client.example>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        f"{first}\r\n\r\nOn Mon, 2 Mar 2026 at 10:00, Postroom <{user}> wrote:\r\n"
    )
    return (head + ("> " + FILLER) * 40)[:MAIL_BYTES].encode()


def wait_for_sent(servers: Servers, count: int, timeout_s: float) -> None:
    """Wait until the sink has taken so many mails."""
    wait_until(lambda: servers.sink.count() >= count, timeout_s, f"{count} mails sent", interval_s=0.05)


def wait_for_empty(servers: Servers, timeout_s: float, and_also: Callable[[], bool]) -> None:
    """Wait until the mailbox is empty and the outcomes are there."""
    with servers.dovecot.client(servers.user) as client:

        def done() -> bool:
            client.noop()
            left = client.folder_status("INBOX", ["MESSAGES"])[b"MESSAGES"]
            return left == 0 and and_also()

        wait_until(done, timeout_s, "an empty mailbox and every outcome", interval_s=0.1)
