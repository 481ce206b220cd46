"""Many mails in doubt, as a sender that was killed in a bulk leaves them: a person settles them together."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, insert, select, text, update

from postroom.access import the_operator
from postroom.clock import utc_now
from postroom.doubt import NewDoubt
from postroom.inbox.resolving import resolve
from postroom.messages import MailSend, MailSent, PlainMail
from postroom.record import Record, send_record_id
from postroom.store import Store, bulks, doubts, records
from postroom.store import accounts as stored
from postroom.store.bulks import Order
from postroom.store.schema import audit, bulk_recipients, sends
from postroom.store.schema import bulks as bulk_rows
from postroom.store.schema import doubts as doubt_rows
from postroom.store.schema import outbox as waiting
from postroom.store.view import View
from postroom_console.app import main
from postroom_console.resolution import STEP
from tests.accounts import keep_accounts
from tests.integration.sender.scripted import friendly, scripted
from tests.integration.sender.sendroom import SHARDS, Sendroom, entry
from tests.integration.sender.test_bulk import a_list, addressed, counts, has_template, run, state

MANY = 2 * STEP + 50
PROGRAM = "from postroom_console.app import main; main()"
NEWS = """
accounts:
  - {name: news, address: news@corp.example, smtp: {host: smtp.example}}
"""


@dataclass
class Desk:
    """A store with a bulk of which many mails wait for a person; orders wait too, there is no broker."""

    store: Store
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "POSTROOM_STORE_URL": self.store.engine.url.render_as_string(hide_password=False),
            "POSTROOM_DATA_DIR": str(self.folder),
            "POSTROOM_SHARDS": str(SHARDS),
            "POSTROOM_API_TOKEN": "",
        }

    def park(self, count: int, *, is_kept: bool = True) -> list[str]:
        """Add so many mails in doubt to the bulk; their ids."""
        now = utc_now()
        orders = [_mail(number) for number in range(count)]
        command = [order.model_dump_json().encode() if is_kept else None for order in orders]
        with self.store.write() as connection:
            bulks.begin(connection, Order("news-1", "news", "t", "0" * 64, count, 0, {}, "", "c"), now)
            connection.execute(update(bulk_rows).values(state="done"))
            connection.execute(insert(sends), [_row(order, now) for order in orders])
            connection.execute(insert(bulk_recipients), [_place(at, each) for at, each in enumerate(orders)])
            found = zip(orders, command, strict=True)
            doubts.open_new(
                connection,
                [NewDoubt(order.id, "news", kept, None, "0", is_parked=True) for order, kept in found],
                now,
            )
            records.add(connection, [_record(order, now) for order in orders])
        return [order.id for order in orders]

    def say(self, *arguments: str) -> Result:
        result = CliRunner().invoke(main, ["sends", "resolve", *arguments], env=self.environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    def said(self, *arguments: str) -> dict[str, Any]:
        """The JSON that it says."""
        told: dict[str, Any] = json.loads(self.say(*arguments, "--json").stdout)
        return told

    def count(self, table: Any, *conditions: Any) -> int:
        with self.store.read() as connection:
            return int(
                connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()
            )

    @property
    def orders(self) -> int:
        """How many orders wait for the sender's sweeper."""
        return self.count(waiting)

    @property
    def uncertain(self) -> int:
        return self.count(sends, sends.c.state == "uncertain")


def _mail(number: int) -> MailSend:
    return MailSend(
        id=f"bulk:news-1:{number:05}",
        account="news",
        recipient=f"boss-{number}@example.net",
        content=PlainMail(subject="News", text="Hello."),
        written_at=utc_now().replace(microsecond=0),
        bulk_id="news-1",
    )


def _row(order: MailSend, now: Any) -> dict[str, Any]:
    return {
        "send_id": order.id,
        "account": "news",
        "recipient": order.recipient,
        "kind": "plain",
        "message_id": f"<{order.id}@x>",
        "state": "uncertain",
        "attempts": 1,
        "detail": "",
        "created_at": now,
        "updated_at": now,
        "correlation_id": "c",
    }


def _place(position: int, order: MailSend) -> dict[str, Any]:
    place = {"bulk_id": "news-1", "position": position, "recipient": order.recipient, "send_id": order.id}
    return {**place, "values": {}, "state": "ended", "outcome": "uncertain"}


