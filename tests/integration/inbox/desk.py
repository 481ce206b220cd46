"""What a test of the inbox has at hand: mail that comes in and goes out, and the command line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from click.testing import CliRunner, Result
from sqlalchemy import Connection, Table, insert, select

from postroom.accounts_watch import Accounts
from postroom.broker.outgoing import Outgoing
from postroom.broker.publisher import PublishResult
from postroom.broker.verdict import Ack, Delivery
from postroom.envelope import Envelope, decode, encode, envelop
from postroom.evidence.chain import SigningKeys
from postroom.messages import ApprovalMail, MailReceived, MailSend, PlainMail, mail_id
from postroom.own_mail import content_sha256
from postroom.reply_token import TokenKey, TokenKeys
from postroom.spool import Spool
from postroom.store import Store
from postroom.store.outbox import OutboxRelay
from postroom.store.schema import fetch_ledger, sends
from postroom_console.app import main
from postroom_processor.evidence import Origin
from postroom_processor.mail import Mail
from postroom_processor.receiving import ReceivedMail
from postroom_processor.recording import Recorder
from postroom_processor.signatures import Signatures
from postroom_sender.gathering import Gathering
from postroom_sender.job import Job, Task
from postroom_sender.joining import join
from postroom_sender.send import written

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEYS = TokenKeys((TokenKey(1, b"k" * 32),))
TOKEN = "pr" + "a2" * 20
ACCOUNTS = """
accounts:
  - name: desk
    address: desk@corp.example
    owner: anna
    deny: spam.example
    imap: {host: imap.example, user: u, password: "env:P", count: 100000}
    smtp: {host: smtp.example}
  - name: clinic
    address: clinic@corp.example
    confidential: true
    imap: {host: imap.example, user: u, password: "env:P", count: 100000}
    smtp: {host: smtp.example}
