"""Evidence of every change of a request: recorded with it, chained, exported and verified."""

from __future__ import annotations

import json
import threading
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import delete, select, update

from postroom.broker.verdict import Ack, Delivery
from postroom.envelope import envelop
from postroom.errors import PostroomError
from postroom.evidence.canonical import parse
from postroom.evidence.chain import Entry
from postroom.evidence.verification import Finding, verify_chain
from postroom.messages import ApprovalCancel
from postroom.spool import Spool
from postroom.store import evidence as stored
from postroom.store.schema import approvals, evidence
from postroom_console.app import main
from postroom_processor.recording import origin
from tests.integration.processor.test_receiving import EVIDENCE_KEYS, NOW, Bench, bench, delivery

__all__ = ["bench"]  # the fixture


ATTACHED = b"""MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
\r
%b\r
--b\r
Content-Type: application/pdf\r
Content-Transfer-Encoding: base64\r
\r
%b\r
--b--\r
"""


def chain(there: Bench, approval_id: str = "r-1") -> list[Entry]:
    with there.store.read() as connection:
        return stored.read_entries(connection, approval_id)


def document(entry: Entry) -> dict[str, Any]:
    found = parse(entry.document)
    assert isinstance(found, dict)
    return dict(found)


def kinds(there: Bench, approval_id: str = "r-1") -> list[str]:
    return [document(entry)["kind"] for entry in chain(there, approval_id)]


def faults(findings: Sequence[Finding]) -> list[str]:
    return [each.text for each in findings if each.ok is False]


