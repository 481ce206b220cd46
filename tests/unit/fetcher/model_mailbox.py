"""A mailbox in memory that answers as a session does, and everything around an intake."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select

from postroom.account import Account
from postroom.broker.outgoing import Outgoing
from postroom.envelope import decode
from postroom.errors import Transient
from postroom.messages import MailReceived
from postroom.spool import Spool
from postroom.store import Store
from postroom.store.schema import fetch_ledger, metadata
from postroom_fetcher.cursor import MONTHS, Limits, Selected
from postroom_fetcher.fault import Refused, Unavailable
from postroom_fetcher.intake import Intake, Looked, Visit
from postroom_fetcher.lease import Leases
from postroom_fetcher.progress import Progress
from postroom_fetcher.response import Answer
from postroom_fetcher.session import Session
from postroom_fetcher.trouble_list import TroubleList

LIMITS = Limits(inline_bytes=2_000, max_size_bytes=100_000, chunk_mails=3)
TOKEN = b"pr" + b"a" * 40
_PART = re.compile(r"BODY\.PEEK\[(.*)\](?:<(\d+)\.(\d+)>)?")


@dataclass(frozen=True)
class Letter:
    """A mail: its bytes, when it arrived, whether somebody read it."""

    content: bytes
    arrived_at: datetime
    seen: bool = False

    @property
    def is_reply(self) -> bool:
        """Whether it bears a token where replies do."""
        return TOKEN in self.content


def letter(number: int, arrived_at: datetime, *, reply: bool = False, size: int = 0) -> Letter:
    """A mail of its own."""
    to = b"team+%s@example.org" % TOKEN if reply else b"team@example.org"
    head = b"To: %s\r\nMessage-ID: <%d@example.net>\r\n\r\n" % (to, number)
    return Letter(head + b"x" * max(0, size - len(head)), arrived_at.replace(microsecond=0))


@dataclass
class Box:
    """One folder. `breaks_after`: so many commands later the connection ends.

    `withheld`: mails that are listed, and what becomes of a FETCH that asks for them: their answer is missing
    (`incomplete_answer`), all of it is `refused`, or the connection ends (`disconnected`). `bodies_only`: so
    it is only where the mail itself is asked for.
    """

    uidvalidity: int = 1
    uidnext: int = 1
    letters: dict[int, Letter] = field(default_factory=dict)
    breaks_after: int | None = None
    withheld: dict[int, str] = field(default_factory=dict)
    bodies_only: bool = True
    asked: Counter[str] = field(default_factory=Counter)
    searches: list[str] = field(default_factory=list)

    def add(self, new: Letter, uid: int | None = None) -> int:
        """Put a mail in; returns its UID."""
        number = self.reserve() if uid is None else uid
        self.letters[number] = new
        return number

    def reserve(self) -> int:
        """Give out a UID whose mail is not to be seen yet."""
        self.uidnext += 1
        return self.uidnext - 1

    def renew(self) -> None:
        """The folder comes back under another UIDVALIDITY, all its mails under new UIDs."""
        self.uidvalidity += 1
        letters = list(self.letters.values())
        self.letters = dict(enumerate(letters, start=1))
        self.withheld.clear()
        self.uidnext = len(letters) + 1


class ModelSession:
    """What a turn needs of `Session`."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.has_news = False

    def examine(self, _folder: str) -> Selected:
        self._ask("EXAMINE")
        return Selected(self._box.uidvalidity, self._box.uidnext, len(self._box.letters))

    def search(self, criteria: str) -> list[int]:
        self._ask("SEARCH")
        self._box.searches.append(criteria)
        keys = criteria.split()
        ranges = [part.partition(":") for part in keys[1].split(",")]
        bounds = [(int(first), int(last or first)) for first, _colon, last in ranges]
        day = _day(keys[keys.index("SINCE") + 1]) if "SINCE" in keys else date.min
        return [
            uid
            for uid, each in sorted(self._box.letters.items())
            if any(first <= uid <= last for first, last in bounds)
            and not ("UNSEEN" in keys and each.seen)
            and each.arrived_at.date() >= day
        ]

    def fetch(self, uids: Sequence[int], items: Sequence[str]) -> Answer:
        self._ask("FETCH")
        withheld = self._withheld(uids, items)
        if "disconnected" in withheld.values():
            raise Unavailable("disconnected", "the connection ended")
        if "refused" in withheld.values():
            raise Refused("the server refused FETCH", "SERVERBUG")
        return {
            uid: dict(_item(uid, self._box.letters[uid], item) for item in items)
            for uid in uids
            if uid in self._box.letters and uid not in withheld
        }

    def _withheld(self, uids: Sequence[int], items: Sequence[str]) -> dict[int, str]:
        if self._box.bodies_only and not any(item.startswith("BODY.PEEK[]") for item in items):
            return {}
        there = self._box.letters.keys() & set(uids)
        return {uid: how for uid, how in self._box.withheld.items() if uid in there}

    def uid_of(self, number: int) -> int | None:
        self._ask("FETCH UID")
        uids = sorted(self._box.letters)
        return uids[number - 1] if number <= len(uids) else None

    def _ask(self, command: str) -> None:
        self._box.asked[command] += 1
        if self._box.breaks_after is not None:
            self._box.breaks_after -= 1
            if self._box.breaks_after < 0:
                raise Unavailable("disconnected", "the connection ended")


