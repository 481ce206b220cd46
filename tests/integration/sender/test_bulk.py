"""Mails to many: nobody gets two, and nobody is left out, whoever is killed when."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from io import FileIO
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from postroom.attachment import attach
from postroom.broker.publisher import Publisher
from postroom.bulk import send_id_of
from postroom.client import Client, RequestRefused
from postroom.clock import utc_now
from postroom.messages import BulkEnded, MailSent
from postroom.spool import Spool
from postroom.store import bulks, suppressions, templates
from postroom.store.outbox import OutboxRelay
from postroom.templates.template import Template
from postroom_console.app import main
from postroom_sender.feeding import Feeding
from tests.integration.sender.scripted import friendly, scripted
from tests.integration.sender.sendroom import SHARDS, Sendroom, entry, open_sendroom, plain
from tests.integration.sender.test_crash import Killer, recipients
from tests.servers.aiosmtpd import SmtpServer
from tests.servers.rabbitmq import Vhost

PEOPLE = 60
TEMPLATE = Template(name="news", subject="News for {{ name }}", text="Hello {{ name }}.\n", is_default=True)


def a_list(room: Sendroom, count: int, *more: str) -> str:
    """A list of so many people, and these lines."""
    lines = ["email,name", *(f"boss-{number}@example.net,Boss {number}" for number in range(count)), *more]
    path = room.folder / "list.csv"
    path.write_text("\n".join(lines))
    return str(path)


def has_template(room: Sendroom) -> None:
    """Put the template into the store."""
    with room.store.write() as connection:
        templates.put(connection, [TEMPLATE], utc_now())


def run(room: Sendroom, *arguments: str) -> Result:
    """A command in the room's folder."""
    environment = {
        "POSTROOM_DATA_DIR": str(room.folder),
        "POSTROOM_SHARDS": str(SHARDS),
        "POSTROOM_API_TOKEN": "",
        "POSTROOM_BROKER_URL": room.settings.broker,
    }
    return CliRunner().invoke(main, arguments, env=environment)


def counts(room: Sendroom, bulk_id: str) -> dict[str, int]:
    """What became of the mails of a bulk: those that are not zero."""
    with room.store.read() as connection:
        found = bulks.counts(connection, [bulk_id])[bulk_id]
    return {outcome: count for outcome, count in found.items() if count}


def state(room: Sendroom, bulk_id: str) -> str:
    """Its state."""
    with room.store.read() as connection:
        return bulks.states(connection, [bulk_id])[bulk_id]


def addressed(contents: Sequence[bytes]) -> Counter[str]:
    """Who got how many mails."""
    return recipients(list(contents))


def test_a_killed_sender_goes_on_with_a_bulk_and_nobody_gets_a_second_mail(room: Sendroom) -> None:
    has_template(room)
    killer = Killer()
    with scripted(killer) as server:
        room.write_accounts(entry("releases", server.port))
        ordered = ("send", "--account", "releases", "--bulk", a_list(room, PEOPLE), "--id", "news-1")
        assert run(room, *ordered).output == f"news-1: ordered; {PEOPLE} recipients\n"
        killer.process = room.start_process()
        assert killer.killed.wait(30)
        again = run(room, *ordered)
        assert again.output.startswith("news-1: was ordered before (sending): nobody gets a second mail")
        with room.sender():
            room.wait_until(lambda: state(room, "news-1") == "done", "the bulk to be done", 60)
        got = addressed(server.contents)
    became = counts(room, "news-1")
    assert max(got.values()) == 1
    # What was in flight is in doubt, and came or not; of the others everybody has one.
    assert sum(became.values()) == PEOPLE
    assert set(became) <= {"sent", "uncertain"}
    assert 1 <= became["uncertain"] <= 3
    assert became["sent"] <= len(got) <= PEOPLE
    assert run(room, *ordered).output.startswith("news-1: was ordered before (done)")
    assert (
        run(room, "send", "--account", "releases", "--bulk", a_list(room, 2), "--id", "news-1").exit_code == 2
    )