"""


@dataclass
class Heard:
    """Stands in for the broker: what was published."""

    messages: list[Outgoing] = field(default_factory=list)

    def publish(self, messages: Sequence[Outgoing]) -> PublishResult:
        self.messages += messages
        return PublishResult(unheard=0)


def no_signatures(_mail: Mail, _domain: str) -> Signatures:
    """Stands in for the check that asks the DNS."""
    return Signatures(())


@dataclass
class Desk:
    """The handlers on a store of their own."""

    store: Store
    url: str
    folder: Path
    heard: Heard = field(default_factory=Heard)
    now: datetime = NOW
    uid: int = 0

    def processor(self, store: Store | None = None) -> ReceivedMail:
        """The handler of received mail; with another store, as another process has it."""
        store = store or self.store
        accounts = Accounts(store)
        return ReceivedMail(
            store=store,
            spool=Spool(self.folder / "spool"),
            relay=OutboxRelay(store, self.heard, "processor", lambda: self.now),
            accounts=accounts,
            keys=KEYS,
            tag_keys=KEYS,
            recorder=Recorder(accounts, SigningKeys([b"e" * 32]), Origin("0.1.0", "c0de")),
            check=no_signatures,
            shards=1,
            clock=lambda: self.now,
        )

    def delivery(
        self,
        text: str | bytes = "Hello",
        *,
        sender: str = "bert@other.example",
        subject: str = "",
        message_id: str = "",
        more: str = "",
        account: str = "desk",
        role: Literal["inbox", "sent"] = "inbox",
        content: bytes | None = None,
        spooled: bool = False,
    ) -> Delivery:
        """A mail that the fetcher handed on, and has in its ledger."""
        self.uid += 1
        body = text.encode() if isinstance(text, str) else text
        own_id = message_id or f"<m{self.uid}@x>"
        about = f"From: {sender}\r\nTo: {account}@corp.example\r\nSubject: {subject}\r\n"
        head = f"{about}Message-ID: {own_id}\r\n{more}"
        raw = content or head.encode() + b"\r\n" + body + b"\r\n"
        folder = "Sent" if role == "sent" else "INBOX"
        received = MailReceived(
            account=account,
            folder=folder,
            role=role,
            uidvalidity=7,
            uid=self.uid,
            size_bytes=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(),
            arrived_at=self.now,
            lane="inbox",
            content=None if spooled else raw,
            dataref=Spool(self.folder / "spool").put([raw]) if spooled else None,
        )
        own = mail_id(account, folder, 7, self.uid)
        self._remember(received, own)
        envelope = envelop(received, source="/test", now=self.now, message_id=own)
        return Delivery("q", envelope, encode(envelope), redelivered=False, attempt=1)

    def _remember(self, received: MailReceived, own: str) -> None:
        row = {
            "mail_id": own,
            "truncated": False,
            "fetched_at": self.now,
            **received.model_dump(
                include={"account", "folder", "uidvalidity", "uid", "sha256", "size_bytes"}
            ),
        }
        with self.store.write() as connection:
            connection.execute(insert(fetch_ledger), row)

    def come(self, *args: Any, **kwargs: Any) -> str:
        """Let one mail come; returns the id of its conversation."""
        delivery = self.delivery(*args, **kwargs)
        assert self.processor()([delivery]) == [Ack()]
        found = self.rows("conversation_messages", mail_id=delivery.envelope.id)
        return str(found[0]["conversation_id"]) if found else ""

    def send(
        self,
        send_id: str,
        content: PlainMail | ApprovalMail,
        to: str = "anna@corp.example",
        account: str = "desk",
    ) -> Task:
        """Let the sender claim a mail of ours; returns the mail."""
        command = MailSend(
            id=send_id,
            account=account,
            recipient=to,
            content=content,
            written_at=self.now.replace(microsecond=0),
        )
        envelope = envelop(command, source="/test", now=self.now)
        delivery = Delivery("q", envelope, encode(envelope), redelivered=False, attempt=1)
        accounts = Accounts(self.store)
        stock = Gathering(self.store, Spool(self.folder / "spool"), accounts, 0, KEYS).stock([command])
        task = written(Job(0, delivery, command, ""), accounts.get(account), stock)
        assert isinstance(task, Task)
        with self.store.write() as connection:
            connection.execute(insert(sends), self._send_row(task))
            join(connection, [task], self.now)
        return task

    def _send_row(self, task: Task) -> dict[str, Any]:
        return {
            "send_id": task.job.send_id,
            "account": task.account.name,
            "recipient": task.job.command.recipient,
            "kind": task.job.command.content.kind,
            "message_id": task.mail.message_id,
            "content_sha256": content_sha256(task.mail.content),
            "state": "sent",
            "attempts": 1,
            "detail": "",
            "created_at": self.now,
            "updated_at": self.now,
            "correlation_id": "c",
        }

    def rows(self, name: str, **where: Any) -> list[dict[str, Any]]:
        """The rows of a table that have these values."""
        with self.store.read() as connection:
            return rows_of(connection, fetch_ledger.metadata.tables[name], where)

    def told(self, kind: str) -> list[Any]:
        """The messages of this type that were published."""
        envelopes: list[Envelope[Any]] = [decode(each.wire) for each in self.heard.messages]
        return [each.message for each in envelopes if kind == each.message.TYPE]

    def run(self, *arguments: str) -> Result:
        """Run `postroom` with these arguments."""
        environment = {"POSTROOM_DATA_DIR": str(self.folder), "POSTROOM_STORE_URL": self.url}
        result = CliRunner().invoke(main, arguments, env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    def json(self, *arguments: str) -> Any:
        """What a command printed as JSON that must succeed."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def later(self, **step: float) -> None:
        """Let time pass."""
        self.now += timedelta(**step)


def rows_of(connection: Connection, table: Table, where: Mapping[str, Any]) -> list[dict[str, Any]]:
    query = select(table).where(*(table.c[name] == value for name, value in where.items()))
    return [dict(row) for row in connection.execute(query).mappings()]
