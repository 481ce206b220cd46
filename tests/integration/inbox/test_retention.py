"""What an account keeps no longer is erased in steps, and never what a pending request needs."""

from __future__ import annotations

import io
import json
import os
import zipfile
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import insert

from postroom.access import the_operator
from postroom.account_retention import Retention
from postroom.inbox import retention
from postroom.messages import PlainMail
from postroom.spool import Spool
from postroom.store import audit
from postroom.store.schema import approvals, message_sources
from tests.integration.inbox.desk import Desk
from tests.integration.inbox.test_recording import request

TABLES = ("conversation_messages", "message_sources", "conversations", "conversation_keys", "mails", "sends")
KEPT = {"desk": Retention.model_validate({"raw": "1d", "conversations": "10d", "logs": "30d"})}


def tidy(desk: Desk) -> bool:
    return retention.tidy(desk.store, KEPT, None, desk.now)


def left(desk: Desk) -> tuple[int, ...]:
    return tuple(len(desk.rows(table)) for table in TABLES)


def pending(desk: Desk, approval_id: str) -> None:
    row: dict[str, object] = dict.fromkeys(
        ("subject", "body", "requester", "content_hash", "correlation_id"), ""
    )
    row |= {"id": approval_id, "account": "desk", "choices": [], "state": "pending"}
    row |= {"requested_at": desk.now, "deadline": desk.now, "comment_required": [], "plan": {}}
    with desk.store.write() as connection:
        connection.execute(insert(approvals), row)


def test_raw_mail_conversations_and_outcomes_go_one_after_the_other(desk: Desk) -> None:
    desk.come(subject="One")
    desk.send("n-1", PlainMail(subject="Two", text="x"))
    assert left(desk) == (2, 2, 2, 4, 1, 1)
    desk.later(days=2)
    assert not tidy(desk)
    assert left(desk) == (2, 0, 2, 4, 1, 1)
    desk.later(days=9)
    assert not tidy(desk)
    assert left(desk) == (0, 0, 0, 0, 1, 1)
    desk.later(days=30)
    assert not tidy(desk)
    assert left(desk) == (0, 0, 0, 0, 0, 0)


def test_a_long_conversation_goes_in_steps(desk: Desk) -> None:
    desk.processor()([desk.delivery(subject="Flood") for _ in range(retention.STEP + 20)])
    desk.later(days=11)
    assert tidy(desk)
    assert len(desk.rows("conversation_messages")) == 20
    assert not tidy(desk)
    assert left(desk)[:4] == (0, 0, 0, 0)


def test_what_a_pending_request_needs_stays(desk: Desk) -> None:
    desk.send("r-1:ask:0", request("r-1"))
    pending(desk, "r-1")
    desk.later(days=400)
    assert not tidy(desk)
    assert [len(desk.rows(table)) for table in ("conversation_messages", "sends")] == [1, 1]


def test_the_spool_keeps_what_a_message_refers_to(desk: Desk) -> None:
    spool = Spool(desk.folder / "spool")
    needed, old = spool.put([b"needed"]), spool.put([b"old"])
    desk.come()
    with desk.store.write() as connection:
        connection.execute(message_sources.update().values(content=None, dataref=needed))
    for path in (desk.folder / "spool").glob("*/*"):
        os.utime(path, (1000, 1000))
    assert spool.remove_before(2000, partial(retention.referenced, desk.store)) == 1
    assert spool.get(needed) == b"needed"
    desk.later(days=2)
    tidy(desk)
    assert spool.remove_before(2000, partial(retention.referenced, desk.store)) == 1
    assert old not in {needed}


def test_a_person_is_exported_and_erased_in_all_accounts(desk: Desk, tmp_path: Path) -> None:
    for account in ("desk", "clinic"):
        desk.come("mine", sender="Bert@other.example", subject="Hello", account=account)
    desk.come("not mine", sender="carol@other.example", subject="Hello")
    desk.send("n-1", PlainMail(subject="Re: Hello", text="To you"), to="bert@other.example")
    target = tmp_path / "bert.zip"
    assert desk.json("contacts", "export", "BERT@other.example", "--to", str(target))["messages"] == 3
    with zipfile.ZipFile(io.BytesIO(target.read_bytes())) as archive:
        names = archive.namelist()
        about = json.loads(archive.read("person.json"))
        mails = [archive.read(name) for name in names if name.endswith(".eml")]
    assert len(mails) == 3 and not any(b"not mine" in mail for mail in mails)
    assert len(about["addresses"]) == 1 and len(about["outcomes"]) == 2
    assert desk.run("contacts", "export", "bert@other.example", "--to", str(target)).exit_code == 2
    (conversation,) = {row["id"] for row in desk.json("inbox", "list", "--account", "clinic")["rows"]}
    blocked = desk.json("inbox", "block", conversation)["deed"]
    erased = desk.json("contacts", "erase", "bert@other.example", "--yes")
    (row,) = desk.rows("audit", id=blocked)
    assert (row["detail"], row["undo"]) == ({"pattern": "(erased)"}, None)
    assert "cannot be undone" in desk.run("audit", "undo", blocked).output
    assert (erased["erased"], erased["accounts"]) == (3, ["clinic", "desk"])
    assert [row["author"] for row in desk.rows("conversation_messages")] == ["carol@other.example"]
    assert len(desk.rows("conversations")) == len(desk.rows("message_sources")) == 1
    assert desk.rows("contacts") == [] and {row["sender"] for row in desk.rows("mails")} == {
        None,
        "carol@other.example",
    }
    result = desk.run("contacts", "erase", "bert@other.example", "--yes")
    assert (result.exit_code, "there is no address" in result.output) == (2, True)


def test_retention_that_makes_no_sense_is_refused(desk: Desk) -> None:
    account = (
        "accounts:\n  - {name: a, address: a@b.example, smtp: {host: h.example}, retention: {raw: %s}}\n"
    )
    path = desk.folder / "accounts.yaml"
    for wrong in ("0s", "soon", "40000d"):
        path.write_text(account % wrong)
        result = desk.run("config", "check", "-f", str(path))
        assert result.exit_code == 2
        assert "retention.raw" in result.output
    assert timedelta(seconds=Retention.model_validate({}).raw_s).days == 90


def test_the_audit_is_forgotten_from_its_oldest_deed_on(desk: Desk) -> None:
    for number in range(3):
        with desk.store.write() as connection:
            audit.record(
                connection,
                the_operator(),
                "deny.add",
                None,
                str(number),
                {},
                now=desk.now + timedelta(days=number),
            )
    before = desk.now + timedelta(days=2)
    with desk.store.write() as connection:
        assert audit.forget_before(connection, before, 1) == 1
        assert audit.forget_before(connection, before, 5) == 1
    assert [row["target"] for row in desk.rows("audit")] == ["2"]
