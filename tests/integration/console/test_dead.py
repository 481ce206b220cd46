"""`postroom dead` on both brokers and both stores: what waits is seen, replayed once, dropped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert

from postroom import metrics, topology
from postroom.accounts_watch import Accounts
from postroom.broker.consumer import Consumer
from postroom.broker.failure import republish
from postroom.broker.outgoing import Outgoing
from postroom.broker.reception import Taken
from postroom.broker.verdict import DeadLetter, Delivery, Handler
from postroom.clock import utc_now
from postroom.envelope import Wire, encode, envelop
from postroom.messages import ApprovalDelegate, ApprovalRequest
from postroom.store import deny
from postroom.store.attempts import StoredAttempts
from postroom.store.schema import approvals, audit, conversation_messages, fetch_ledger, mails, outbox
from postroom.topology import INBOX, PROCESSOR_COMMANDS
from postroom_console.app import main
from postroom_processor.quarantines import Quarantines
from tests.accounts import keep_accounts
from tests.integration.processor.test_policies import made
from tests.integration.processor.test_receiving import ACCOUNTS, Bench, outcomes
from tests.loops import running
from tests.servers.rabbitmq import Vhost
from tests.waiting import wait_until

KILLED = Path(__file__).with_name("killed_replay.py")
USERS = """
users:
  - {name: anna, address: anna@corp.example}
  - {name: boss, address: boss@corp.example, role: admin}
"""


@dataclass
class Shell:
    """A shell beside a processor."""

    bench: Bench
    store_url: str

    def run(self, *arguments: str) -> Result:
        environment = {
            "POSTROOM_STORE_URL": self.store_url,
            "POSTROOM_BROKER_URL": self.bench.broker_url,
            "POSTROOM_DATA_DIR": str(self.bench.folder),
            "POSTROOM_SHARDS": "1",
        }
        result = CliRunner().invoke(main, ("dead", *arguments), env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    def said(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refusal(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 2, result.output
        return result.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self.said(*arguments, "--json"))

    def listed(self, *arguments: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.json("list", *arguments)["rows"]
        return rows

    def bury(self, wire: Wire, queue: str = INBOX, reason: str = "a reason\x1b[31m") -> str:
        """Put a message into the quarantine as a service does."""
        letter = republish(Taken(queue, 1, wire, False, 3), DeadLetter(reason), utc_now())
        self.bench.publisher().publish([letter])
        return wire.message_id

    def bury_mail(self, sender: str) -> str:
        return self.bury(encode(self.bench.mail("Hello", sender=sender).envelope))

    @contextmanager
    def processing(self, *queues: str) -> Iterator[None]:
        handlers: dict[str, Handler] = {PROCESSOR_COMMANDS: self.bench.commands()}
        consumers = [
            Consumer(
                self.bench.broker_url,
                [queue],
                handlers.get(queue) or self.bench.received_mail(),
                name=f"test {queue}",
                attempts=StoredAttempts(self.bench.store),
            )
            for queue in queues
        ]
        with running(*consumers):
            yield

    def hold(self) -> Delivery:
        """A reply to a request of anna's, written by somebody else: it is held."""
        self.bench.request()
        reply = self.bench.mail("Approve", to=self.bench.reply_address(), sender="eve@corp.example")
        self.bench.received_mail()([reply])
        assert outcomes(self.bench) == Counter({"held": 1})
        return reply


@pytest.fixture(
    params=[
        pytest.param("rabbitmq", marks=[pytest.mark.needs("rabbitmq"), pytest.mark.needs("postgresql")]),
        "embedded",
    ]
)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    urls = f"sqlite:///{tmp_path}/store.sqlite3", f"embedded://{tmp_path}/broker.sqlite3"
    if request.param == "rabbitmq":
        vhost: Vhost = request.getfixturevalue("rabbitmq_vhost")
        urls = request.getfixturevalue("postgresql_store"), vhost.url
    with made(*urls, tmp_path) as bench:
        bench.now = utc_now()
        yield Shell(bench, urls[0])


def deeds(shell: Shell) -> list[tuple[str, str]]:
    return sorted((row.action, row.target) for row in shell.bench.rows(audit))


