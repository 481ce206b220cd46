"""The IMAP servers of the matrix as data: where they are, how mailboxes on them are had, what is theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.servers.imap_access import Account, ImapAccess
from tests.servers.pymap import Pymap


@dataclass(frozen=True)
class Box:
    """A folder of a test's own: its owner on the server, and its name there."""

    user: Account
    folder: str


@dataclass(frozen=True)
class Site:
    """A server. `sent_rule`: by what its folder for sent mail is found (`postroom_fetcher.sent_folder`)."""

    access: ImapAccess
    new_box: Callable[[], Box]
    sent_rule: str

    def entry(self, name: str, box: Box, **imap: Any) -> dict[str, Any]:
        """An entry of the accounts file for the folder; `imap` overrides."""
        server = {
            "host": self.access.host,
            "port": self.access.port,
            "security": "none",
            "user": box.user.user,
            "folder": box.folder,
            "since": "beginning",
            "interval": "1h",
        }
        return {"name": name, "address": box.user.user, "imap": {**server, **imap}}


def with_accounts(access: Any, sent_rule: str = "special-use") -> Site:
    """A server on which accounts are made: each box is the inbox of a new one."""
    return Site(access, lambda: Box(access.account(), "INBOX"), sent_rule)


class _OneAccount(ImapAccess):
    """A server with one account, whose password is known."""

    def password(self, user: str) -> str:
        """The password."""
        return Pymap.password


def pymap(node: Pymap) -> Site:
    """pymap, which has one account: each box is a new folder of it."""
    access = _OneAccount(node.host, node.port, 0, 0, node.folder, Path())
    user = Account(node.user, node.password)
    access.create(user.user, "Sent")

    def new_box() -> Box:
        folder = f"Box {uuid4().hex[:12]}"
        access.create(user.user, folder)
        return Box(user, folder)

    return Site(access, new_box, "name")
