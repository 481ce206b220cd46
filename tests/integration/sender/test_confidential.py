"""What a confidential account writes is on the wire, and nowhere else (D9)."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from postroom.account_servers import SystemSmtp
from postroom.clock import utc_now
from postroom.messages import ApprovalMail, MailFailed, MailSend, MailSent, PlainMail, TemplateMail
from postroom.store import templates
from postroom.store.accounts import bump, put_section
from postroom.store.schema import metadata
from postroom.templates.template import Template
from tests.integration.sender.scripted import friendly, scripted
from tests.integration.sender.sendroom import TOKEN, Sendroom, entry, plain
from tests.servers.aiosmtpd import TAKEN, Behaviour, SmtpServer
from tests.servers.certificates import Authority

SECRET = "giraffe"
IMAP = {"host": "127.0.0.1", "port": 1, "user": "clinic", "password": "file:/nowhere"}
GREETING = Template(name="greeting", subject="Hello", text="Dear {{ name }}", html="<p>{{ name }}</p>")


def at_dot(content: bytes) -> str | None:
    """The answers of a server that likes to quote."""
    if b"Subject: lost" in content:
        return None
    if b"Subject: refused" in content:
        return f"550 5.7.1 we take no mail about a {SECRET}"
    return f"451 4.7.1 not now: {SECRET}" if b"Subject: later" in content else TAKEN


@pytest.fixture
def clinic(room: Sendroom, authority: Authority) -> Iterator[tuple[Sendroom, SmtpServer]]:
    """A running sender with a confidential account, whose provider files no copies."""
    with SmtpServer(Behaviour(starttls=authority.issue("clinic").server_context(), at_dot=at_dot)) as server:
        smtp = {"security": "starttls", "files_sent_copies": False}
        tls = {"ca_file": str(authority.certificate)}
        room.write_accounts(entry("clinic", server.port, confidential=True, smtp=smtp, imap=IMAP, **tls))
        with room.store.write() as connection:
            templates.put(connection, [GREETING], plain(1).written_at)
        with room.sender():
            yield room, server


def order(subject: str, content: PlainMail | TemplateMail | ApprovalMail | None = None) -> MailSend:
    text = PlainMail(subject=subject, text=f"About the {SECRET}.\n", html=f"<p>{SECRET}</p>")
    changes = {"id": subject, "content": content or text, "log": "full", "event": "news"}
    return plain(1, "clinic").model_copy(update=changes)


def stored(room: Sendroom) -> Iterator[tuple[str, str]]:
    """Everything in the store and in the spool as text, and where it is."""
    with room.store.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(table.select()).mappings():
                yield from ((f"{table.name}.{name}", _as_text(value)) for name, value in row.items())
    for path in room.settings.spool.rglob("*"):
        if path.is_file():
            yield str(path), _as_text(path.read_bytes())


def _as_text(value: Any) -> str:
    if not isinstance(value, bytes):
        return json.dumps(value, default=str)
    try:
        return zlib.decompress(value).decode(errors="replace")
    except zlib.error:
        return value.decode(errors="replace")


def test_whatever_becomes_of_a_mail_its_text_is_on_the_wire_alone(
    clinic: tuple[Sendroom, SmtpServer], caplog: pytest.LogCaptureFixture
) -> None:
    room, server = clinic
    caplog.set_level(logging.DEBUG)
    asking = ApprovalMail(
        approval_id="deploy-1",
        subject="asked",
        body=f"May the {SECRET} go?",
        choices=("approve", "reject"),
        requester="ward",
        deadline=None,
        reply_token=TOKEN,
    )
    made = TemplateMail(template="greeting", values={"name": SECRET})
    wrong = TemplateMail(template="greeting", values={"nobody": SECRET})
    room.order(
        *(order(subject) for subject in ("taken", "refused", "later", "lost")),
        order("asked", asking),
        order("made", made),
        order("wrong", wrong),
    )
    room.wait_for(MailSent, 3)
    room.wait_for(MailFailed, 2)
    for send_id, state in (("later", "retrying"), ("lost", "uncertain")):
        room.wait_for_state(send_id, state)
    sent = b"".join(mail.content for mail in server.mails()).decode()
    assert sent.count(SECRET) >= 6
    assert [where for where, text in stored(room) if SECRET in text] == []
    told = json.dumps([each.message.model_dump(mode="json") for each in room.heard])
    assert SECRET not in told
    # All logs of this process but those of the mail server in it.
    assert [each for each in caplog.records if each.name != "mail.log" and SECRET in str(vars(each))] == []
    # What the server means is told, though not its words.
    (refused,) = (each for each in room.events(MailFailed) if each.send_id == "refused")
    assert (refused.reason_code, refused.reason) == (
        "policy",
        "the server's policy refuses the mail (550 5.7.1)",
    )


def test_the_search_would_find_what_another_account_writes(room: Sendroom) -> None:
    with SmtpServer(Behaviour(at_dot=at_dot)) as server, ExitStack() as stack:
        room.write_accounts(entry("clinic", server.port, smtp={"files_sent_copies": False}, imap=IMAP))
        stack.enter_context(room.sender())
        room.order(*(order(subject) for subject in ("taken", "lost", "refused")))
        room.wait_for(MailSent)
        room.wait_for_state("lost", "uncertain")
        (told,) = room.wait_for(MailFailed)
    assert SECRET in told.reason
    places = {where.partition(".")[0] for where, text in stored(room) if SECRET in text}
    assert {"conversation_messages", "message_sources", "doubts"} <= places
    assert any(where.startswith("/") for where in places), "a copy for the folder of sent mail"


def test_a_system_smtp_that_lost_its_tls_gets_no_connection_and_the_mail_waits(room: Sendroom) -> None:
    account = {"name": "clinic", "address": "clinic@example.com", "use_system_smtp": True}
    with scripted(friendly) as server:
        system = {"host": "127.0.0.1", "port": server.port, "security": "starttls"}
        room.write_accounts({**account, "confidential": True}, system_smtp=system)
        # As no file can say it, but an older version could leave it.
        open_server = SystemSmtp.model_validate({**system, "security": "none"})
        with room.store.write() as connection:
            put_section(connection, "system_smtp", open_server, utc_now())
            bump(connection)
        room.order(order("taken"))
        with room.sender():
            row = room.wait_for_status("clinic", "red")
        assert server.connections == 0
    assert (row.reason_code, row.sentence) == (
        "invalid_settings",
        "confidential accounts need TLS: set system_smtp.security to tls or starttls",
    )
    assert room.row("taken").state in ("sending", "retrying")
