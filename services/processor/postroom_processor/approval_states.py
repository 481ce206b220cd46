"""How requests stand, read from the store."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, select

from postroom.messages import ApprovalState
from postroom.store.schema import approvals, approvers


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
