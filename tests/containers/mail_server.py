"""A mail server in one process tree: SMTP (aiosmtpd) that delivers into two IMAP mailboxes (pymap).

One mailbox is the account's, which the fetcher reads; the other is the person's, who is asked. It runs in a
container of its own, so it imports nothing from the project. Its password comes in MAIL_PASSWORD.
"""

from __future__ import annotations

import asyncio
import imaplib
import os
import subprocess
import sys
import time
from collections.abc import Callable

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

SMTP_PORT = 1025
ACCOUNT, ACCOUNT_PORT = "approvals", 1143
PERSON, PERSON_PORT = "anna", 1144
PORTS = {ACCOUNT: ACCOUNT_PORT, PERSON: PERSON_PORT}
START_TIMEOUT_S = 30.0
MAIN = "from pymap.main import main; main()"


class Delivery:
    """Takes mail for the two, by the part of the address before a plus sign."""

    def __init__(self, password: str) -> None:
        self._password = password

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse whom we do not know."""
        if _mailbox(address) not in PORTS:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Append to the mailbox of each recipient."""
        content = envelope.original_content or b""
        for address in envelope.rcpt_tos:
            await asyncio.to_thread(self._append, _mailbox(address), content)
        return "250 2.0.0 delivered"

    def _append(self, user: str, content: bytes) -> None:
        with imaplib.IMAP4("127.0.0.1", PORTS[user], timeout=10) as imap:
            imap.login(user, self._password)
            status, answer = imap.append("INBOX", "", "", content)
            if status != "OK":
                raise RuntimeError(f"APPEND answered {status} {answer!r}")


def main() -> int:
    """Run until one of the servers ends; returns the exit code."""
    password = os.environ["MAIL_PASSWORD"]
    mailboxes = [_start_mailbox(user, port, password) for user, port in PORTS.items()]
    for user, port in PORTS.items():
        _wait(lambda user=user, port=port: _log_in(user, port, password))  # type: ignore[misc]
    controller = _controller(password)
    controller.start()
    print("mail server ready", flush=True)
    try:
        return mailboxes[0].wait()
    finally:
        controller.stop()
        for mailbox in mailboxes:
            mailbox.terminate()


def _mailbox(address: str) -> str:
    return address.partition("@")[0].partition("+")[0].lower()


def _start_mailbox(user: str, port: int, password: str) -> subprocess.Popen[bytes]:
    arguments = ["--host", "0.0.0.0", "--port", str(port), "--no-tls"]
    arguments += ["dict", "--demo-user", user, "--demo-password", password]
    return subprocess.Popen([sys.executable, "-c", MAIN, *arguments])


def _log_in(user: str, port: int, password: str) -> None:
    with imaplib.IMAP4("127.0.0.1", port, timeout=5) as imap:
        imap.login(user, password)


def _wait(attempt: Callable[[], None]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return attempt()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _controller(password: str) -> Controller:
    def authenticate(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        given = data.password.decode() if isinstance(data, LoginPassword) else ""
        return AuthResult(success=given == password, handled=False)

    return Controller(
        Delivery(password),
        hostname="0.0.0.0",
        port=SMTP_PORT,
        authenticator=authenticate,
        auth_require_tls=False,
    )


if __name__ == "__main__":
    sys.exit(main())