def _day(text: str) -> date:
    day, month, year = text.split("-")
    return date(int(year), MONTHS.index(month) + 1, int(day))


def _item(uid: int, each: Letter, item: str) -> tuple[bytes, bytes]:
    simple = {
        "UID": str(uid),
        "RFC822.SIZE": str(len(each.content)),
        "INTERNALDATE": f"{each.arrived_at.day:2}-{MONTHS[each.arrived_at.month - 1]}"
        f"{each.arrived_at:-%Y %H:%M:%S +0000}",
    }
    if item in simple:
        return item.encode(), simple[item].encode()
    match = _PART.fullmatch(item)
    assert match is not None, item
    section, offset, length = match.groups()
    header, _empty, text = each.content.partition(b"\r\n\r\n")
    data = {"": each.content, "TEXT": text}.get(section, header + b"\r\n\r\n")
    label = f"BODY[{section}]"
    if offset is not None:
        label, data = f"{label}<{offset}>", data[int(offset) : int(offset) + int(length)]
    return label.encode(), data


@dataclass
class Desk:
    """An intake over a store, and what it publishes. Time stands still unless told to go on."""

    store: Store
    spool: Spool
    leases: Leases
    pool: ThreadPoolExecutor
    now: datetime = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    published: list[tuple[str, MailReceived]] = field(default_factory=list)
    fails: Callable[[str], bool] = lambda _when: False
    limits: Limits = LIMITS
    accounts: Iterator[int] = field(default_factory=itertools.count)

    def account(self, **imap: Any) -> Account:
        """An account with a mailbox of its own."""
        server = {"host": "imap.example.org", "user": "u", "password": "env:P", "since": "beginning", **imap}
        name = f"team-{next(self.accounts)}"
        return Account.model_validate({"name": name, "address": "team@example.org", "imap": server})

    def intake(self) -> Intake:
        """The intake of a process that has just begun."""
        progress = Progress(self.store, lambda: self.now)
        return Intake(
            progress,
            TroubleList(self.store),
            self._publish,
            self.spool,
            self.pool,
            limits=self.limits,
            shards=1,
            clock=lambda: self.now,
            monotonic=lambda: self.now.timestamp(),
        )

    def look(self, intake: Intake, account: Account, box: Box) -> Looked:
        """One look into the account's inbox."""
        assert account.imap is not None
        visit = Visit(account, account.imap, self.leases.held()[0], lambda: False, "INBOX")
        return intake.look(cast(Session, ModelSession(box)), visit)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def mails(self, account: Account) -> list[tuple[str, MailReceived]]:
        """What was published of this account: message ids and mails."""
        return [each for each in self.published if each[1].account == account.name]

    def contents(self, account: Account) -> list[bytes]:
        """The contents of those that travelled in their messages."""
        return [mail.content or b"" for _id, mail in self.mails(account)]

    def recorded(self, account: Account) -> set[str]:
        """The ids of the account's mails in the ledger."""
        mine = select(fetch_ledger.c.mail_id).where(fetch_ledger.c.account == account.name)
        with self.store.read() as connection:
            return set(connection.execute(mine).scalars())

    def _publish(self, messages: Sequence[Outgoing]) -> None:
        if self.fails("before"):
            raise Transient("the process ends before it publishes")
        for each in messages:
            envelope = decode(each.wire)
            assert isinstance(envelope.message, MailReceived)
            self.published.append((envelope.id, envelope.message))
        if self.fails("after"):
            raise Transient("the process ends after it published")


@contextmanager
def open_desk(folder: Path) -> Iterator[Desk]:
    """A desk with a store in this folder."""
    store = Store(f"sqlite:///{folder}/store.sqlite3")
    metadata.create_all(store.engine)
    leases = Leases(store, 1, "test")
    leases.step()
    with ThreadPoolExecutor(1) as pool:
        yield Desk(store, Spool(folder / "spool"), leases, pool)
    store.close()
