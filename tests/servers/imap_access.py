"""What the tests do with the mail on a real IMAP server, as a mail program and as a mail server."""

from __future__ import annotations

import smtplib
import ssl
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imapclient

APPEND_BATCH = 100


@dataclass(frozen=True)
class Account:
    """A mailbox on the server; `user` is its address and log-in name as well."""

    user: str
    password: str


@dataclass(frozen=True)
class ImapAccess(ABC):
    """A reachable server. `port` is for plain IMAP and STARTTLS, `tls_port` for implicit TLS.

    `users` is where it keeps the passwords, `ca_file` the authority that signed its certificate.
    """

    host: str
    port: int
    tls_port: int
    lmtp_port: int
    users: Path
    ca_file: Path

    @abstractmethod
    def password(self, user: str) -> str:
        """The password of an account that was made."""

    def deliver(self, user: str, *mails: bytes, sender: str = "sender@example.net") -> None:
        """Deliver mails, in this order, as a mail server does: by LMTP, in one connection.

        Raises:
            smtplib.SMTPException: The server refused one.
        """
        with smtplib.LMTP(self.host, self.lmtp_port) as connection:
            for mail in mails:
                connection.sendmail(sender, [user], mail)

    def append(self, user: str, folder: str, mails: Iterable[bytes], flags: Sequence[str] = ()) -> None:
        """Append mails to a folder, in this order, as a mail program does: by IMAP."""
        waiting = list(mails)
        with self.client(user) as client:
            for start in range(0, len(waiting), APPEND_BATCH):
                batch = [
                    {"msg": mail, "flags": list(flags)} for mail in waiting[start : start + APPEND_BATCH]
                ]
                client.multiappend(folder, batch)

    def folders(self, user: str) -> list[str]:
        """The names of all folders of an account, sorted."""
        with self.client(user) as client:
            return sorted(name for _flags, _delimiter, name in client.list_folders())

    def create(self, user: str, folder: str) -> None:
        """Create a folder."""
        with self.client(user) as client:
            client.create_folder(folder)

    def mails(self, user: str, folder: str = "INBOX") -> dict[int, bytes]:
        """The mails in a folder by UID, without marking them read."""
        return {uid: bytes(data[b"BODY[]"]) for uid, data in self._fetch(user, folder, "BODY.PEEK[]")}

    def flags(self, user: str, folder: str = "INBOX") -> dict[int, frozenset[str]]:
        """The flags of the mails in a folder by UID, without `\\Recent`."""
        return {
            uid: frozenset(flag.decode() for flag in data[b"FLAGS"]) - {"\\Recent"}
            for uid, data in self._fetch(user, folder, "FLAGS")
        }

    @contextmanager
    def client(self, user: str) -> Iterator[imapclient.IMAPClient]:
        """A logged-in client of the tests' own; plain IMAP."""
        client = imapclient.IMAPClient(self.host, port=self.port, ssl=False)
        try:
            client._imap.debug = 0  # imapclient has it keep every line
            client.login(user, self.password(user))
            yield client
        finally:
            client.shutdown() if client._imap.state != "LOGOUT" else None

    def client_context(self) -> ssl.SSLContext:
        """A TLS context that trusts this server's authority alone, and checks host names."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def logs_in(self, account: Account) -> bool:
        """Whether the server takes the account's password."""
        client = imapclient.IMAPClient(self.host, port=self.port, ssl=False)
        try:
            client.login(account.user, account.password)
        except imapclient.exceptions.LoginError:
            return False
        finally:
            client.shutdown()
        return True

    def _fetch(self, user: str, folder: str, item: str) -> list[tuple[int, dict[bytes, Any]]]:
        with self.client(user) as client:
            client.select_folder(folder, readonly=True)
            return sorted(client.fetch(client.search("ALL"), [item]).items())