def _record(order: MailSend, now: Any) -> Record:
    return Record(
        id=send_record_id(order.id),
        account="news",
        kind="send",
        event="",
        recipient=order.recipient,
        log="nothing",
        at=now,
        send_id=order.id,
    )


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    keep_accounts(store, NEWS)
    return Desk(store, tmp_path)


def test_all_that_a_bulk_left_in_doubt_is_sent_again_together_once(room: Sendroom) -> None:
    has_template(room)

    def lost_at_first(command: str, count: int) -> bytes | None:
        return None if command == "dot" and count < 3 else friendly(command, count)

    with scripted(lost_at_first) as server:
        room.write_accounts(entry("releases", server.port))
        run(room, "send", "--account", "releases", "--bulk", a_list(room, 3), "--id", "news-1")
        with room.sender():
            room.wait_until(lambda: counts(room, "news-1") == {"uncertain": 3}, "three doubts")
            room.wait_until(lambda: state(room, "news-1") == "done", "the bulk to be done")
            said = run(room, "sends", "resolve", "--bulk", "news-1", "resend", "--yes")
            assert (said.exit_code, said.stdout) == (0, "3 mails are sent again\n")
            assert said.stderr == "of news-1 3 mails wait for a person\n"
            room.wait_until(lambda: counts(room, "news-1") == {"sent": 3}, "all to be sent")
            again = run(room, "sends", "resolve", "--bulk", "news-1", "resend", "--yes", "--json")
            assert (again.exit_code, json.loads(again.stdout)["resolved"]) == (0, [])
            room.wait_for(MailSent, 3)
        contents = server.contents
    assert addressed(contents) == {f"boss-{number}@example.net": 2 for number in range(3)}
    assert len(set(contents)) == 3


def test_thousands_are_settled_in_steps_each_in_the_audit_and_cut_short_it_goes_on(desk: Desk) -> None:
    names = desk.park(MANY)
    broken = names[STEP + 10]
    with desk.store.write() as connection:
        for statement in _refusing(connection.dialect.name, broken):
            connection.execute(text(statement))
    failed = desk.say("--bulk", "news-1", "sent")
    assert failed.exit_code == 1
    assert f"of news-1 {MANY} mails wait for a person" in failed.stderr
    assert f"{STEP} mails are settled; the same command goes on with the rest" in failed.stderr
    assert (desk.uncertain, desk.orders, desk.count(audit)) == (MANY - STEP, STEP, STEP)
    with desk.store.write() as connection:
        of = "" if connection.dialect.name == "sqlite" else " ON sends"
        connection.execute(text(f"DROP TRIGGER refusing{of}"))
    assert desk.said("--bulk", "news-1", "sent")["resolved"] == names[STEP:]
    assert (desk.uncertain, desk.orders, desk.count(audit)) == (0, MANY, MANY)
    assert desk.count(audit, audit.c.action == "sends.resolve", audit.c.target == broken) == 1
    nothing = desk.say("--bulk", "news-1", "sent")
    assert (nothing.exit_code, nothing.output) == (0, "of news-1 0 mails wait for a person\n")


