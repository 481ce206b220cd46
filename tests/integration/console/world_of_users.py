"""An inbox of several people in a store, and commands as each of them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from sqlalchemy import Connection, insert, select, update

from postroom.access import Actor
from postroom.doubt import NewDoubt
from postroom.inbox.acting import new_contact
from postroom.inbox.entry import Entry
from postroom.inbox.recording import record
from postroom.record import Record, send_record_id
from postroom.store import Store, audit, bulks, deny, doubts, records, suppressions, tokens
from postroom.store import accounts as stored
from postroom.store.bulks import Order
from postroom.store.schema import api_tokens, bulk_recipients, mails, message_sources, metadata, sends
from postroom.store.schema import bulks as bulk_rows
from postroom.store.view import View
from postroom_console.app import main
from tests.accounts import keep_accounts
from tests.tables import migrate

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECRET = "giraffe"
"""In everything that `ops` has; no command is given it."""
WRITTEN = "Mon, 02 Mar 2026 12:00:00 +0000"
WRONG = f"prt_{'0' * 16}_{'A' * 43}"
FILE = """
accounts:
  - name: {name}
    address: {name}@corp.example
    owner: anna
    readers: [Rita@corp.example, dora]
    imap: {{host: imap.example, user: u, password: "env:P"}}
    smtp: {{host: smtp.example}}
    deny: [{secret}.example]
  - name: other
    address: other@corp.example
    owner: otto
    imap: {{host: imap.example, user: u, password: "env:P"}}
    smtp: {{host: smtp.example}}
users:
  - {{name: anna, address: anna@corp.example}}
  - {{name: rita, address: rita@corp.example}}
  - {{name: otto, address: otto@corp.example}}
  - {{name: mia, address: mia@corp.example}}
  - {{name: dora, address: dora@corp.example, enabled: false}}
  - {{name: root, address: root@corp.example, role: admin}}
