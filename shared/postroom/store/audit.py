"""What people did: recorded with the deed, in its transaction, and shown to those who see the account."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, null, select, update

from postroom.access import Actor
from postroom.addresses import fold_case
from postroom.amount import amount
from postroom.clock import utc_now
from postroom.store.schema import audit
from postroom.store.view import View

ERASED = "(erased)"
"""Stands in the audit for an address whose owner's data was erased."""
MAX_RULES = 20
"""Of those that a deed was about, so many are named."""


def record(
    connection: Connection,
    actor: Actor,
    action: str,
    account: str | None,
    target: str,
    detail: Mapping[str, Any],
    undo: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> str:
    """Record a deed in its own transaction; returns the row's id.

    Args:
        connection: The transaction of the deed.
        actor: Who did it.
        action: What, such as `contact.add`.
        account: Whose mail it was about; None: the whole system. It decides who may read the row.
        target: What it was done to, such as an id.
        detail: More about it; no text of mails.
        undo: How `postroom.undoing` undoes it, by its `kind`; None: that cannot be done.
        now: When; default: now.
    """
    row: dict[str, Any] = {
        "id": secrets.token_hex(8),
        "at": now or utc_now(),
        "actor": actor.name,
        "via": actor.via,
        "action": action,
        "account": account,
        "target": target,
        "detail": dict(detail),
    }
    # Left out rather than None: in a JSON column that would be the value null.
    if undo is not None:
        row["undo"] = dict(undo)
    connection.execute(insert(audit), [row])
    return str(row["id"])


def record_rules(
    connection: Connection,
    actor: Actor,
    action: str,
    account: str | None,
    patterns: Sequence[str],
    undo: Mapping[str, Any] | None,
    now: datetime,
) -> None:
    """Record that deny rules were added or removed, the first of them by name; nothing where none was."""
    if not patterns:
        return
    target = patterns[0] if len(patterns) == 1 else amount(len(patterns), "rule")
    detail = {"patterns": list(patterns[:MAX_RULES]), "count": len(patterns)}
    record(connection, actor, action, account, target, detail, undo, now)


def listed(
    view: View,
    *,
    limit: int,
    actor: str | None = None,
    account: str | None = None,
    action: str | None = None,
    before: str | None = None,
) -> list[dict[str, Any]]:
    """The newest deeds that the view shows, those that concern no account only to those who have `audit`.

    Args:
        view: Whose.
        limit: How many at most.
        actor: Only those of this person.
        account: Only those of this account.
        action: Only these, or all that begin so: `contact` is `contact.add` and all others of contacts.
        before: Only what was done before the row of this id, to page on.
    """
    query = _visible(view).order_by(audit.c.seq.desc()).limit(limit)
    if actor is not None:
        query = query.where(audit.c.actor == actor)
    if account is not None:
        query = query.where(audit.c.account == account)
    if action is not None:
        query = query.where(
            (audit.c.action == action) | audit.c.action.startswith(f"{action}.", autoescape=True)
        )
    if before is not None:
        # Of a row that the view does not show: nothing is before it.
        place = view.select(audit.c.seq, also_system="audit").where(audit.c.id == before)
        query = query.where(audit.c.seq < place.scalar_subquery())
    return [dict(row) for row in view.connection.execute(query).mappings()]


def found(view: View, row_id: str) -> dict[str, Any] | None:
    """One row, or None if there is none that the view shows."""
    query = _visible(view).where(audit.c.id == row_id)
    row = view.connection.execute(query).mappings().first()
    return dict(row) if row else None


def newest_open(view: View) -> str | None:
    """The actor's newest deed that can be undone and was not, or None."""
    mine = (audit.c.actor == view.actor.name) & audit.c.undo.is_not(None) & audit.c.undone_at.is_(None)
    query = view.select(audit.c.id, also_system="audit").where(mine).order_by(audit.c.seq.desc())
    newest: str | None = view.connection.execute(query.limit(1)).scalar()
    return newest


def mark_undone(view: View, row_id: str, now: datetime) -> bool:
    """The deed is being undone in this transaction; False if it was, cannot be, or is not to be seen."""
    open_row = (
        (audit.c.id == row_id)
        & view.visible(audit, also_system="audit")
        & audit.c.undo.is_not(None)
        & audit.c.undone_at.is_(None)
    )
    changed = view.connection.execute(update(audit).where(open_row).values(undone_at=now))
    return changed.rowcount == 1


def forget_before(connection: Connection, before: datetime, limit: int) -> int:
    """Forget the oldest of the deeds before a time, so many at most; how many."""
    old = select(audit.c.seq).where(audit.c.at < before).order_by(audit.c.seq).limit(limit)
    gone = list(connection.execute(old).scalars())
    return connection.execute(delete(audit).where(audit.c.seq.in_(gone))).rowcount


def forget_person(view: View, addresses: Collection[str], account: str | None = None) -> None:
    """Take these addresses out of the deeds that the actor sees, with this account or any.

    A deed that needs one of them cannot be undone then.
    """
    query = view.select(audit.c.seq, audit.c.target, audit.c.detail, audit.c.undo)
    if account is not None:
        query = query.where(audit.c.account == account)
    for row in view.connection.execute(query).all():
        target, detail, undo = (_without(each, addresses) for each in row[1:])
        if (target, detail, undo) != tuple(row[1:]):
            # Left as it is: in a JSON column None would be the value null.
            changed = {"target": target, "detail": detail} | ({"undo": null()} if undo != row.undo else {})
            view.connection.execute(update(audit).where(audit.c.seq == row.seq).values(changed))


def _without(value: Any, addresses: Collection[str]) -> Any:
    if isinstance(value, str):
        return ERASED if fold_case(value) in addresses else value
    if isinstance(value, list):
        return [_without(each, addresses) for each in value]
    if isinstance(value, dict):
        return {name: _without(each, addresses) for name, each in value.items()}
    return value


def _visible(view: View) -> Select[Any]:
    shown = [column for column in audit.c if column.name != "seq"]
    return view.select(*shown, also_system="audit")