def test_a_list_with_a_wrong_line_is_sent_to_nobody_unless_they_are_to_be_left_out(room: Sendroom) -> None:
    has_template(room)
    room.write_accounts(entry("releases", 1))
    path = a_list(room, 2, "nobody,Nobody", "BOSS-1@example.net,Boss", "carl@example.net,")
    refused = run(room, "send", "--account", "releases", "--bulk", path)
    assert refused.exit_code == 2
    assert [line.partition(":")[0] for line in refused.output.splitlines()] == [
        *("line 4", "line 5", "line 6", "postroom")
    ]
    assert json.loads(run(room, "bulk", "list", "--json").output) == []
    assert "there is no account 'nosuch'" in run(room, "bulk", "list", "--account", "nosuch").output
    sent = run(room, "send", "--account", "releases", "--bulk", path, "--skip-invalid")
    assert sent.exit_code == 0
    assert sent.output.splitlines()[-1].endswith("ordered; 2 recipients, 3 lines left out")


def test_a_bulk_is_paused_resumed_and_cancelled_and_suppressed_people_get_nothing(room: Sendroom) -> None:
    has_template(room)
    with scripted(friendly) as server:
        room.write_accounts(entry("releases", server.port))
        with room.store.write() as connection:
            suppressions.suppress(
                connection, "BOSS-3@example.net", "hard", account="releases", source="test", now=utc_now()
            )
        order = ("send", "--account", "releases", "--template", "news", "--bulk")
        assert run(room, *order, a_list(room, 5), "--id", "one").exit_code == 0
        assert run(room, *order, a_list(room, 4), "--id", "two").exit_code == 0
        assert run(room, "bulk", "pause", "one").output == "one: paused\n"
        assert run(room, "bulk", "cancel", "two").output == "two: cancelled\n"
        assert run(room, "bulk", "resume", "two").exit_code == 2
        with room.sender():
            direct = ("send", "--account", "releases", "--subject", "Hi", "--text", "Hello", "--wait")
            assert run(room, *direct, "--to", "first@example.net").output == "sent: 250 2.0.0 ok\n"
            stopped = run(room, *direct, "--to", "boss-3@EXAMPLE.net")
            assert (stopped.exit_code, stopped.output.split(":")[0]) == (1, "failed")
            assert counts(room, "one") == {"queued": 5}
            assert run(room, "bulk", "resume", "one").exit_code == 0
            room.wait_until(lambda: state(room, "one") == "done", "the bulk to be done")
        got = addressed(server.contents)
    assert counts(room, "one") == {"sent": 4, "suppressed": 1}
    assert counts(room, "two") == {"cancelled": 4}
    assert set(got) == {"first@example.net", *(f"boss-{number}@example.net" for number in (0, 1, 2, 4))}
    assert room.row(send_id_of("one", "boss-3@example.net")).reason_code == "suppressed"
    shown = json.loads(run(room, "bulk", "show", "one", "--json").output)
    assert [each["recipient"] for each in shown["not_sent"]] == ["boss-3@example.net"]


def test_mails_that_wait_in_the_broker_stay_there_while_paused_and_are_not_sent_once_cancelled(
    room: Sendroom,
) -> None:
    has_template(room)
    with scripted(friendly) as server:
        room.write_accounts(entry("releases", server.port))
        order = ("send", "--account", "releases", "--bulk", a_list(room, 5), "--id", "one")
        assert run(room, *order).exit_code == 0
        with Publisher(room.settings.broker, name="test") as publisher:
            relay = OutboxRelay(room.store, publisher, "sender", utc_now)
            assert not Feeding(room.store, relay, SHARDS, utc_now).tend()
        assert run(room, "bulk", "pause", "one").exit_code == 0
        # It is behind them in the same queue.
        room.order(plain(1, lane="bulk"))
        with room.sender():
            room.wait_for(MailSent)
            assert len(server.contents) == 1
            assert counts(room, "one") == {"queued": 5}
            assert run(room, "bulk", "cancel", "one").exit_code == 0
            room.wait_until(lambda: state(room, "one") == "cancelled", "the bulk to be over", 30)
        assert counts(room, "one") == {"cancelled": 5}
        assert len(server.contents) == 1


