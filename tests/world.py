"""Mail servers, accounts and a running Postroom, put together for tests of the whole way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from postroom.client import Client
from tests.people import Asked
from tests.servers.dovecot import Account, Dovecot
from tests.servers.postfix import SmtpSink
from tests.stack import SHARDS, Stack

OpenStack = Callable[[list[dict[str, Any]]], Stack]


@dataclass
class World:
    """The mail servers, the accounts by name, and Postroom."""

    dovecot: Dovecot
    sink: SmtpSink
    users: dict[str, Account]
    stack: Stack

    def client(self) -> Client:
        """A program's client on the same broker."""
        return Client(self.stack.broker_url, shards=SHARDS)

    def mailbox_of(self, asked: Asked) -> str:
        """The user whose mailbox a reply to this mail goes to."""
        local, _, domain = asked.reply_to.rpartition("@")
        user = f"{local.partition('+')[0]}@{domain}"
        assert user in {each.user for each in self.users.values()}
        return user

    def request(self, prefix: str, count: int) -> None:
        """Ask `count` people, one each, through the accounts in turn; the ids are `<prefix>-<number>`."""
        names = list(self.users)
        with self.client() as client:
            for number in range(count):
                client.request(
                    id=f"{prefix}-{number}",
                    account=names[number % len(names)],
                    approvers=(f"person-{number}@corp.example",),
                    subject=f"Release {number}",
                )

    def tidied(self) -> bool:
        """Whether every mailbox is as its account's setting says, all mail having been handled."""
        deletes, moves, marks = (self.users[name].user for name in ("deletes", "moves", "marks"))
        return (
            not self.dovecot.flags(deletes)
            and not self.dovecot.flags(moves)
            and all("\\Seen" in each for each in self.dovecot.flags(marks).values())
        )


AFTER_PROCESSING: dict[str, dict[str, Any]] = {
    "deletes": {"after_processing": "delete", "dedicated": True},
    "marks": {"after_processing": "mark_read"},
    "moves": {"after_processing": "move", "move_to": "Processed"},
}


@contextmanager
def world(dovecot: Dovecot, sink: SmtpSink, open_stack: OpenStack) -> Iterator[World]:
    """Three accounts on Dovecot over TLS, one of each kind of tidying, all sending through the sink."""
    users = {name: dovecot.account() for name in AFTER_PROCESSING}
    accounts: list[dict[str, Any]] = [
        {
            "name": name,
            "address": user.user,
            "ca_file": str(dovecot.ca_file),
            "imap": {
                "host": "localhost",
                "port": dovecot.tls_port,
                "user": user.user,
                "password": user.password,
                "since": "beginning",
                "count": 100_000,
            },
            "smtp": {"host": sink.host, "port": sink.port, "security": "none"},
            **AFTER_PROCESSING[name],
        }
        for name, user in users.items()
    ]
    with open_stack(accounts) as stack:
        yield World(dovecot, sink, users, stack)
