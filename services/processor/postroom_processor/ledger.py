"""What the processor asks of the store and writes to it about received mail."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, select, update

from postroom.account import Account
from postroom.reply_token import TokenClaim
from postroom.store.engine import insert_new, upsert
from postroom.store.schema import approvals, approvers, help_mails, mails, sends, windows
from postroom_processor.decide import TokenRecord
from postroom_processor.follow_up import Handled
from postroom_processor.limits import Window
from postroom_processor.verdict import Decided


def handled_before(connection: Connection, mail_ids: Sequence[str]) -> set[str]:
    """Those of the mails that have their outcome already."""
    found = connection.execute(select(mails.c.mail_id).where(mails.c.mail_id.in_(mail_ids)))
    return set(found.scalars())


def token_records(connection: Connection, refs: Iterable[str]) -> dict[str, TokenRecord]:
    """The records of the tokens that are known, their requests locked until the transaction ends."""
    wanted = sorted(set(refs))
    if not wanted:
        return {}
    rows = connection.execute(
        select(approvers, approvals)
        .join(approvals, approvals.c.id == approvers.c.approval_id)
        .where(approvers.c.token_ref.in_(wanted))
        # Always in the same order, so that two batches cannot wait for each other.
        .order_by(approvals.c.id)
        .with_for_update()
    )
    return {row.token_ref: _record(row) for row in rows}


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


def save_decisions(connection: Connection, handled: Sequence[Handled], now: datetime) -> bool:
    """Record decisions; False if one of the requests is not pending any more."""
    rows = [_decision_row(each) for each in sorted(handled, key=_approval_id)]
    if not rows:
        return True
    statement = (
        update(approvals)
        .where(approvals.c.id == bindparam("request"), approvals.c.state == "pending")
        .values(state="decided", decided_at=now)
    )
    return connection.execute(statement, rows).rowcount == len(rows)


def may_help(connection: Connection, approval_id: str, approver: str, now: datetime) -> bool:
    """Whether this approver has had no help mail about this request today (UTC); records that one goes."""
    row = {"approval_id": approval_id, "address": approver, "day": now.date().isoformat()}
    return bool(insert_new(connection, help_mails, [row], key="address"))


def _record(row: Row[tuple[object, ...]]) -> TokenRecord:
    claim = TokenClaim(row.approval_id, row.address, row.content_hash, row.expires_at)
    return TokenRecord(
        claim=claim,
        position=row.position,
        account=row.account,
        subject=row.subject,
        choices=tuple(row.choices),
        state=row.state,
        decision=row.decision,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        correlation_id=row.correlation_id,
        traceparent=row.traceparent,
    )


def _approval_id(handled: Handled) -> str:
    assert handled.outcome.record is not None
    return handled.outcome.record.claim.approval_id


def _decision_row(handled: Handled) -> dict[str, object]:
    record, verdict = handled.outcome.record, handled.outcome.verdict
    assert record is not None
    assert isinstance(verdict, Decided)
    return {
        "request": record.claim.approval_id,
        "decision": verdict.choice,
        "decided_by": record.claim.approver,
        "comment": verdict.comment,
        "mail_id": handled.envelope.id,
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