def test_a_program_writes_to_many_and_is_told_what_is_wrong(room: Sendroom) -> None:
    has_template(room)
    with SmtpServer() as server, room.sender() as parts:
        room.write_accounts(entry("releases", server.port))
        parts.loops["accounts"].look()  # type: ignore[attr-defined]
        people = [("anna@example.net", {"name": "Anna"}), ("bert@example.net", {"name": "Bert"})]
        with Client(room.settings.broker, shards=SHARDS) as client:
            try:
                client.send_bulk("releases", [*people, ("x", {"name": "X"})], id="by-program")
            except RequestRefused as refused:
                assert refused.field == "recipients"
                assert "recipient 3: 'x' is not a mail address" in refused.reason
            accepted = client.send_bulk("releases", people, id="by-program")
            assert (accepted.recipients, accepted.skipped) == (2, 0)
        room.wait_until(lambda: state(room, "by-program") == "done", "the bulk to be done")
        mails = server.wait_for(2)
    assert sorted(mail.recipients[0] for mail in mails) == ["anna@example.net", "bert@example.net"]
    assert b"List-Unsubscribe: <mailto:releases@example.com?subject=unsubscribe%20pu" in mails[0].content


def test_a_program_is_told_of_files_that_cannot_go_with_a_mail_before_anybody_gets_one(
    tmp_path: Path,
) -> None:
    people = [("anna@example.net", {"name": "Anna"})]
    with open_sendroom(tmp_path, attachments_limit_bytes=10) as room, SmtpServer() as server:
        has_template(room)
        room.write_accounts(entry("releases", server.port))
        spool = Spool(room.settings.spool)
        (tmp_path / "six").write_bytes(b"6" * 6)
        (tmp_path / "four").write_bytes(b"4" * 4)
        six, four = (attach(spool, tmp_path / name) for name in ("six", "four"))
        gone = four.model_copy(update={"dataref": f"spool:sha256:{'0' * 64}"})
        with room.sender(), Client(room.settings.broker, shards=SHARDS) as client:
            # Of one file twice each counts: everybody gets it twice.
            for files, why in ((six, six), "10 bytes (POSTROOM_ATTACHMENTS_LIMIT_BYTES)"), ((gone,), "four"):
                with pytest.raises(RequestRefused) as refused:
                    client.send_bulk("releases", people, id="files", attachments=files)
                assert (refused.value.field, why in refused.value.reason) == ("attachments", True)
            client.send_bulk("releases", people, id="files", attachments=(six, four))
            room.wait_until(lambda: state(room, "files") == "done", "the bulk to be done")
            # What is sent is not kept; and the answer to a repeat is the same.
            spool.remove(six.dataref)
            again = client.send_bulk("releases", people, id="files", attachments=(six, four))
        assert again.recipients == 1
        assert len(server.mails()) == 1


@pytest.mark.needs("rabbitmq")
def test_a_bulk_goes_over_rabbitmq_and_its_end_is_told(tmp_path: Path, rabbitmq_vhost: Vhost) -> None:
    with open_sendroom(tmp_path, broker=rabbitmq_vhost.url) as room, scripted(friendly) as server:
        has_template(room)
        room.write_accounts(entry("releases", server.port))
        order = ("send", "--account", "releases", "--template", "news", "--bulk", a_list(room, 30))
        assert run(room, *order, "--id", "gone").exit_code == 0
        assert run(room, "bulk", "cancel", "gone").exit_code == 0
        assert run(room, *order, "--id", "all").exit_code == 0
        with Client(room.settings.broker, shards=SHARDS) as client:
            ends = client.events(BulkEnded)
            with room.sender():
                told = {each.message.bulk_id: each.message for each in islice(ends, 2)}
        assert (told["gone"].sent, told["gone"].failed) == (0, 30)
        assert (told["all"].sent, told["all"].failed) == (30, 0)
        assert state(room, "gone") == "cancelled"
        assert set(addressed(server.contents).values()) == {1}