def test_a_dead_letter_is_seen_put_back_and_goes_through_every_check_again(shell: Shell) -> None:
    assert "nothing waits" in shell.said("list")
    friend, foe = shell.bury_mail("anna@corp.example"), shell.bury_mail("eve@shop.example")
    (row, _) = shell.listed()
    told = (row["id"], row["queue"], row["type"], row["account"], row["tried"])
    assert told == (friend, INBOX, "mail.received", "release", 3)
    assert "\x1b" not in shell.said("list") + shell.said("show", friend)
    assert "Hello" in shell.said("show", friend)
    shell.said("show", friend, "--raw", f"{shell.bench.folder}/mail.eml")
    assert (shell.bench.folder / "mail.eml").read_bytes().startswith(b"From: anna@corp.example\r\n")
    with shell.bench.store.write() as connection:
        assert deny.add(connection, "shop.example", now=utc_now())
    assert shell.json("replay", friend, foe)["dead_letters"] == [friend, foe]
    with shell.processing(INBOX):
        wait_until(lambda: len(shell.bench.rows(mails)) == 2, 20, "both mails")
    assert outcomes(shell.bench) == Counter({"accepted": 1, "denied": 1})
    assert shell.listed() == []
    assert deeds(shell) == [("dead.replay", INBOX)]


def test_who_is_killed_between_putting_back_and_removing_changes_nothing(shell: Shell) -> None:
    request = ApprovalRequest(id="r-1", account="release", approvers=("anna@corp.example",), subject="R")
    shell.bury(encode(envelop(request, source="/test", now=utc_now())), PROCESSOR_COMMANDS)
    shell.bury_mail("anna@corp.example")
    for queue in (INBOX, PROCESSOR_COMMANDS):
        killed = subprocess.run(
            [sys.executable, "-P", str(KILLED), shell.bench.broker_url, queue], check=False
        )
        assert killed.returncode == -signal.SIGKILL
    wait_until(lambda: len(shell.listed()) == 2, 20, "the broker to see that they are gone")
    assert len(shell.json("replay", "--all")["dead_letters"]) == 2
    with shell.processing(INBOX, PROCESSOR_COMMANDS):
        wait_until(lambda: shell.bench.rows(mails) and shell.bench.rows(approvals), 20, "the effects")
        wait_until(lambda: len(shell.bench.rows(outbox)) == 0, 20, "all to be told")
    assert len(shell.bench.rows(mails)) == len(shell.bench.rows(approvals)) == 1
    assert len(shell.bench.sends()) == 1
    assert shell.listed() == []


def test_a_held_mail_is_handled_anew_once_and_decides_only_when_the_rules_let_it(shell: Shell) -> None:
    reply = shell.hold()
    mail_id = reply.envelope.id
    assert [(row["kind"], row["id"]) for row in shell.listed("--mails")] == [("held", mail_id)]
    assert "Approve" in shell.said("show", mail_id)
    with shell.processing(topology.REPLIES):
        assert shell.json("replay", mail_id)["mails"] == [mail_id]
        wait_until(lambda: outcomes(shell.bench) == Counter({"held": 1}), 20, "the same outcome")
        assert [row.state for row in shell.bench.rows(approvals)] == ["pending"]
        shell.bench.command(ApprovalDelegate(id="r-1", approver="anna@corp.example", to="eve@corp.example"))
        assert shell.json("replay", "--mails")["mails"] == [mail_id]
        wait_until(lambda: outcomes(shell.bench) == Counter({"decided": 1}), 20, "the decision")
        # As the sweeper does of a console that was killed; the second one comes after it.
        again = [reply.wire, encode(shell.bench.mail("Hello").envelope)]
        shell.bench.publisher().publish([Outgoing(wire, "", topology.REPLIES) for wire in again])
        both = Counter({"decided": 1, "accepted": 1})
        wait_until(lambda: outcomes(shell.bench) == both, 20, "the other mail")
    told = {row.id: row.outcome for row in shell.bench.rows(conversation_messages)}
    assert told[mail_id] == "decided"
    assert [row.decided_by for row in shell.bench.rows(approvals)] == ["eve@corp.example"]
    assert deeds(shell) == [("dead.replay", mail_id), ("dead.replay", mail_id)]
    assert "there is no" in shell.refusal("replay", mail_id)


def test_dropping_needs_a_reason_is_audited_and_tidies_if_wanted(shell: Shell) -> None:
    reply = shell.hold()
    letter = shell.bury_mail("anna@corp.example")
    received = reply.envelope.message
    assert "reason" in shell.refusal("drop", letter)
    assert "reason" in shell.refusal("drop", letter, "--reason", " ")
    assert "nobody handles it" in shell.said("show", letter)
    assert shell.json("drop", letter, "--reason", "a test")["dead_letters"] == [letter]
    refused = shell.run("drop", reply.envelope.id, "--reason", "spam", "--tidy")
    assert (refused.exit_code, "the fetcher does not know it" in refused.stderr) == (1, True)
    with shell.bench.store.write() as connection:
        about = {name: getattr(received, name) for name in ("account", "folder", "uidvalidity", "uid")}
        about |= {"sha256": received.sha256, "size_bytes": received.size_bytes, "truncated": False}
        row = {"mail_id": reply.envelope.id, "fetched_at": utc_now(), **about}
        connection.execute(insert(fetch_ledger), [row])
    assert shell.json("drop", reply.envelope.id, "--reason", "spam", "--tidy")["mails"] == [reply.envelope.id]
    (order,) = shell.bench.published(topology.fetcher_commands(0))
    assert (order.message.TYPE, order.message.uids) == ("mailbox.delete", (received.uid,))
    assert shell.listed() == []
    assert deeds(shell) == sorted([("dead.drop", INBOX), ("dead.drop", reply.envelope.id)])
    (told,) = shell.bench.rows(mails)
    assert told.outcome == "dropped"
    assert told.reason.endswith("dropped by operator: spam")


