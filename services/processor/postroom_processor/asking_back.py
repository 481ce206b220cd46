"""The questions whether a reply was the approver's: kept until they are answered, one a day at most."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, select, update

from postroom.store.engine import insert_new
from postroom.store.schema import confirmations
from postroom_processor.confirmation import FirstReply, Question, confirmation_claim
from postroom_processor.decide import TokenRecord
from postroom_processor.follow_up import Handled
from postroom_processor.verdict import Decided


def questions(connection: Connection, refs: Sequence[str]) -> Sequence[Row[Any]]:
    """Those of the tokens that confirm a reply, as they are stored."""
    return connection.execute(select(confirmations).where(confirmations.c.token_ref.in_(refs))).all()


def records(rows: Iterable[Row[Any]], asked: Mapping[str, TokenRecord]) -> dict[str, TokenRecord]:
    """Their records. `asked`: the records of the tokens that the replies bore, as the requests stand now."""
    return {row.token_ref: _record(row, asked[row.asked_ref]) for row in rows if row.asked_ref in asked}


def _record(row: Row[Any], asked: TokenRecord) -> TokenRecord:
    first = FirstReply(row.mail_id, row.sha256, row.choice, row.comment, row.voter, row.asked_at, row.answer)
    claim = confirmation_claim(asked.claim, first.mail_id, first.choice, first.voter)
    return replace(asked, claim=claim, first=first)


def may_ask(connection: Connection, asked: Question) -> bool:
    """Whether nothing of the kind was asked about this token today (UTC); then the question is kept."""
    first = asked.first
    row = {
        "token_ref": asked.token_ref,
        "asked_ref": asked.asked_ref,
        "approval_id": asked.claim.approval_id,
        "address": asked.claim.approver,
        "day": first.asked_at.date().isoformat(),
        "voter": first.voter,
        "choice": first.choice,
        "comment": first.comment,
        "mail_id": first.mail_id,
        "sha256": first.sha256,
        "asked_at": first.asked_at,
    }
    return bool(insert_new(connection, confirmations, [row], key="token_ref"))


def save_answers(connection: Connection, handled: Iterable[Handled]) -> None:
    """Record how questions were answered, for the first time each."""
    for each in handled:
        record, verdict = each.outcome.record, each.outcome.verdict
        if record is None or record.first is None or not isinstance(verdict, Decided):
            continue
        answer = "confirmed" if each.outcome.vote else "contradicted"
        connection.execute(
            update(confirmations)
            .where(confirmations.c.mail_id == record.first.mail_id, confirmations.c.answer.is_(None))
            .values(answer=answer)
        )
