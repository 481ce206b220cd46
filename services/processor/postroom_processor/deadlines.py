"""What is due of requests — reminders, escalation, expiry: done once, whatever number of processors looks."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from postroom import metrics
from postroom.addresses import fold_case
from postroom.broker.publisher import Outgoing, outgoing
from postroom.clock import Clock
from postroom.envelope import envelop
from postroom.messages import (
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalReminded,
    MailSend,
    Message,
    derive_id,
)
from postroom.reply_token import TokenKeys
from postroom.store import Store, outbox
from postroom.store.schema import approvals, approvers
from postroom_processor.approval_states import content_of_row, next_position, progress_of, save_people
from postroom_processor.follow_up import SOURCE
from postroom_processor.ledger import terms_of, votes_of
from postroom_processor.lifecycle import (
    TABLE,
    Seat,
    after,
    due,
    missing,
    next_due,
)
from postroom_processor.receiving import SERVICE
from postroom_processor.recording import Recorder
from postroom_processor.requests import ask, remind

LIMIT = 200


class Deadlines:
    """Looks for requests of which something is due, `LIMIT` at a time."""

    def __init__(
        self,
        store: Store,
        relay: outbox.OutboxRelay,
        recorder: Recorder,
        keys: TokenKeys,
        shards: int,
        clock: Clock,
    ) -> None:
        self._store = store
        self._relay = relay
        self._recorder = recorder
        self._keys = keys
        self._shards = shards
        self._clock = clock

    def tend(self) -> bool:
        """Do what is due; returns whether there may be more."""
        now = self._clock()
        waiting = (
            select(approvals)
            .where(approvals.c.state == "pending", approvals.c.due_at <= now)
            .order_by(approvals.c.id)
            .limit(LIMIT)
            .with_for_update(skip_locked=True)
        )
        with self._store.read() as connection:
            if not connection.execute(waiting.with_only_columns(approvals.c.id).limit(1)).first():
                return False
        with self._store.write() as connection:
            # Locked, and those that another processor works on are left to it.
            rows = connection.execute(waiting).all()
            messages = [each for row in rows for each in self._do(connection, row, now)]
            self._recorder.record(connection, messages, now)
            outbox.add(connection, SERVICE, messages, now)
        metrics.unheard.inc(self._relay.publish(messages).unheard)
        return len(rows) == LIMIT

    def _do(self, connection: Connection, row: Row[Any], now: datetime) -> Iterator[Outgoing]:
        progress = progress_of(row)
        kinds = due(progress, now)
        for kind in kinds:
            cell = TABLE[row.state, kind]
            if cell.effect == "end":
                yield self._expire(connection, row, now)
            elif kind == "remind":
                yield from self._remind(connection, row, now)
            else:
                yield from self._escalate(connection, row, now)
        if "expire" not in kinds:
            changes = after(progress, kinds, now)
            connection.execute(
                update(approvals)
                .where(approvals.c.id == row.id)
                .values(
                    reminded_at=changes.reminded_at,
                    escalated_at=changes.escalated_at,
                    due_at=next_due(changes),
                )
            )

    def _expire(self, connection: Connection, row: Row[Any], now: datetime) -> Outgoing:
        connection.execute(
            update(approvals).where(approvals.c.id == row.id).values(state="expired", decided_at=now)
        )
        metrics.approvals.labels(result="expired").inc()
        event = ApprovalExpired(account=row.account, approval_id=row.id, deadline=row.deadline)
        return self._message(row, event, derive_id(row.id, event.TYPE), now)

    def _remind(self, connection: Connection, row: Row[Any], now: datetime) -> Iterator[Outgoing]:
        """One reminder to each whose vote is not in and whom mail reaches."""
        people = _missing(connection, row)
        if not people:
            return
        number = row.reminders + 1
        connection.execute(update(approvals).where(approvals.c.id == row.id).values(reminders=number))
        content = content_of_row(row)
        for person in people:
            mail = remind(content, _seat(person), person.position, number, self._keys, now)
            yield self._mail(row, mail, now)
        metrics.approvals.labels(result="reminded").inc()
        addresses = tuple(person.address for person in people)
        event = ApprovalReminded(account=row.account, approval_id=row.id, approvers=addresses, number=number)
        yield self._message(row, event, derive_id(row.id, event.TYPE, row.round, number), now)

    def _escalate(self, connection: Connection, row: Row[Any], now: datetime) -> Iterator[Outgoing]:
        """Ask those to whom it escalates, and who are not asked already (as somebody's delegate)."""
        asked_already = {fold_case(person.address) for person in _people(connection, row.id)}
        to = [each for each in progress_of(row).plan.escalate_to if fold_case(each) not in asked_already]
        if not to:
            return
        seats = [Seat(address, "escalated") for address in to]
        start = next_position(connection, row.id)
        asked = ask(content_of_row(row), seats, self._keys, now, start=start)
        save_people(connection, asked)
        for each in asked:
            yield self._mail(row, each.mail, now)
        metrics.approvals.labels(result="escalated").inc()
        event = ApprovalEscalated(account=row.account, approval_id=row.id, to=tuple(to))
        yield self._message(row, event, derive_id(row.id, event.TYPE, row.round), now)

    def _mail(self, row: Row[Any], mail: MailSend, now: datetime) -> Outgoing:
        return self._message(row, mail, derive_id("mail.send", mail.id), now)

    def _message(self, row: Row[Any], message: Message, message_id: str, now: datetime) -> Outgoing:
        envelope = envelop(
            message,
            source=SOURCE,
            now=now,
            message_id=message_id,
            correlation_id=row.correlation_id,
            traceparent=row.traceparent,
        )
        return outgoing(envelope, self._shards)


def _people(connection: Connection, approval_id: str) -> Sequence[Row[Any]]:
    rows = connection.execute(
        select(approvers).where(approvers.c.approval_id == approval_id).order_by(approvers.c.position)
    )
    return rows.all()


def _missing(connection: Connection, row: Row[Any]) -> list[Row[Any]]:
    """Those whose vote is not in, without those whose mail the mail server refused."""
    people = _people(connection, row.id)
    votes = votes_of(connection, [row.id])[row.id, row.round]
    names = {seat.address for seat in missing(terms_of(row, tuple(map(_seat, people))), votes)}
    return [person for person in people if person.address in names and not person.undelivered]


def _seat(person: Row[Any]) -> Seat:
    return Seat(person.address, person.role, person.stands_for)
