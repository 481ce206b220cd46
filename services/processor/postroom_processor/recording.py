"""Records evidence: one entry for each event that tells a change of a request, in the same transaction.

The events are what a transaction is about to tell, so that no change is told that is not recorded.
"""

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from postroom.accounts_watch import Accounts
from postroom.broker.outgoing import Outgoing
from postroom.envelope import PREFIX, event_type
from postroom.evidence.canonical import Document
from postroom.evidence.chain import SigningKeys, seal
from postroom.messages import MESSAGES, ApprovalEvent, ApprovalUnclear
from postroom.store import evidence as stored
from postroom.store.schema import approvals, approvers
from postroom_processor.evidence import Change, Origin, document_of, policy_of
from postroom_processor.follow_up import Handled

logger = logging.getLogger(__name__)

# What an unclear reply was is in the table of mails; it changes nothing of its request.
_KINDS = {
    event_type(model): model.TYPE.partition(".")[2]
    for model in MESSAGES.values()
    if issubclass(model, ApprovalEvent) and model is not ApprovalUnclear
}
ONCE = frozenset({"requested", "decided", "undecided", "expired", "cancelled"})
"""Kinds of which a request has one at most: told again (with another reason), they are nothing new."""


def origin() -> Origin:
    """Which Postroom this is."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return Origin(version("postroom"), digest.hexdigest())


class Recorder:
    """Appends to the evidence of requests."""

    def __init__(self, accounts: Accounts, keys: SigningKeys, origin: Origin) -> None:
        self._accounts = accounts
        self._keys = keys
        self._origin = origin

    def record(
        self,
        connection: Connection,
        messages: Iterable[Outgoing],
        now: datetime,
        mails: Sequence[Handled] = (),
    ) -> None:
        """Record the changes that the messages tell, after they were written; `mails`: what led to them.

        Raises:
            IntegrityError: another transaction recorded something of the same request; try again.
        """
        told = [(kind, json.loads(each.wire.body)) for each in messages if (kind := _kind(each))]
        if not told:
            return
        changes = _changes(connection, told)
        chains = stored.read_chains(connection, {change.approval_id for change in changes})
        by_id = {each.envelope.id: each for each in mails}
        policies = self._policies(changes)
        new: list[stored.Recorded] = []
        for change in changes:
            chain = chains[change.approval_id]
            event_sha256 = change.event_sha256
            if event_sha256 in chain.events or change.kind in chain.kinds & ONCE:
                continue
            handled = by_id.get(str(change.event.get("mail_id")))
            document = document_of(change, policies[change.account], handled, now)
            mail = handled.examined.mail.raw if handled else None
            entry = seal(change.approval_id, chain.tail, document, mail, self._keys)
            chains[change.approval_id] = chain.with_entry(entry, change.kind, event_sha256)
            new.append(stored.Recorded(entry, change.kind, event_sha256))
        stored.append(connection, new, now)
        _log(new)

    def _policies(self, changes: Iterable[Change]) -> dict[str, Document]:
        names = {change.account for change in changes}
        return {name: policy_of(self._accounts.get(name), self._origin) for name in names}


def _kind(message: Outgoing) -> str | None:
    return _KINDS.get(str(message.wire.headers.get(f"{PREFIX}type")))


def _changes(connection: Connection, told: Sequence[tuple[str, dict[str, Any]]]) -> list[Change]:
    ids = {event["approval_id"] for _, event in told}
    requests = _requests(connection, ids)
    people = _people(connection, ids)
    return [
        Change(
            each["approval_id"],
            kind,
            each,
            requests.get(each["approval_id"], {}),
            people[each["approval_id"]],
        )
        for kind, each in told
    ]


def _requests(connection: Connection, ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
    rows = connection.execute(select(approvals).where(approvals.c.id.in_(sorted(ids)))).mappings()
    return {row["id"]: dict(row) for row in rows}


def _people(connection: Connection, ids: Collection[str]) -> Mapping[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    rows = connection.execute(
        select(approvers)
        .where(approvers.c.approval_id.in_(sorted(ids)))
        .order_by(approvers.c.approval_id, approvers.c.position)
    )
    for row in rows.mappings():
        found[row["approval_id"]].append({key: row[key] for key in row if key != "approval_id"})
    return found


def _log(recorded: Sequence[stored.Recorded]) -> None:
    """Say each hash where the store cannot change it: an end of a chain that was removed is noticed by it."""
    for each in recorded:
        extra = {"approval_id": each.entry.approval_id, "kind": each.kind, "sha256": each.entry.digest}
        logger.info("evidence recorded", extra={**extra, "sequence": each.entry.sequence})