def test_ctrl_c_ends_the_showing_and_not_the_sending(room: Sendroom) -> None:
    has_template(room)
    room.write_accounts(entry("releases", 1))
    order = ["send", "--account", "releases", "--bulk", a_list(room, 3), "--id", "news-1", "--wait"]
    # A shell's background job ignores SIGINT, and so do its children.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program += "from postroom_console.app import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *order],
        env={"POSTROOM_DATA_DIR": str(room.folder), "POSTROOM_SHARDS": str(SHARDS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "news-1: ordered; 3 recipients\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, state(room, "news-1")) == (0, "sending")
    assert "sending goes on; see `postroom bulk show news-1`" in said


def test_of_a_list_that_is_too_large_no_more_is_read_than_shows_it(room: Sendroom) -> None:
    has_template(room)
    room.write_accounts(entry("releases", 1))
    program = "import postroom.bulk as read, postroom_console.bulk_sending as sending; "
    program += "read.MAX_LIST_BYTES = sending.MAX_LIST_BYTES = 1000; "
    program += "from postroom_console.app import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "send", "--account", "releases", "--bulk", "-"],
        env={"POSTROOM_DATA_DIR": str(room.folder), "POSTROOM_SHARDS": str(SHARDS)},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"email,name\n" * 200)
        process.stdin.flush()
        try:
            # Nobody has said that this is the end.
            assert process.wait(20) == 2
        finally:
            process.kill()
        assert b"the list is larger than 1,000 bytes" in process.stderr.read()


def test_a_line_of_which_no_mail_can_be_made_is_wrong_before_the_first_mail(room: Sendroom) -> None:
    has_template(room)
    room.write_accounts(entry("releases", 1))
    path = a_list(room, 2, 'eve@example.net,"Eve\nEvil"')
    refused = run(room, "send", "--account", "releases", "--bulk", path)
    assert refused.exit_code == 2
    assert "line 4: template news, subject: it has a line break" in refused.output
    assert json.loads(run(room, "bulk", "list", "--json").output) == []


def test_files_that_are_too_large_are_refused_before_anybody_gets_a_mail(room: Sendroom) -> None:
    has_template(room)
    room.write_accounts(entry("releases", 1))
    order = ("send", "--account", "releases", "--bulk", a_list(room, 2))
    files = [room.folder / name for name in ("one.bin", "two.bin")]
    for each in files:
        with each.open("wb") as file:
            file.truncate(11 * 1024 * 1024)
    both = [word for each in files for word in ("--attach", str(each))]
    refused = run(room, *order, *both)
    assert (refused.exit_code, "POSTROOM_ATTACHMENTS_LIMIT_BYTES" in refused.output) == (2, True)
    assert json.loads(run(room, "bulk", "list", "--json").output) == []
    assert run(room, *order, *both[:2]).exit_code == 0


def test_on_a_terminal_a_bar_shows_how_it_goes_and_without_one_there_is_none(room: Sendroom) -> None:
    has_template(room)
    program = "from postroom_console.app import main; main()"
    with scripted(friendly) as server, ExitStack() as running:
        room.write_accounts(entry("releases", server.port))
        running.enter_context(room.sender())
        order = [sys.executable, "-c", program, "send", "--account", "releases", "--bulk", a_list(room, 3)]
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            process = subprocess.Popen(
                order,
                env={
                    "POSTROOM_DATA_DIR": str(room.folder),
                    "POSTROOM_SHARDS": str(SHARDS),
                    "TERM": "xterm",
                    "COLUMNS": "100",
                },
                stdout=subprocess.PIPE,
                stderr=theirs,
            )
            os.close(theirs)
            told, _ = process.communicate(timeout=30)
            shown = b"".join(iter(lambda: _read(terminal), b"")).decode()
        assert (process.returncode, told.decode().splitlines()[1:]) == (0, ["3 sent"])
        bars = [line for line in shown.split("\r") if "━" in line]
        assert any("sending" in bar for bar in bars)
        assert "3 sent" in bars[-1]
        again = run(room, *order[3:], "--wait")
        as_json = json.loads(run(room, *order[3:], "--wait", "--json").stdout)
    assert again.output.splitlines()[-1] == "3 sent"
    assert "━" not in again.output
    assert (as_json["state"], as_json["recipients"], as_json["sent"]) == ("done", 3, 3)


def _read(terminal: FileIO) -> bytes:
    try:
        return terminal.read(65_536) or b""
    except OSError:  # EIO: nobody has the other end any more
        return b""
