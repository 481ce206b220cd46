"""The evidence of decisions: appended in the transaction of the decision, never changed."""

import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Row, delete, func, select

from postroom.evidence.chain import Entry, Tail
from postroom.store.packing import packed
from postroom.store.schema import approvals, evidence


@dataclass(frozen=True)
class Chain:
    """How far the evidence of a request is: its end, and the kinds and events that are recorded."""

    tail: Tail = field(default_factory=Tail)
    kinds: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()

    def with_entry(self, entry: Entry, kind: str, event_sha256: str) -> "Chain":
        """The chain with one entry more."""
        return Chain(Tail(entry.sequence, entry.digest), self.kinds | {kind}, self.events | {event_sha256})


@dataclass(frozen=True)
class Recorded:
    """An entry with what the store knows it by."""

    entry: Entry
    kind: str
    event_sha256: str


def read_chains(connection: Connection, approval_ids: Collection[str]) -> dict[str, Chain]:
    """How far the evidence of the requests is. Whoever appends to it holds the rows of the requests."""
    columns = (evidence.c.approval_id, evidence.c.sequence, evidence.c.kind, evidence.c.event_sha256)
    rows = connection.execute(
        select(*columns, evidence.c.digest)
        .where(evidence.c.approval_id.in_(sorted(approval_ids)))
        .order_by(evidence.c.approval_id, evidence.c.sequence)
    )
    chains = dict.fromkeys(approval_ids, Chain())
    for row in rows:
        chain = chains[row.approval_id]
        chains[row.approval_id] = Chain(
            Tail(row.sequence, row.digest), chain.kinds | {row.kind}, chain.events | {row.event_sha256}
        )
    return chains


def append(connection: Connection, entries: Sequence[Recorded], now: datetime) -> None:
    """Append entries.

    Raises:
        IntegrityError: another transaction appended to one of the chains; the batch is tried again.
    """
    if entries:
        connection.execute(evidence.insert(), [_row(each, now) for each in entries])


def read_entries(connection: Connection, approval_id: str) -> list[Entry]:
    """The evidence of a request as it lies in the store, oldest first; nothing of it verified."""
    rows = connection.execute(
        select(evidence).where(evidence.c.approval_id == approval_id).order_by(evidence.c.sequence)
    )
    return [_entry(row) for row in rows]


def approval_ids(connection: Connection) -> Iterable[str]:
    """The requests that there is evidence of, in order."""
    return connection.execute(
        select(evidence.c.approval_id).distinct().order_by(evidence.c.approval_id)
    ).scalars()


def forget_before(connection: Connection, moment: datetime, *, account: str, limit: int) -> int:
    """Remove evidence of ended requests whose newest entry is older; returns of how many requests.

    Args:
        connection: The transaction.
        moment: What is older goes.
        account: Whose requests.
        limit: Of so many requests at most.
    """
    pending = approvals.c.state == "pending"
    old = (
        select(evidence.c.approval_id)
        .join(approvals, approvals.c.id == evidence.c.approval_id)
        .where(approvals.c.account == account, ~pending)
        .group_by(evidence.c.approval_id)
        .having(func.max(evidence.c.recorded_at) < moment)
        .limit(limit)
    )
    ids = list(connection.execute(old).scalars())
    if ids:
        connection.execute(delete(evidence).where(evidence.c.approval_id.in_(ids)))
    return len(ids)


def _row(recorded: Recorded, now: datetime) -> dict[str, object]:
    entry = recorded.entry
    return {
        "approval_id": entry.approval_id,
        "sequence": entry.sequence,
        "kind": recorded.kind,
        "event_sha256": recorded.event_sha256,
        "recorded_at": now,
        "document": entry.document,
        "mail": None if entry.mail is None else packed(entry.mail),
        "previous": entry.previous,
        "digest": entry.digest,
        "key": entry.key,
        "signature": entry.signature,
    }


def _entry(row: Row[tuple[object, ...]]) -> Entry:
    return Entry(
        approval_id=row.approval_id,
        sequence=row.sequence,
        document=bytes(row.document),
        mail=None if row.mail is None else _unpacked(bytes(row.mail)),
        previous=row.previous,
        digest=row.digest,
        key=row.key,
        signature=row.signature,
    )


def _unpacked(mail: bytes) -> bytes:
    try:
        return zlib.decompress(mail)
    except zlib.error:
        return mail  # damaged: its hash tells, and who looks for the cause has what there is
