"""How requests stand: what the handler of commands asks of the store and writes to it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from postroom.messages import ApprovalState
from postroom.store.schema import approvals, approvers
from postroom_processor.requests import Asked


@dataclass(frozen=True)
class Standing:
    """What must be known of a request to answer a command about it."""

    account: str
    content_hash: str
    state: str
    deadline: datetime


def read_standing(connection: Connection, ids: Sequence[str]) -> dict[str, Standing]:
    """How those of the requests stand that exist, locked until the transaction ends."""
    # Always in the same order, so that two batches cannot wait for each other.
    rows = connection.execute(
        select(approvals).where(approvals.c.id.in_(ids)).order_by(approvals.c.id).with_for_update()
    )
    return {row.id: Standing(row.account, row.content_hash, row.state, row.deadline) for row in rows}


def save_asked(connection: Connection, asked: Sequence[tuple[dict[str, Any], Sequence[Asked]]]) -> None:
    """Record new requests and their approvers.

    Raises:
        IntegrityError: another processor has just recorded one of them; the batch is tried again.
    """
    if not asked:
        return
    connection.execute(approvals.insert(), [row for row, _ in asked])
    connection.execute(
        approvers.insert(),
        [
            {
                "approval_id": each.claim.approval_id,
                "address": each.claim.approver,
                "position": each.position,
                "token_ref": each.token_ref,
                "expires_at": each.claim.expires_at,
            }
            for _, people in asked
            for each in people
        ],
    )


def save_cancelled(connection: Connection, reasons: Mapping[str, str], now: datetime) -> None:
    """Record that requests are withdrawn, with the reason of each."""
    if reasons:
        connection.execute(
            update(approvals)
            .where(approvals.c.id == bindparam("request"))
            .values(state="cancelled", decided_at=now),
            [{"request": approval_id, "comment": reason} for approval_id, reason in reasons.items()],
        )


def read_states(connection: Connection, ids: Sequence[str], limit: int) -> tuple[ApprovalState, ...]:
    """The requests of the ids that exist, or the newest `limit` where no ids are given; newest first."""
    query = select(approvals).order_by(approvals.c.requested_at.desc(), approvals.c.id)
    query = query.where(approvals.c.id.in_(ids)) if ids else query.limit(limit)
    rows = connection.execute(query).all()
    people = defaultdict(list)
    chosen = approvers.c.approval_id.in_([row.id for row in rows])
    for person in connection.execute(select(approvers).where(chosen).order_by(approvers.c.position)):
        people[person.approval_id].append(person)
    return tuple(
        ApprovalState(
            id=row.id,
            account=row.account,
            subject=row.subject,
            approvers=tuple(person.address for person in people[row.id]),
            choices=tuple(row.choices),
            state=row.state,
            decision=row.decision,
            decided_by=row.decided_by,
            comment=row.comment,
            requested_at=row.requested_at,
            deadline=row.deadline,
            decided_at=row.decided_at,
            undelivered=tuple(person.address for person in people[row.id] if person.undelivered),
        )
        for row in rows
    )
