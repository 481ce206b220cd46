"""The way of one approval, played from outside: broker and mail server by their published ports."""

from __future__ import annotations

import imaplib
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parseaddr

from postroom.client import Client
from postroom.messages import ApprovalDecided
from tests.containers.command import Failed
from tests.containers.deployment import ACCOUNT, Deployment
from tests.people import Asked, reply
from tests.waiting import wait_until

PERSON = "anna"
ADDRESS = f"{PERSON}@example.org"
APPROVAL = "release-7"
COMMENT = "Good work, ship it."
MAIL_TIMEOUT_S = 60.0
DECISION_TIMEOUT_S = 60.0
# The mail server's ports (tests/containers/mail_server.py).
SMTP_PORT, MAILBOX_PORTS = 1025, {ACCOUNT: 1143, PERSON: 1144}


def play(deployment: Deployment) -> Iterator[str]:
    """One sentence after each stage.

    Raises:
        Failed: A stage went wrong.
        AssertionError: Something did not happen in time.
    """
    with Client(deployment.broker_url("client"), name="containers-test") as client:
        decisions = client.events(ApprovalDecided, account=ACCOUNT)
        client.request(
            id=APPROVAL, account=ACCOUNT, approvers=[ADDRESS], subject="Release 7?", body="All tests pass."
        )
        yield "the request was accepted"
        (content,) = wait_until(
            lambda: _mails(deployment, PERSON), MAIL_TIMEOUT_S, "the mail to the approver"
        )
        yield "the approver got the mail"
        _hand_in(deployment, reply(Asked.read(content), f"Approve\n\n{COMMENT}"))
        state = client.wait(APPROVAL, timeout_s=DECISION_TIMEOUT_S)
        _same("the decision", (state.decision, state.decided_by), ("approve", ADDRESS))
        yield "the reply was understood"
        event = next(decisions).message
        _same(
            "the event", (event.approval_id, event.decision, event.approver), (APPROVAL, "approve", ADDRESS)
        )
        if COMMENT not in event.comment:
            raise Failed(f"the comment is {event.comment!r}, expected {COMMENT!r} in it")
        yield "the decision event came"
    wait_until(
        lambda: not _mails(deployment, ACCOUNT), MAIL_TIMEOUT_S, "the reply to be deleted from the mailbox"
    )
    yield "the mailbox is tidy"


def _same(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise Failed(f"{what} is {found!r}, expected {expected!r}")


def _mails(deployment: Deployment, user: str) -> list[bytes]:
    with _mailbox(deployment, user) as imap:
        numbers = imap.search(None, "ALL")[1][0].split()
        answers = [imap.fetch(number.decode(), "(BODY.PEEK[])")[1] for number in numbers]
    return [part[1] for answer in answers for part in answer if isinstance(part, tuple)]


@contextmanager
def _mailbox(deployment: Deployment, user: str) -> Iterator[imaplib.IMAP4]:
    host, port = deployment.address("mail", MAILBOX_PORTS[user])
    with imaplib.IMAP4(host, port, timeout=10) as imap:
        imap.login(user, deployment.mail_password)
        imap.select("INBOX", readonly=True)
        yield imap


def _hand_in(deployment: Deployment, content: bytes) -> None:
    host, port = deployment.address("mail", SMTP_PORT)
    _, to = parseaddr(Asked.read(content).recipient)
    with smtplib.SMTP(host, port, timeout=10) as smtp:
        smtp.sendmail(ADDRESS, [to], content)