def _refusing(dialect: str, send_id: str) -> list[str]:
    """What makes the store refuse to change this mail."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER refusing BEFORE UPDATE ON sends WHEN NEW.send_id = '{send_id}' "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        ]
    return [
        "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE 'not this one'; END $$ LANGUAGE plpgsql",
        f"CREATE TRIGGER refusing BEFORE UPDATE ON sends FOR EACH ROW WHEN (NEW.send_id = '{send_id}') "
        "EXECUTE FUNCTION refuse()",
    ]


def test_two_people_who_say_so_at_once_have_each_mail_sent_again_once(desk: Desk) -> None:
    names = desk.park(MANY)
    everything = [sys.executable, "-c", PROGRAM, "sends", "resolve"]
    both = [
        subprocess.Popen(
            [*everything, *chosen, "resend", "--yes", "--json"], env=desk.environment, stdout=subprocess.PIPE
        )
        for chosen in (("--bulk", "news-1"), tuple(reversed(names)))
    ]
    told = [json.loads(each.communicate(timeout=120)[0]) for each in both]
    assert sorted(name for each in told for name in each["resolved"]) == names
    assert [each["refused"] for each in told] == [{}, {}]
    assert (desk.orders, desk.count(audit)) == (MANY, MANY)


def test_who_saw_a_doubt_does_not_resolve_a_later_one_of_the_same_mail(desk: Desk) -> None:
    (name,) = desk.park(1)
    desk.say(name, "resend")
    with desk.store.write() as connection:
        connection.execute(update(sends).values(state="uncertain", attempts=2))
    with desk.store.write() as connection:
        view = View(connection, the_operator(), stored.read(connection))
        assert not resolve(view, name, "resend", "test", utc_now(), attempts=1).is_new
        assert resolve(view, name, "resend", "test", utc_now(), attempts=2).is_new


def test_several_are_sent_again_only_once_a_person_agrees(desk: Desk) -> None:
    names = desk.park(2)
    refused = desk.say("--bulk", "news-1", "resend")
    assert (refused.exit_code, "give --yes to send 2 mails again" in refused.output) == (2, True)
    shown = _answered(desk, [*names, "resend"], b"n\n")
    assert "Send 2 mails again, which may arrive twice? [y/N]" in shown
    assert (desk.uncertain, desk.orders) == (2, 0)
    _answered(desk, [*names, "resend"], b"y\n")
    assert (desk.uncertain, desk.orders) == (0, 2)


def _answered(desk: Desk, arguments: list[str], answer: bytes) -> str:
    """What is shown to who answers so on a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, "sends", "resolve", *arguments]
    os.write(ours, answer)
    try:
        done = subprocess.run(
            command, env=desk.environment, stdin=theirs, capture_output=True, timeout=60, check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return (done.stdout + done.stderr).decode()


def test_what_cannot_be_is_named_and_the_others_are_settled(desk: Desk) -> None:
    desk.park(1, is_kept=False)
    with desk.store.write() as connection:
        connection.execute(update(bulk_rows).values(state="cancelled"))
    only = _mail(0).id
    none = desk.say(only, "resend")
    assert (none.exit_code, "was kept to be sent again" in none.stderr) == (2, True)
    assert desk.say(only, "no-such-mail", "sent").exit_code == 2
    assert desk.uncertain == 1
    assert desk.say(only, only, "sent").stdout == f"{only} counts as sent\n"
    assert desk.say(only, "sent").stdout == f"{only} counts as sent, as was said before\n"
    assert desk.say("sent").exit_code == 2
    assert desk.say(only, "--bulk", "news-1", "sent").exit_code == 2
    assert "there is no bulk 'other'" in desk.say("--bulk", "other", "sent").stderr


def test_of_several_those_that_are_settled_otherwise_are_refused(desk: Desk) -> None:
    first, second = desk.park(2)
    desk.say(first, "sent")
    some = desk.say(first, second, "resend", "--yes")
    assert (some.exit_code, some.stdout) == (1, f"{second} is sent again\n")
    assert f"{first}: {first} is sent: only what is uncertain can be resolved" in some.stderr


def test_mails_of_a_cancelled_bulk_are_not_sent_again(desk: Desk) -> None:
    desk.park(2)
    with desk.store.write() as connection:
        connection.execute(update(bulk_rows).values(state="cancelled"))
    refused = desk.say("--bulk", "news-1", "resend", "--yes")
    assert (refused.exit_code, refused.stderr.count("the bulk news-1 was cancelled")) == (2, 2)
    assert (desk.uncertain, desk.orders) == (2, 0)
    assert desk.say("--bulk", "news-1", "sent").stdout == "2 mails count as sent\n"


def test_what_is_still_being_settled_is_told_and_left_alone(desk: Desk) -> None:
    first, second = desk.park(2)
    with desk.store.write() as connection:
        connection.execute(update(doubt_rows).where(doubt_rows.c.send_id == first).values(parked_at=None))
    said = desk.say("--bulk", "news-1", "sent")
    assert said.stderr.startswith("of news-1 1 mail waits for a person; 1 more is still being settled\n")
    assert said.stdout == f"{second} counts as sent\n"