"""
INSIDERS, OUTSIDERS = ("anna", "rita"), ("otto", "mia", "root")
NOBODIES = (
    "nobody",
    "no user",
    "disabled",
    "disabled token",
    "wrong token",
    "expired token",
    "revoked token",
)
# What is new with each run, and as long each time.
_VARYING = (
    (r"prt_[0-9a-f]{16}_[\w-]{43}", "T" * 64),
    (r"\b[0-9a-f]{16}\b", "I" * 16),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?(\+00:00)?", "time"),
    (r"\b\d\d-\d\d \d\d:\d\d\b", "time"),
)


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    exit_code: int
    text: str

    def plain(self, **names: str) -> Said:
        """The same without ids, times and secrets; with these names replaced."""
        text = self.text
        for pattern, stand_in in _VARYING:
            text = re.sub(pattern, stand_in, text)
        for old, new in names.items():
            text = re.sub(rf"\b{old}\b", new, text)
        return Said(self.exit_code, text)


@dataclass
class World:
    """A store in which `name` is an account of anna's that rita reads; with mail, or without any."""

    url: str
    folder: Path
    name: str
    tokens: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    files: int = 0

    def fill(self, *, with_mail: bool) -> None:
        """Make accounts, users and tokens, and otto's mail; and anna's, if wanted."""
        store = Store(self.url)
        migrate(store)
        keep_accounts(store, FILE.format(name=self.name, secret=SECRET if with_mail else "elsewhere"))
        _tokens(store, self.tokens)
        _mail(store, "other", "otto", self.ids, "OWN_", self.folder)
        if with_mail:
            _mail(store, self.name, "anna", self.ids, "", self.folder)
        store.close()

    @contextmanager
    def without_users(self) -> Iterator[None]:
        """The same world, with an accounts file that has no users."""
        store = Store(self.url)
        with store.write() as connection:
            users = stored.read(connection).users
            stored.put_section(connection, "users", None, NOW)
        yield
        with store.write() as connection:
            stored.put_section(connection, "users", users, NOW)
        store.close()

    def words(self, text: str) -> list[str]:
        """The words, with ids in the place of their names; NEW is a file that is not there yet."""
        words = text.split()
        self.files += words.count("NEW")
        return [self.ids.get(word, word.replace("NEW", f"{self.folder}/{self.files}.zip")) for word in words]

    def run(self, kind: str, arguments: Sequence[str]) -> Said:
        """What the command says to somebody of this kind."""
        options, variables = self._identity(kind)
        environment = {
            "POSTROOM_STORE_URL": self.url,
            "POSTROOM_DATA_DIR": str(self.folder),
            "POSTROOM_API_TOKEN": "",
            **variables,
        }
        result = CliRunner().invoke(main, [*arguments, *options], input="", env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return Said(result.exit_code, result.output)

    def _identity(self, kind: str) -> tuple[Sequence[str], Mapping[str, str]]:
        named = {"no user": "carl", "disabled": "dora", "rita": "rita@CORP.example", "root": "root"}
        if kind in named:
            return ("--as", named[kind]), {}
        return (), {"POSTROOM_API_TOKEN": self.tokens[kind]} if kind in self.tokens else {}

    def rows(self, *accounts: str) -> dict[str, list[Any]]:
        """All that is in the store, or all that is of these accounts; but not when a token was used."""
        store = Store(self.url)
        found = {}
        with store.read() as connection:
            for table in metadata.sorted_tables:
                columns = [column for column in table.c if column.name != "used_at"]
                if not accounts:
                    rows = connection.execute(select(*columns))
                elif "account" in table.c:
                    rows = connection.execute(select(*columns).where(table.c.account.in_(accounts)))
                else:
                    continue
                found[table.name] = sorted(map(repr, rows))
        store.close()
        return found


def _tokens(store: Store, made: dict[str, str]) -> None:
    day = timedelta(days=1)
    with store.write() as connection:
        users = {each: each for each in ("anna", "otto", "mia")}
        users |= {"disabled token": "dora", "expired token": "anna", "revoked token": "anna"}
        for number, (kind, user) in enumerate(users.items()):
            expires_at = NOW - day if kind == "expired token" else None
            made_at = NOW - 2 * day + timedelta(hours=number)
            token = tokens.create(
                connection, user=user, label="", by="root", now=made_at, expires_at=expires_at
            )
            made[kind] = token.text
            if kind == "revoked token":
                tokens.revoke(connection, token.id, "root", NOW)
        connection.execute(update(api_tokens).values(used_at=datetime.now(UTC) + day))
    made["wrong token"] = WRONG


def _uncertain_mail(connection: Connection, account: str, word: str, conversation_id: str) -> dict[str, str]:
    """A mail of the account that may have been sent or not, with its record; the ids of both."""
    send_id = f"send-of-{account}"
    row: dict[str, Any] = {
        "send_id": send_id,
        "account": account,
        "recipient": f"1@{word}.example",
        "kind": "plain",
        "message_id": f"<{word}@x>",
        "state": "uncertain",
        "attempts": 1,
        "detail": word,
        "created_at": NOW,
        "updated_at": NOW,
        "correlation_id": "c",
    }
    connection.execute(insert(sends), [row])
    doubts.open_new(connection, [NewDoubt(send_id, account, b"{}", None, "0", is_parked=True)], NOW)
    record_id = send_record_id(send_id)
    found = Record(
        id=record_id,
        account=account,
        kind="send",
        event=word,
        recipient=row["recipient"],
        log="nothing",
        at=NOW,
        send_id=send_id,
        conversation_id=conversation_id,
    )
    records.add(connection, [found])
    return {"SEND": send_id, "RECORD": record_id}


def _mail(store: Store, account: str, owner: str, ids: dict[str, str], prefix: str, folder: Path) -> None:
    """A conversation of two mails and one with zoe, who writes to all; contacts, rules, the owner's deeds."""
    word = SECRET if prefix == "" else "horse"
    entries = [
        Entry(
            id=f"00000000-0000-4000-8000-{len(prefix):06d}{number:06d}",
            account=account,
            direction="in",
            at=NOW,
            author=author,
            author_name=word,
            correspondents=(author,),
            recipients=f"{account}@corp.example",
            subject=f"zebra {word} {number // 2}",
            text=f"zebra {word}",
            outcome="accepted",
            message_id=f"{word}{number}@x",
            references=(f"{word}0@x",) if number == 1 else (),
        )
        for number, author in enumerate((f"1@{word}.example", f"2@{word}.example", "zoe@zebra.example"))
    ]
    with store.write() as connection:
        conversations = record(connection, entries, {account: timedelta(days=1)}, NOW)
        actor = Actor(owner, "agent", "as")
        view = View(connection, actor, stored.read(connection))
        contact = new_contact(view, account, word, [f"known@{word}.example"], NOW)
        undoable = new_contact(view, account, f"{word} too", [f"else@{word}.example"], NOW)
        deny.add(connection, f"spam.{word}.example", account=account, reason=word, by=owner, now=NOW)
        deny.add(connection, "shared.example", account=account, reason=word, by=owner, now=NOW)
        held = _held(connection, account, word)
        done = audit.record(connection, actor, "test.done", account, word, {"about": word}, now=NOW)
        _suppressed(connection, account, word, owner)
        listed = _bulk(connection, account, word)
        sent = _uncertain_mail(connection, account, word, conversations[entries[0].id])
        _list(connection, listed, sent["SEND"], f"1@{word}.example")
    eml = folder / f"{prefix}mail.eml"
    eml.parent.mkdir(parents=True, exist_ok=True)
    eml.write_text(f"From: {account}@corp.example\nTo: 3@{word}.example\nDate: {WRITTEN}\n\n{word}\n")
    found = {
        **sent,
        "BULK": listed,
        "EML": str(eml),
        "CONVERSATION": conversations[entries[0].id],
        "MESSAGE": entries[0].id,
        "CONTACT": contact.contact_id,
        "DEED": undoable.audit_id,
        "DONE": done,
        "HELD": held[0],
        "QUARANTINED": held[1],
    }
    ids |= {f"{prefix}{key}": value for key, value in found.items()}


def _suppressed(connection: Connection, account: str, word: str, owner: str) -> None:
    """Addresses that get no mail of the account, one of which no account writes to."""
    for address in (f"gone@{word}.example", "gone@shared.example"):
        about: dict[str, Any] = {"account": account, "source": owner, "detail": word, "now": NOW}
        suppressions.suppress(connection, address, "manual", **about)


def _bulk(connection: Connection, account: str, word: str) -> str:
    """A bulk that is being sent."""
    bulk_id = f"news-{len(word)}"
    order = Order(bulk_id, account, word, "0" * 64, 0, 0, {}, "anna", bulk_id)
    assert bulks.begin(connection, order, NOW) == "preparing"
    connection.execute(update(bulk_rows).where(bulk_rows.c.id == bulk_id).values(state="sending"))
    return bulk_id


def _list(connection: Connection, bulk_id: str, send_id: str, recipient: str) -> None:
    """Let the mail be one of the bulk."""
    row = {"bulk_id": bulk_id, "position": 0, "recipient": recipient, "send_id": send_id}
    connection.execute(insert(bulk_recipients), [{**row, "values": {}, "state": "ended"}])


def _held(connection: Connection, account: str, word: str) -> tuple[str, ...]:
    """A held mail and a quarantined one, with their raw mail."""
    found = []
    for number, outcome in enumerate(("held", "quarantined")):
        mail_id = f"10000000-0000-4000-8000-{len(word):06d}{number:06d}"
        where = {"account": account, "folder": "INBOX", "uidvalidity": 1, "uid": number + 1}
        row = {"mail_id": mail_id, **where, "sha256": "0" * 64, "size_bytes": 9, "arrived_at": NOW}
        row |= {"handled_at": NOW, "outcome": outcome, "reason": word, "correlation_id": mail_id}
        connection.execute(insert(mails), [row])
        content = zlib.compress(b"From: x\r\n\r\n")
        raw = {"message_id": mail_id, "content": content, "size_bytes": 9, "truncated": False}
        connection.execute(insert(message_sources), [{**raw, "account": account, "at": NOW}])
        found.append(mail_id)
    return tuple(found)