def run(there: Bench, *arguments: str, environment: Mapping[str, str] | None = None) -> Result:
    environment = {
        **(environment or {}),
        "POSTROOM_STORE_URL": there.store.engine.url.render_as_string(hide_password=False),
        "POSTROOM_DATA_DIR": str(there.folder),
        "POSTROOM_EVIDENCE_KEYS": (b"e" * 32).hex(),
    }
    result = CliRunner().invoke(main, ["evidence", *arguments], env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def decided(there: Bench, text: str = "Approve\n\nGo ahead.") -> Delivery:
    there.request()
    reply = there.mail(text, to=there.reply_address())
    assert there.received_mail()([reply]) == [Ack()]
    return reply


def test_a_decision_is_recorded_with_all_that_led_to_it(bench: Bench) -> None:
    reply = decided(bench)
    requested, told = (document(entry) for entry in chain(bench))
    raw = reply.envelope.message.content
    assert chain(bench)[1].mail == raw
    assert (requested["kind"], told["kind"]) == ("requested", "decided")
    assert requested["request"]["body"] == ""
    assert requested["request"]["content_hash"] == told["request"]["content_hash"]
    assert [each["address"] for each in requested["approvers"]] == ["anna@corp.example"]
    assert (told["event"]["decision"], told["event"]["approver"]) == ("approve", "anna@corp.example")
    assert told["event"]["comment"] == "Go ahead."
    assert told["request"]["state"] == "decided"
    assert told["mail"]["id"] == reply.envelope.id
    assert told["mail"]["uid"] == reply.envelope.message.uid
    assert told["mail"]["sender"] == "anna@corp.example"
    assert told["token"]["text"].encode() in raw
    assert told["token"]["key_id"] == 1
    assert told["token"]["claim"]["approver"] == "anna@corp.example"
    assert told["checks"]["asked"][:2] == ["sent", "denied"]
    assert told["checks"]["outcome"] == "decided"
    assert told["reading"]["verdict"]["choice"] == "approve"
    assert told["policy"]["account"]["approvers"] == ["corp.example"]
    assert told["policy"]["code_sha256"] == "c0de"
    assert faults(verify_chain(chain(bench), EVIDENCE_KEYS.public)) == []


def test_evidence_holds_no_secret(bench: Bench) -> None:
    decided(bench)
    everything = b"".join(entry.document for entry in chain(bench))
    assert b"k" * 32 not in everything
    assert (b"k" * 32).hex().encode() not in everything
    assert b"password" not in everything
    assert b"env:P" not in everything


def test_every_end_of_a_request_is_recorded_once(bench: Bench) -> None:
    bench.request(id="r-1", deadline=NOW + timedelta(hours=1))
    bench.request(id="r-2")
    bench.request(id="r-2")
    for reason in ("not needed", "not needed", "said again"):
        bench.command(ApprovalCancel(id="r-2", reason=reason))
    bench.now += timedelta(hours=2)
    deadlines = bench.deadlines()
    deadlines.tend()
    deadlines.tend()
    assert kinds(bench, "r-1") == ["requested", "expired"]
    assert kinds(bench, "r-2") == ["requested", "cancelled"]


def test_every_vote_is_recorded(bench: Bench) -> None:
    people = ("anna@corp.example", "bob@corp.example")
    bench.request(approvers=people, rule="all")
    tokens = {send.recipient: send.content.reply_token for send in bench.sends()}  # type: ignore[union-attr]
    for person in people:
        reply = bench.mail("Approve", to=f"release+{tokens[person]}@corp.example", sender=person)
        assert bench.received_mail()([reply]) == [Ack()]
        assert chain(bench)[-1].mail == reply.envelope.message.content
    assert kinds(bench) == ["requested", "voted", "decided"]
    assert [document(entry)["event"].get("approver") for entry in chain(bench)[1:]] == list(people)
    assert run(bench, "check").exit_code == 0


def test_a_changed_request_begins_anew_in_the_same_chain(bench: Bench) -> None:
    bench.request(body="The old text")
    bench.request(body="The new text")
    first, second = (document(entry)["request"] for entry in chain(bench))
    assert kinds(bench) == ["requested", "changed"]
    assert (first["body"], second["body"]) == ("The old text", "The new text")
    assert (first["round"], second["round"]) == (1, 2)
    assert first["content_hash"] != second["content_hash"]


def test_a_confirmed_decision_is_recorded_with_both_mails(bench: Bench) -> None:
    bench.request(proof="token+from+confirm")
    first = bench.mail("Approve", to=bench.reply_address())
    assert bench.received_mail()([first]) == [Ack()]
    (question,) = bench.sends()
    token = question.content.reply_token  # type: ignore[union-attr]
    second = bench.mail("Approve", to=f"release+{token}@corp.example")
    assert bench.received_mail()([second]) == [Ack()]
    assert kinds(bench) == ["requested", "needs_confirmation", "decided"]
    mails = [each.envelope.message.content for each in (first, second)]
    assert [entry.mail for entry in chain(bench)[1:]] == mails
    assert document(chain(bench)[2])["token"]["text"] == token
    assert faults(verify_chain(chain(bench))) == []


def test_what_decides_nothing_leaves_no_evidence(bench: Bench) -> None:
    bench.request()
    address = bench.reply_address()
    mails = [bench.mail("Hm?", to=address), bench.mail("Approve", to=address, sender="eve@corp.example")]
    bench.received_mail()([*mails, bench.mail("Hello", sender="bob@x.example")])
    assert kinds(bench) == ["requested"]


def test_a_mail_delivered_again_is_recorded_once(bench: Bench) -> None:
    reply = decided(bench)
    bench.received_mail()([reply, reply])
    assert kinds(bench) == ["requested", "decided"]


def _work(handler: Callable[[Sequence[Delivery]], object], part: Sequence[Delivery]) -> None:
    """As the consumer does: a batch that failed for a passing reason is tried again."""
    batches = [part[start : start + 3] for start in range(0, len(part), 3)]
    for _ in range(300):
        if not batches:
            return
        try:
            handler(batches[0])
            del batches[0]
        except PostroomError:
            continue
    raise AssertionError("it never worked")


def test_two_processors_at_once_leave_whole_chains(bench: Bench) -> None:
    names = [f"r-{number}" for number in range(6)]
    for name in names:
        bench.request(id=name)
    addresses = [f"release+{send.content.reply_token}@corp.example" for send in bench.sends()]  # type: ignore[union-attr]
    replies = [bench.mail(word, to=address) for address in addresses for word in ("Approve", "Reject")]
    cancels = [delivery(envelop(ApprovalCancel(id=name), source="/t", now=NOW)) for name in names]

    jobs = [
        threading.Thread(target=_work, args=(bench.received_mail(), replies)),
        threading.Thread(target=_work, args=(bench.received_mail(), replies[::-1])),
        threading.Thread(target=_work, args=(bench.commands(), cancels)),
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    for row in bench.rows(approvals):
        assert kinds(bench, row.id) == ["requested", row.state], row.id
        assert faults(verify_chain(chain(bench, row.id), EVIDENCE_KEYS.public)) == []
    assert run(bench, "check").exit_code == 0


def test_a_large_mail_from_the_spool_is_kept_when_the_spool_forgets_it(bench: Bench) -> None:
    bench.request()
    inline = bench.mail("Approve", to=bench.reply_address())
    received = inline.envelope.message
    header, _, text = received.content.partition(b"\r\n\r\n")
    raw = header + b"\r\n" + ATTACHED % (text, b"AAAA" * 19 * 4000)
    spool = Spool(bench.folder / "spool")
    spooled = received.model_copy(update={"content": None, "dataref": spool.put([raw])})
    envelope = envelop(spooled, source="/test", now=NOW, message_id=inline.envelope.id)
    assert bench.received_mail()([delivery(envelope)]) == [Ack()]
    assert spool.remove_before(time.time() + 10) == 1
    assert chain(bench)[1].mail == raw
    assert faults(verify_chain(chain(bench))) == []


def test_what_is_exported_is_verified_offline(bench: Bench, tmp_path: Path) -> None:
    decided(bench)
    path = tmp_path / "r-1.zip"
    exported = run(bench, "export", "r-1", "-o", str(path))
    assert exported.exit_code == 0, exported.output
    head = chain(bench)[-1].digest
    assert head in exported.output
    assert path.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(path) as file:
        assert file.read("mails/0002.eml") == chain(bench)[1].mail
    key = run(bench, "key").output.strip()
    assert key == EVIDENCE_KEYS.public[0]
    nowhere = {"POSTROOM_STORE_URL": "nonsense://", "POSTROOM_BROKER_URL": "nonsense://"}
    arguments = ["evidence", "verify", str(path), "--public-key", key, "--kept", head]
    verified = CliRunner().invoke(main, arguments, env=nowhere)
    assert verified.exit_code == 0, verified.output
    assert verified.output.endswith("all is right\n")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    verified = CliRunner().invoke(main, [*arguments, "--json"], env=nowhere)
    assert verified.exit_code == 1
    assert json.loads(verified.output)["ok"] is False


def test_another_key_or_a_lost_end_is_noticed(bench: Bench, tmp_path: Path) -> None:
    decided(bench)
    head = chain(bench)[-1].digest
    path = tmp_path / "other.pub"
    path.write_text("ab" * 32 + "\n")
    with bench.store.write() as connection:
        connection.execute(delete(evidence).where(evidence.c.sequence == 2))
    bundle = tmp_path / "b.zip"
    assert run(bench, "export", "r-1", "-o", str(bundle)).exit_code == 0
    for options, told in (
        (["--kept", head], "is not in the chain"),
        (["--public-key", str(path)], "not trusted"),
    ):
        result = run(bench, "verify", str(bundle), *options)
        assert result.exit_code == 1
        assert told in result.output
    checked = run(bench, "check")
    assert checked.exit_code == 1
    assert "r-1: its state is 'decided' in the store, and 'pending' was recorded" in checked.output


TAMPERINGS: list[tuple[str, dict[str, Any], str]] = [
    ("document", {"document": b'{"kind":"decided"}'}, "entry 2 (decided"),
    ("mail", {"mail": b"x"}, "entry 2 (decided"),
    ("no mail", {"mail": None}, "entry 2 (decided"),
    ("hash", {"digest": "ab" * 32}, "entry 2 (decided"),
    ("previous hash", {"previous": "ab" * 32}, "entry 2 (decided"),
    ("signature", {"signature": "ab" * 64}, "entry 2 (decided"),
    ("key", {"key": "no hex"}, "entry 2 (decided"),
    ("number", {"sequence": 3}, "entry 2 (decided"),
]


@pytest.mark.parametrize(
    ("values", "told"), [row[1:] for row in TAMPERINGS], ids=[row[0] for row in TAMPERINGS]
)
def test_a_row_that_was_changed_is_named(
    bench: Bench, tmp_path: Path, values: dict[str, Any], told: str
) -> None:
    decided(bench)
    with bench.store.write() as connection:
        connection.execute(update(evidence).where(evidence.c.sequence == 2).values(values))
    exported = run(bench, "export", "r-1", "-o", str(tmp_path / "b.zip"))
    assert exported.exit_code == 1
    assert told in exported.output
    checked = run(bench, "check")
    assert checked.exit_code == 1
    assert f"r-1: {told}" in checked.output
    assert run(bench, "verify", str(tmp_path / "b.zip")).exit_code == 1


def test_a_decision_that_was_changed_or_made_up_in_the_store_is_named(bench: Bench) -> None:
    decided(bench)
    assert run(bench, "check").exit_code == 0
    with bench.store.write() as connection:
        connection.execute(update(approvals).values(decision="reject"))
    assert "r-1: its decision is 'reject' in the store, and 'approve' was" in run(bench, "check").output
    with bench.store.write() as connection:
        connection.execute(delete(evidence))
    assert "r-1: it is decided, and there is no evidence" in run(bench, "check").output
    with bench.store.write() as connection:
        connection.execute(update(approvals).values(decided_at=NOW - timedelta(days=3000)))
    kept = run(bench, "check", environment={"POSTROOM_EVIDENCE_DAYS": "1"})
    assert kept.exit_code == 0, "its evidence was due for removal long ago"


def test_the_evidence_of_a_request_is_listed(bench: Bench) -> None:
    reply = decided(bench)
    rows = json.loads(run(bench, "list", "r-1", "--json").output)
    assert [(row["sequence"], row["kind"], row["mail"]) for row in rows] == [
        (1, "requested", None),
        (2, "decided", reply.envelope.id),
    ]
    assert "decided" in run(bench, "list", "r-1").output
    for command in ("list", "export"):
        result = run(bench, command, "nothing")
        assert result.exit_code == 2
        assert "there is no evidence of an approval 'nothing'" in result.output


def test_a_forged_entry_cannot_be_continued_unnoticed(bench: Bench) -> None:
    """Whoever writes to the store can put an entry there; the key is not in the store."""
    bench.request()
    with bench.store.write() as connection:
        row = dict(connection.execute(select(evidence)).mappings().one())
        forged = {**row, "sequence": 2, "previous": row["digest"], "digest": "cd" * 32, "kind": "x"}
        connection.execute(evidence.insert(), [{**forged, "event_sha256": ""}])
    bench.received_mail()([bench.mail("Approve", to=bench.reply_address())])
    assert len(chain(bench)) == 3
    found = faults(verify_chain(chain(bench)))
    assert found
    assert all("entry 2" in each for each in found)


def test_evidence_is_kept_until_the_request_ended_long_ago(bench: Bench) -> None:
    bench.request(id="r-1")
    bench.request(id="r-2")
    bench.command(ApprovalCancel(id="r-2"))
    later = NOW + timedelta(days=100)
    with bench.store.write() as connection:
        assert stored.forget_before(connection, NOW, account="release", limit=10) == 0
        assert stored.forget_before(connection, later, account="release", limit=10) == 1
    assert kinds(bench, "r-1") == ["requested"]
    assert kinds(bench, "r-2") == []


def test_the_code_that_decides_has_a_hash() -> None:
    assert origin() == origin()
    assert len(origin().code_sha256) == 64