def test_the_list_goes_on_where_a_page_ended_also_when_some_were_put_back(shell: Shell) -> None:
    held = shell.hold().envelope.id
    ids = [held, *(shell.bury_mail("anna@corp.example") for _ in range(5))]
    stranger = shell.bury(Wire("\x1b" * 200, {}, b"what?", ""), PROCESSOR_COMMANDS)
    ids.append(shell.listed("--queue", PROCESSOR_COMMANDS)[0]["id"])
    assert ids[-1].startswith("sha256-")
    assert stranger not in ids
    page = shell.json("list", "--limit", "3")
    assert page["dead_letters"] == {INBOX: 5, PROCESSOR_COMMANDS: 1}
    found = [row["id"] for row in page["rows"]]
    shell.said("replay", found[1])
    while page["cursor"]:
        page = shell.json("list", "--limit", "3", "--cursor", page["cursor"])
        found += [row["id"] for row in page["rows"]]
    assert found == ids
    assert shell.listed("--queue", INBOX, "--since", "2030-01-01") == []
    assert "no page ended there" in shell.refusal("list", "--cursor", "x")


def test_what_is_not_there_is_said_clearly(shell: Shell) -> None:
    letter = shell.bury_mail("anna@corp.example")
    assert "there is no 'nothing' in the quarantine" in shell.refusal("replay", letter, "nothing")
    assert "there is no 'nothing'" in shell.refusal("show", "nothing")
    assert "there is no queue 'x' with a quarantine: there are" in shell.refusal("replay", "--queue", "x")
    assert "nothing is chosen" in shell.refusal("replay")
    assert "not both" in shell.refusal("replay", letter, "--all")
    assert "there is no account 'x'" in shell.refusal("list", "--account", "x")
    assert "expected a duration (30s, 15m, 4h, 2d) or a time" in shell.refusal("list", "--since", "soon")
    assert "--yes" in shell.refusal("drop", "--all", "--reason", "why")
    assert [row["id"] for row in shell.listed()] == [letter]


def test_an_admin_sees_dead_letters_and_not_what_is_in_them_an_owner_the_held_mails(shell: Shell) -> None:
    reply, letter = shell.hold(), shell.bury_mail("anna@corp.example")
    keep_accounts(
        shell.bench.store, ACCOUNTS.replace("dedicated: true", "dedicated: true\n    owner: anna") + USERS
    )
    boss, anna = ("--as", "boss"), ("--as", "anna")
    assert [row["id"] for row in shell.listed(*boss)] == [letter]
    assert "Hello" not in shell.said("show", letter, *boss)
    assert "not yours to see" in shell.refusal("show", letter, "--raw", "-", *boss)
    assert "there is no" in shell.refusal("show", reply.envelope.id, *boss)
    assert [row["id"] for row in shell.listed(*anna)] == [reply.envelope.id]
    assert "there is no" in shell.refusal("drop", letter, "--reason", "why", *anna)
    assert "admin" in shell.refusal("list", "--queue", INBOX, *anna)
    assert shell.json("replay", "--all", *boss)["dead_letters"] == [letter]


def test_how_many_wait_and_since_when_is_in_the_metrics(shell: Shell) -> None:
    def said(metric: Any) -> float:
        value: float = metric.labels(queue=INBOX)._value.get()
        return value

    store = shell.bench.store
    quarantines = Quarantines(store, shell.bench.broker_url, Accounts(store), 1, shell.bench.clock)
    letter = shell.bury_mail("anna@corp.example")
    StoredAttempts(store, shell.bench.clock).buried([letter], INBOX)
    shell.bench.now += timedelta(minutes=1)
    quarantines.tend()
    assert (said(metrics.dead_letters_waiting), said(metrics.dead_letters_age)) == (1, 60)
    shell.said("replay", letter)
    quarantines.tend()
    assert (said(metrics.dead_letters_waiting), said(metrics.dead_letters_age)) == (0, 0)
