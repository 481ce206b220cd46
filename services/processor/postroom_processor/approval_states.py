"""How requests stand: what the handler of commands asks of the store and writes to it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, literal, select, update

from postroom.messages import ApprovalState
from postroom.store.schema import Moment, approvals, approvers, former_tokens
from postroom_processor.follow_up import shown, told_vote
from postroom_processor.ledger import terms_of, votes_of
from postroom_processor.lifecycle import Ending, Progress, Seat, State, Vote, missing, upcoming
from postroom_processor.requests import Asked, Content, plan_of, token_content


@dataclass(frozen=True)
class Standing:
    """What must be known of a request to answer a command about it."""

    account: str
    content_hash: str
    state: State
    deadline: datetime
    round: int = 1
    decided_by: str | None = None
    decided_at: datetime | None = None

    @property
    def ending(self) -> Ending:
        """How the request stands for those who come late."""
        return Ending(self.state, self.decided_by, self.decided_at)


def read_standing(connection: Connection, ids: Sequence[str]) -> dict[str, Standing]:
    """How those of the requests stand that exist, locked until the transaction ends."""
    # Always in the same order, so that two batches cannot wait for each other.
    rows = connection.execute(
        select(approvals).where(approvals.c.id.in_(ids)).order_by(approvals.c.id).with_for_update()
    )
    return {
        row.id: Standing(
            row.account,
            row.content_hash,
            row.state,
            row.deadline,
            row.round,
            row.decided_by,
            row.decided_at,
        )
        for row in rows
    }


def save_asked(connection: Connection, asked: Sequence[tuple[dict[str, Any], Sequence[Asked]]]) -> None:
    """Record new requests and their approvers.

    Raises:
        IntegrityError: another processor has just recorded one of them; the batch is tried again.
    """
    if not asked:
        return
    connection.execute(approvals.insert(), [row for row, _ in asked])
    save_people(connection, [each for _, people in asked for each in people])


def save_people(connection: Connection, people: Sequence[Asked]) -> None:
    """Record who is asked."""
    connection.execute(
        approvers.insert(),
        [
            {
                "approval_id": each.claim.approval_id,
                "address": each.claim.approver,
                "position": each.position,
                "token_ref": each.token_ref,
                "expires_at": each.claim.expires_at,
                "role": each.seat.role,
                "stands_for": each.seat.stands_for,
            }
            for each in people
        ],
    )


def next_position(connection: Connection, approval_id: str) -> int:
    """The first position that nobody of the request has or had: mails are never given an old id."""
    highest = max(
        connection.execute(
            select(func.coalesce(func.max(table.c.position), -1)).where(table.c.approval_id == approval_id)
        ).scalar_one()
        for table in (approvers, former_tokens)
    )
    return int(highest) + 1


def read_content(connection: Connection, approval_id: str) -> Content:
    """What people are asked about in a request that exists, as it is now."""
    return content_of_row(connection.execute(select(approvals).where(approvals.c.id == approval_id)).one())


def content_of_row(row: Row[Any]) -> Content:
    """What people are asked about in the request of a row."""
    return Content(
        approval_id=row.id,
        account=row.account,
        subject=row.subject,
        body=row.body,
        choices=tuple(row.choices),
        requester=row.requester,
        deadline=row.deadline,
        content_hash=row.content_hash,
        round=row.round,
        comment_required=tuple(row.comment_required),
        escalates_to=plan_of(row.plan).escalate_to,
    )


def save_changed(
    connection: Connection, standing: Standing, row: Mapping[str, Any], people: Sequence[Asked], now: datetime
) -> None:
    """Record that a request is asked afresh: its tokens become former ones; `row`: its new columns."""
    mine = approvers.c.approval_id == row["id"]
    moved = select(
        approvers.c.token_ref,
        approvers.c.approval_id,
        approvers.c.address,
        approvers.c.position,
        literal(token_content(standing.content_hash, standing.round)),
        approvers.c.expires_at,
        literal(now, Moment()),
    ).where(mine)
    columns = ("token_ref", "approval_id", "address", "position", "content_hash", "expires_at", "voided_at")
    connection.execute(former_tokens.insert().from_select(columns, moved))
    connection.execute(approvers.delete().where(mine))
    save_people(connection, people)
    fresh = {"reminders": 0, "reminded_at": None, "escalated_at": None, "changed_at": now}
    connection.execute(update(approvals).where(approvals.c.id == row["id"]).values({**row, **fresh}))


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
    found = [row.id for row in rows]
    chosen = approvers.c.approval_id.in_(found)
    for person in connection.execute(select(approvers).where(chosen).order_by(approvers.c.position)):
        people[person.approval_id].append(person)
    votes = votes_of(connection, found)
    return tuple(_state(row, people[row.id], votes[row.id, row.round]) for row in rows)


def _state(row: Row[Any], people: Sequence[Row[Any]], votes: tuple[Vote, ...]) -> ApprovalState:
    seats = tuple(Seat(each.address, each.role, each.stands_for) for each in people)
    pending = row.state == "pending"
    waiting = missing(terms_of(row, seats), votes) if pending else ()
    due = upcoming(progress_of(row)) if pending else (None, None)
    return ApprovalState(
        id=row.id,
        account=row.account,
        subject=row.subject,
        approvers=tuple(seat.address for seat in seats),
        choices=tuple(row.choices),
        state=row.state,
        decision=row.decision,
        decided_by=row.decided_by,
        comment=row.comment,
        requested_at=row.requested_at,
        deadline=row.deadline,
        decided_at=row.decided_at,
        undelivered=tuple(person.address for person in people if person.undelivered),
        round=row.round,
        changed_at=row.changed_at,
        rule=row.rule,
        votes=tuple(told_vote(each, shown(each.comment)) for each in votes),
        waiting_for=tuple(seat.address for seat in waiting),
        reminders=row.reminders,
        reminded_at=row.reminded_at,
        escalated_at=row.escalated_at,
        next_due=due[0],
        next_due_at=due[1],
    )


def progress_of(row: Row[Any]) -> Progress:
    """How far the plan of the request of a row has come."""
    asked_at = row.changed_at or row.requested_at
    return Progress(plan_of(row.plan), asked_at, row.deadline, row.reminded_at, row.escalated_at)
