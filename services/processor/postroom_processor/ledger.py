"""What the processor asks of the store and writes to it about received mail."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, bindparam, func, select, update

from postroom.account import Account
from postroom.reply_token import TokenClaim
from postroom.store.engine import insert_new, upsert
from postroom.store.schema import (
    approval_votes,
    approvals,
    approvers,
    former_tokens,
    help_mails,
    late_notices,
    mails,
    sends,
    windows,
)
from postroom_processor import asking_back
from postroom_processor.decide import TokenRecord
from postroom_processor.follow_up import Handled
from postroom_processor.help_budget import Helped
from postroom_processor.late_notice import Told
from postroom_processor.lifecycle import Seat, Terms, Vote
from postroom_processor.limits import Window
from postroom_processor.requests import plan_of, token_content
from postroom_processor.verdict import Decided


def handled_before(connection: Connection, mail_ids: Sequence[str]) -> set[str]:
    """Those of the mails that have their outcome already."""
    found = connection.execute(select(mails.c.mail_id).where(mails.c.mail_id.in_(mail_ids)))
    return set(found.scalars())


def token_records(
    connection: Connection, refs: Iterable[str], *, lock: bool = True
) -> dict[str, TokenRecord]:
    """The records of the tokens that are known; `lock`: their requests locked until the transaction ends."""
    wanted = sorted(set(refs))
    if not wanted:
        return {}
    asked = asking_back.questions(connection, wanted)
    wanted = sorted({*wanted, *(row.asked_ref for row in asked)})
    rows = connection.execute(_of_tokens(approvers, wanted, lock=lock)).all()
    # Read once the requests are locked: what somebody changed in the meantime is here and not there. These
    # decide nothing, so they are not locked: two batches that lock twice could wait for each other.
    left = sorted(set(wanted) - {row.token_ref for row in rows})
    former = connection.execute(_of_tokens(former_tokens, left, lock=False)).all()
    # Once more, or an answer that came while this waited for the lock would not be seen.
    questions = asking_back.questions(connection, wanted) if asked else ()
    ids = sorted({row.approval_id for row in rows})
    seats, votes = seats_of(connection, ids), votes_of(connection, ids)
    current = {
        row.token_ref: _record(row, seats[row.approval_id], votes[row.approval_id, row.round]) for row in rows
    }
    found = current | {row.token_ref: _void_record(row) for row in former}
    return found | asking_back.records(questions, found)


def _of_tokens(table: Table, refs: Sequence[str], *, lock: bool) -> Select[Any]:
    # The requests always in the same order, so that two batches cannot wait for each other.
    about = [each for each in approvals.c if each.name != "content_hash"]
    found = (
        select(table, *about, approvals.c.content_hash.label("content"))
        .join(approvals, approvals.c.id == table.c.approval_id)
        .where(table.c.token_ref.in_(refs))
        .order_by(approvals.c.id)
    )
    return found.with_for_update() if lock else found


def seats_of(connection: Connection, ids: Sequence[str]) -> Mapping[str, tuple[Seat, ...]]:
    """Who is asked about each of the requests, in order."""
    rows = connection.execute(
        select(approvers).where(approvers.c.approval_id.in_(ids)).order_by(approvers.c.position)
    )
    found: dict[str, tuple[Seat, ...]] = defaultdict(tuple)
    for row in rows:
        found[row.approval_id] += (Seat(row.address, row.role, row.stands_for),)
    return found


def votes_of(connection: Connection, ids: Sequence[str]) -> Mapping[tuple[str, int], tuple[Vote, ...]]:
    """The votes about each of the requests and in each of its rounds, in order."""
    rows = connection.execute(
        select(approval_votes)
        .where(approval_votes.c.approval_id.in_(ids))
        .order_by(approval_votes.c.voted_at, approval_votes.c.seat)
    )
    found: dict[tuple[str, int], tuple[Vote, ...]] = defaultdict(tuple)
    for row in rows:
        vote = Vote(row.seat, row.approver, row.choice, row.voted_at, row.mail_id, row.comment)
        found[row.approval_id, row.round] += (vote,)
    return found


def sent_by_us(
    connection: Connection, own_ids: Iterable[tuple[str, str] | None]
) -> frozenset[tuple[str, str]]:
    """Those of the pairs of Message-ID and hash of the body that are of mails that Postroom sent."""
    wanted = {own_id for own_id in own_ids if own_id is not None}
    if not wanted:
        return frozenset()
    rows = connection.execute(
        select(sends.c.message_id, sends.c.content_sha256).where(
            sends.c.message_id.in_({message_id for message_id, _content in wanted})
        )
    )
    return frozenset(wanted.intersection((row.message_id, row.content_sha256) for row in rows))


def windows_of(connection: Connection, accounts: Iterable[Account], now: datetime) -> dict[str, Window]:
    """The count windows of the accounts as they stand now, locked until the transaction ends."""
    limits = {
        account.name: (account.imap.interval_s, account.imap.count) for account in accounts if account.imap
    }
    fresh = [{"account": name, "started_at": now, "used": 0} for name in sorted(limits)]
    insert_new(connection, windows, fresh)
    rows = connection.execute(
        select(windows)
        .where(windows.c.account.in_(sorted(limits)))
        .order_by(windows.c.account)
        .with_for_update()
    )
    return {row.account: Window(row.started_at, *limits[row.account], used=row.used).at(now) for row in rows}


def save_windows(connection: Connection, used: Mapping[str, Window]) -> None:
    """Record how much of the windows was used."""
    rows = [
        {"account": name, "started_at": window.started_at, "used": window.used}
        for name, window in sorted(used.items())
    ]
    upsert(connection, windows, rows, update=("started_at", "used"))


def save_outcomes(connection: Connection, handled: Sequence[Handled], now: datetime) -> set[str]:
    """Record the outcomes; returns the ids of the mails that had none before."""
    rows = [_mail_row(each, now) for each in sorted(handled, key=lambda each: each.envelope.id)]
    return insert_new(connection, mails, rows, key="mail_id")


def save_votes(connection: Connection, handled: Sequence[Handled], now: datetime) -> bool:
    """Record votes and what they come to; False if a vote was given or a request ended before."""
    counted = sorted((each for each in handled if each.outcome.vote), key=_approval_id)
    if not counted:
        return True
    rows = [_vote_row(each) for each in counted]
    if len(insert_new(connection, approval_votes, rows, key="mail_id")) != len(rows):
        return False
    endings = [_ending_row(each) for each in counted if _ends(each)]
    if not endings:
        return True
    statement = (
        update(approvals)
        .where(approvals.c.id == bindparam("request"), approvals.c.state == "pending")
        .values(decided_at=now)
    )
    return connection.execute(statement, endings).rowcount == len(endings)


def helped(connection: Connection, approval_id: str, approver: str, now: datetime) -> Helped:
    """How many help mails this approver has had, for this request and today (UTC)."""
    today = now.date().isoformat()
    this_request, this_day = help_mails.c.approval_id == approval_id, help_mails.c.day == today
    counts = select(
        func.count().filter(this_request & this_day),
        func.count().filter(this_request),
        func.count().filter(this_day),
    ).where(help_mails.c.address == approver)
    return Helped(*connection.execute(counts).one())


def save_help(connection: Connection, approval_id: str, approver: str, now: datetime) -> bool:
    """Record that a help mail about this request goes to this approver today (UTC); False if one went."""
    row = {"approval_id": approval_id, "address": approver, "day": now.date().isoformat()}
    return bool(insert_new(connection, help_mails, [row], key="address"))


def told_late(connection: Connection, approval_id: str, address: str, now: datetime) -> Told:
    """How often this person was told that a reply changed nothing."""
    counts = select(
        func.count().filter(late_notices.c.approval_id == approval_id),
        func.count().filter(late_notices.c.day == now.date().isoformat()),
    ).where(late_notices.c.address == address)
    return Told(*connection.execute(counts).one())


def save_late(connection: Connection, approval_id: str, address: str, now: datetime) -> bool:
    """Record that this person is told of a late reply to this request; False if it was done before."""
    row = {"approval_id": approval_id, "address": address, "day": now.date().isoformat()}
    return bool(insert_new(connection, late_notices, [row], key="address"))


def _record(row: Row[Any], seats: tuple[Seat, ...], votes: tuple[Vote, ...]) -> TokenRecord:
    claim = TokenClaim(row.approval_id, row.address, token_content(row.content, row.round), row.expires_at)
    return TokenRecord(
        claim=claim,
        **_standing(row),
        round=row.round,
        terms=terms_of(row, seats),
        votes=votes,
        stands_for=row.stands_for,
    )


def _void_record(row: Row[Any]) -> TokenRecord:
    """The record of a token from before the request was changed."""
    claim = TokenClaim(row.approval_id, row.address, row.content_hash, row.expires_at)
    return TokenRecord(claim=claim, **_standing(row), changed_at=row.voided_at)


def _standing(row: Row[Any]) -> dict[str, Any]:
    return {
        "position": row.position,
        "account": row.account,
        "subject": row.subject,
        "choices": tuple(row.choices),
        "state": row.state,
        "decision": row.decision,
        "decided_by": row.decided_by,
        "decided_at": row.decided_at,
        "correlation_id": row.correlation_id,
        "traceparent": row.traceparent,
        "proof": row.proof,
    }


def terms_of(row: Row[Any], seats: tuple[Seat, ...]) -> Terms:
    """What a request's row asks for; `seats` are those who are asked."""
    to_come = 0 if row.escalated_at else len(plan_of(row.plan).escalate_to)
    return Terms(tuple(row.choices), row.rule, seats, to_come, tuple(row.comment_required))


