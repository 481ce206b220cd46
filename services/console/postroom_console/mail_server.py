"""The mail server that the demo brings along: IMAP by pymap, SMTP by aiosmtpd, on free loopback ports.

Mail to the one account (with any `+tag`) is put into its mailbox by IMAP APPEND, as a delivery agent does by
LMTP. Mail to anybody else is kept for them in memory. Nothing leaves this machine.
"""

import asyncio
import secrets
import smtplib
import socket
import threading
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from postroom.addresses import same_address
from postroom.clock import utc_now
from postroom.errors import Transient
from postroom_console.imap_server import PASSWORD_VARIABLE
from postroom_console.ports import LOOPBACK, free_port
from postroom_console.supervisor import Program, Sink, Supervisor

START_S = 20.0
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Mail:
    """A mail as somebody got it."""

    recipient: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class FiledMail:
    """A mail in the account's mailbox, as IMAP shows it."""

    folder: str
    uid: int
    flags: tuple[str, ...]
    sender: str
    subject: str


class MailServer:
    """Both servers for one account.

    Args:
        address: The account's.
        lines: Gets what pymap prints.
        notes: Hears when pymap had to be started again.
    """

    def __init__(self, address: str, lines: Sink, notes: Sink) -> None:
        self.address = address
        self.password = secrets.token_urlsafe(18)
        self.imap_port = free_port()
        self._imap = Supervisor(lines, notes)
        self._controller = _AnyPort(self, hostname=LOOPBACK, port=0)
        self._mails: list[Mail] = []
        self._arrived = threading.Condition()

    @property
    def smtp_port(self) -> int:
        """Known once it is started."""
        return int(self._controller.port)

    def start(self) -> None:
        """Start both and return when they answer.

        Raises:
            Transient: pymap does not come up.
        """
        environment = {PASSWORD_VARIABLE: self.password}
        arguments = (str(self.imap_port), self.address)
        self._imap.start(Program("pymap", "postroom_console.imap_server", arguments, environment))
        self._controller.start()
        deadline = time.monotonic() + START_S
        while not _greets(self.imap_port):
            if time.monotonic() > deadline:
                raise Transient(f"pymap does not answer on {LOOPBACK}:{self.imap_port}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End both."""
        self._controller.stop(no_assert=True)
        # Its mail is in memory: there is nothing to finish.
        self._imap.stop(0)

    def kill(self) -> None:
        """End pymap at once; the rest ends with this process."""
        self._imap.kill()

    def received(self, seen: int, timeout_s: float) -> list[Mail]:
        """The mails to others than the account, without the first `seen`; waits until there is one."""
        with self._arrived:
            self._arrived.wait_for(lambda: len(self._mails) > seen, timeout_s)
            return self._mails[seen:]

    def wait_for(self, recipient: str, nth: int, timeout_s: float) -> Mail:
        """The nth mail (from 1) to this recipient.

        Raises:
            TimeoutError: It did not come.
        """

        def found() -> list[Mail]:
            return [mail for mail in self._mails if same_address(mail.recipient, recipient)]

        with self._arrived:
            if not self._arrived.wait_for(lambda: len(found()) >= nth, timeout_s):
                raise TimeoutError(f"mail {nth} to {recipient} did not come within {timeout_s:.0f} s")
            return found()[nth - 1]

    def mailbox(self) -> list[FiledMail]:
        """Every mail of the account, by folder."""
        with self._sign_in() as imap:
            return [mail for _, _, name in imap.list_folders() for mail in _listed(imap, str(name))]

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Deliver to the mailbox or keep."""
        content = envelope.original_content or b""
        for recipient in envelope.rcpt_tos:
            if same_address(_untagged(recipient), self.address):
                try:
                    await asyncio.to_thread(self._append, _trace(envelope, session) + content)
                except (OSError, IMAPClientError) as error:
                    return f"451 4.3.0 the mailbox does not take it: {error}"
            else:
                with self._arrived:
                    self._mails.append(Mail(recipient, content))
                    self._arrived.notify_all()
        return "250 2.0.0 taken"

    def _append(self, content: bytes) -> None:
        with self._sign_in() as imap:
            imap.append("INBOX", content)

    def _sign_in(self) -> IMAPClient:
        imap = IMAPClient(LOOPBACK, port=self.imap_port, ssl=False, timeout=TIMEOUT_S)
        imap.login(self.address, self.password)
        return imap


def hand_in(port: int, sender: str, recipient: str, mail: EmailMessage) -> None:
    """Send a mail by SMTP, as a mail program does."""
    with smtplib.SMTP(LOOPBACK, port, timeout=TIMEOUT_S) as smtp:
        smtp.send_message(mail, sender, [recipient])


class _AnyPort(Controller):
    """A controller that takes whatever port is free."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


def _untagged(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _trace(envelope: Envelope, session: Session) -> bytes:
    """What a server puts before a mail on final delivery (RFC 5321, section 4.4)."""
    date = format_datetime(utc_now())
    received = f"Received: from {session.host_name} by {LOOPBACK} with ESMTP; {date}"
    return f"Return-Path: <{envelope.mail_from or ''}>\r\n{received}\r\n".encode()


def _greets(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            return connection.recv(4) == b"* OK"
    except OSError:
        return False


def _listed(imap: IMAPClient, folder: str) -> list[FiledMail]:
    imap.select_folder(folder, readonly=True)
    uids = imap.search()
    fetched = imap.fetch(uids, ["FLAGS", "ENVELOPE"]) if uids else {}
    return [_filed(folder, uid, data) for uid, data in sorted(fetched.items())]


def _filed(folder: str, uid: int, data: dict[bytes, object]) -> FiledMail:
    envelope, flags = data[b"ENVELOPE"], data[b"FLAGS"]
    sender = envelope.from_[0]  # type: ignore[attr-defined]
    address = f"{sender.mailbox.decode()}@{sender.host.decode()}"
    names = tuple(flag.decode() for flag in flags if flag != b"\\Recent")  # type: ignore[attr-defined]
    return FiledMail(folder, uid, names, address, envelope.subject.decode())  # type: ignore[attr-defined]
