"""Written dialogues with servers that fail, each with what becomes of the mail and how many copies arrived.

All are played at once, each by an account and a server of its own; a retry is one second away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select

from postroom.attachment import attach
from postroom.messages import Attachment, MailFailed, MailSend, MailSent, MailUncertain, SendEvent
from postroom.spool import Spool
from postroom.store.schema import send_recipients
from tests.integration.sender.scripted import HANG_UP, Answer, Script, Scripted, friendly, scripted
from tests.integration.sender.sendroom import Post, Sendroom, approval, entry, open_sendroom, plain
from tests.servers.nodes import Nodes
from tests.waiting import wait_until

CLOSE = None
FILE_BYTES = 6_000_000  # more than the system takes in hand for a connection
CC = ("anna@example.net", "bert@example.net")
NO_PIPELINING = (b"250 scripted\r\n",) * 9


@dataclass(frozen=True)
class Fault:
    """A dialogue and its end.

    Attributes:
        answers: To the first, second ... time of a command; after them the server is friendly.
        state: Of the mail's row.
        event: Told about it; None: that its account turned red is told instead.
        copies: How many mails got their final dot.
        reason_code: Of a failure, or of the account.
        cc: Who else is to get it.
        recipients: What becomes of each of several.
        request: Whether it is a request, which is sent again when its fate is unknown.
        file_bytes: How large a file comes with it.
    """

    name: str
    answers: Mapping[str, tuple[bytes | None, ...]]
    state: str
    event: type[SendEvent] | None
    copies: int
    reason_code: str = ""
    cc: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    request: bool = False
    file_bytes: int = 0
    smtp: Mapping[str, Any] = field(default_factory=dict)


FAULTS = (
    Fault("421 at connect", {"greeting": (b"421 4.3.2 closing\r\n",)}, "sent", MailSent, 1),
    Fault("421 at MAIL", {"MAIL": (b"421 4.3.2 closing\r\n",)}, "sent", MailSent, 1),
    Fault("421 after DATA", {"dot": (b"421 4.3.2 closing\r\n",)}, "sent", MailSent, 2),
    Fault("421 to DATA", {"DATA": (b"421 4.3.2 closing\r\n",)}, "sent", MailSent, 1),
    Fault("450 on RCPT", {"RCPT": (b"450 4.2.1 greylisted\r\n",)}, "sent", MailSent, 1),
    Fault("451 on RCPT", {"RCPT": (b"451 4.3.0 later\r\n",)}, "sent", MailSent, 1),
    Fault("452 on RCPT", {"RCPT": (b"452 4.3.1 no room\r\n",)}, "sent", MailSent, 1),
    Fault("450 step by step", {"RCPT": (b"450 no\r\n",), "EHLO": NO_PIPELINING}, "sent", MailSent, 1),
    Fault("550", {"RCPT": (b"550 5.1.1 who\r\n",)}, "failed", MailFailed, 0, "unknown_recipient"),
    Fault("552", {"dot": (b"552 5.3.4 large\r\n",)}, "failed", MailFailed, 1, "too_large"),
    Fault("553", {"MAIL": (b"553 5.1.8 who\r\n",)}, "failed", MailFailed, 0, "sender_refused"),
    Fault("554", {"dot": (b"554 5.7.1 spam\r\n",)}, "failed", MailFailed, 1, "policy"),
    Fault(
        "mixed recipients",
        {"RCPT": (b"250 ok\r\n", b"450 4.2.1 later\r\n", b"550 5.1.1 who\r\n")},
        "sent",
        MailSent,
        2,
        cc=CC,
        recipients=("sent", "sent", "failed"),
    ),
    Fault(
        "mixed recipients, step by step",
        {"RCPT": (b"550 5.1.1 who\r\n", b"250 ok\r\n", b"452 4.5.3 many\r\n"), "EHLO": NO_PIPELINING},
        "sent",
        MailSent,
        2,
        cc=CC,
        recipients=("failed", "sent", "sent"),
    ),
    Fault(
        "all of several refused",
        {"RCPT": (b"550 5.1.1 who\r\n",) * 3},
        "failed",
        MailFailed,
        0,
        "unknown_recipient",
        cc=CC,
        recipients=("failed",) * 3,
    ),
    Fault(
        "dropped after the dot, several",
        {"RCPT": (b"250 ok\r\n", b"450 later\r\n", b"250 ok\r\n"), "dot": (CLOSE,)},
        "uncertain",
        MailUncertain,
        2,
        cc=CC,
        recipients=("uncertain", "sent", "uncertain"),
    ),
    Fault(
        "553, then close",
        {"MAIL": (b"553 5.1.8 who\r\n" + HANG_UP,)},
        "failed",
        MailFailed,
        0,
        "sender_refused",
    ),
    Fault("250 then close", {"dot": (b"250 2.0.0 ok\r\n" + HANG_UP,)}, "sent", MailSent, 1),
    Fault("drop before the dot", {"DATA": (CLOSE,)}, "sent", MailSent, 1),
    Fault(
        "drop in the content",
        {"DATA": (b"354 go\r\n" + HANG_UP,)},
        "sent",
        MailSent,
        1,
        file_bytes=FILE_BYTES,
    ),
    Fault("drop after the dot", {"dot": (CLOSE,)}, "uncertain", MailUncertain, 1),
    Fault("request dropped after the dot", {"dot": (CLOSE,)}, "sent", MailSent, 2, request=True),
    Fault("garbage in many lines", {"MAIL": (b"250-a\r\n354-b\r\n\x00\xff\r\n",)}, "sent", MailSent, 1),
    Fault("endless lines", {"MAIL": (b"250-more\r\n" * 200,)}, "sent", MailSent, 1),
    Fault("another connection", {"MAIL": (b"421 Max message per connection\r\n",)}, "sent", MailSent, 1),
    Fault(
        "the day is full",
        {"dot": (b"550 5.4.5 Daily user sending limit exceeded\r\n",) * 9},
        "retrying",
        None,
        1,
        "quota",
    ),
    Fault("no STARTTLS", {}, "retrying", None, 0, "starttls_missing", smtp={"security": "starttls"}),
    Fault("no AUTH", {}, "retrying", None, 0, "login_disabled", smtp={"user": "releases"}),
)


@dataclass
class Played:
    """All dialogues, played."""

    room: Sendroom
    servers: dict[str, Scripted]
    orders: dict[str, MailSend]


def _name(fault: Fault) -> str:
    return re.sub(r"[^a-z0-9]+", "-", fault.name.lower())


def _script(fault: Fault) -> Script:
    def script(command: str, before: int) -> Answer:
        answers = fault.answers.get(command, ())
        return answers[before] if before < len(answers) else friendly(command, before)

    return script


def _order(fault: Fault, room: Sendroom) -> MailSend:
    if fault.request:
        return approval(1, _name(fault), id=f"{_name(fault)}:ask:0")
    files: tuple[Attachment, ...] = ()
    if fault.file_bytes:
        path = room.folder / "file.bin"
        path.write_bytes(bytes(fault.file_bytes))
        files = (attach(Spool(room.settings.spool), path),)
    return plain(1, _name(fault), id=_name(fault), cc=fault.cc, attachments=files)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """All dialogues, under way."""
    with ExitStack() as stack:
        room = stack.enter_context(open_sendroom(tmp_path_factory.mktemp("faults")))
        servers = {each.name: stack.enter_context(scripted(_script(each))) for each in FAULTS}
        orders = {each.name: _order(each, room) for each in FAULTS}
        entries = []
        for each in FAULTS:
            password = {"password": room.password} if "user" in each.smtp else {}
            entries.append(entry(_name(each), servers[each.name].port, smtp={**each.smtp, **password}))
        room.write_accounts(*entries)
        room.order(*orders.values())
        stack.enter_context(room.sender())
        yield Played(room, servers, orders)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_what_a_server_does_wrong_has_its_end(played: Played, fault: Fault) -> None:
    room, server, order = played.room, played.servers[fault.name], played.orders[fault.name]
    if fault.event is None:
        status = room.wait_for_status(_name(fault), "red")
        assert (status.reason_code, status.next_try_at is None) == (fault.reason_code, False)
        room.wait_to_be_told(_name(fault), "red", fault.reason_code)
    row = room.wait_for_state(order.id, fault.state)
    events = [each for each in room.events(SendEvent) if each.send_id == order.id]
    if fault.event is not None:
        wanted = fault.event
        wait_until(lambda: _told(room, order.id, wanted), 20, f"{wanted.TYPE} about {fault.name}")
        events = [each for each in room.events(SendEvent) if each.send_id == order.id]
    else:
        assert events == []
    if fault.event is MailFailed:
        assert {each.reason_code for each in events} == {fault.reason_code}
    assert len(server.contents) == fault.copies
    assert row.detail.isprintable()
    _check_recipients(room, order, fault)


def _told(room: Sendroom, send_id: str, kind: type[SendEvent]) -> bool:
    return any(each.send_id == send_id for each in room.events(kind))


def _check_recipients(room: Sendroom, order: MailSend, fault: Fault) -> None:
    """Each of several recipients has its row, and as many events as ends: one."""
    if not fault.cc:
        return
    with room.store.read() as connection:
        query = select(send_recipients).where(send_recipients.c.send_id == order.id)
        rows = {row.recipient: row.state for row in connection.execute(query)}
    assert tuple(rows[each] for each in order.recipients) == fault.recipients

    def told() -> list[str]:
        return sorted(each.recipient for each in room.events(SendEvent) if each.send_id == order.id)

    wait_until(lambda: told() == sorted(order.recipients), 10, "one event for each recipient")


@pytest.mark.needs("postfix")
@pytest.mark.parametrize(
    ("options", "state"),
    [
        (("-f", "RCPT", "-B", "550 5.1.1 unknown"), "failed"),
        (("-r", "RCPT", "-b", "450 4.2.1 greylisted"), "retrying"),
        (("-q", "."), "uncertain"),
        ((), "sent"),
    ],
)
def test_postfix_sink_ends_a_mail_the_same_way(
    post: Post, nodes: Nodes, options: tuple[str, ...], state: str
) -> None:
    sink = nodes.smtp_sink(*options)
    post.has_account(sink.port)
    post.order(post.plain(1, cc=CC))
    post.room.wait_for_state(post.plain(1).id, state)
    if state == "sent":
        (mail,) = sink.wait_for(1)
        assert mail.recipients == ("boss-1@example.net", *CC)