def _approval_id(handled: Handled) -> str:
    assert handled.outcome.record is not None
    return handled.outcome.record.claim.approval_id


def _ends(handled: Handled) -> bool:
    result = handled.outcome.result
    return result is not None and result.state != "pending"


def _vote_row(handled: Handled) -> dict[str, object]:
    record, verdict, vote = handled.outcome.record, handled.outcome.verdict, handled.outcome.vote
    assert record is not None
    assert vote is not None
    return {
        "approval_id": record.claim.approval_id,
        "round": record.round,
        "seat": vote.seat,
        "approver": vote.approver,
        "choice": vote.choice,
        "comment": verdict.comment if isinstance(verdict, Decided) else "",
        "mail_id": handled.envelope.id,
        "voted_at": vote.at,
    }


def _ending_row(handled: Handled) -> dict[str, object]:
    """How a vote ends its request; an undecided one has no decision and nobody who made it."""
    vote, result = _vote_row(handled), handled.outcome.result
    assert result is not None
    decided = result.state == "decided"
    return {
        "request": vote["approval_id"],
        "state": result.state,
        "decision": result.decision,
        "decided_by": vote["approver"] if decided else None,
        "comment": vote["comment"] if decided else None,
        "mail_id": vote["mail_id"],
    }


def _mail_row(handled: Handled, now: datetime) -> dict[str, object]:
    received, outcome = handled.examined.received, handled.outcome
    record = outcome.record
    return {
        "mail_id": handled.envelope.id,
        "account": received.account,
        "folder": received.folder,
        "uidvalidity": received.uidvalidity,
        "uid": received.uid,
        "sha256": received.sha256,
        "size_bytes": received.size_bytes,
        "arrived_at": received.arrived_at,
        "handled_at": now,
        "outcome": outcome.kind,
        "reason": outcome.reason,
        "sender": handled.examined.sender,
        "approval_id": record.claim.approval_id if record else None,
        "correlation_id": record.correlation_id if record else handled.envelope.correlation_id,
    }
